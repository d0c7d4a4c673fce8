// Looks at a model file that nobody vouches for: what it takes and gives, and whether it colours a grey ramp.
// Must never: take a file in; intake.ts does.
import { AutochromeError, type Logger } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import { createInferenceProcess, type InferenceProcess } from "./child.ts";
import type { Failure, LoadedReply, NetworkValue } from "./messages.ts";

export interface ExamineOptions {
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
  readonly signal?: AbortSignal;
}

/** The side at which a network of any size is tried. */
const TRIED_SIDE = 256;
const MULTIPLE = 32;

/**
 * What sizes a colouring network takes.
 * @param path absolute
 * @param sha256 its digest, hex
 * @throws AutochromeError "model-damaged" for no ONNX model, an incomplete one, or one whose weights are no numbers;
 *   "model-unfit" for one that does something else; "out-of-memory"
 */
export async function examineModel(
  path: string,
  sha256: string,
  options: ExamineOptions,
): Promise<Pick<Model["input"], "fixed">> {
  const { signal, threads, log } = options;
  const child = createInferenceProcess(
    { modelPath: path, modelSha256: sha256, provider: "cpu", threads, log },
    explain,
  );
  try {
    signal?.throwIfAborted();
    const fixed = sizeOf(await child.warm());
    signal?.throwIfAborted();
    await tryOn(child, fixed ?? { width: TRIED_SIDE, height: TRIED_SIDE }, signal);
    return fixed === undefined ? {} : { fixed };
  } finally {
    child.close();
  }
}

async function tryOn(
  child: InferenceProcess,
  { width, height }: { readonly width: number; readonly height: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const ramp = Float32Array.from({ length: width * height }, (_, i) => (i % width) / (width - 1));
  await child.ask({ kind: "run", greys: [ramp], width, height }, signal);
}

/** The one size that a network takes, or undefined for any. @throws AutochromeError "model-unfit" */
function sizeOf({ inputs, outputs }: LoadedReply): { width: number; height: number } | undefined {
  const shown = (values: readonly NetworkValue[]) =>
    values.map(({ type, shape }) => `${type} ${shape.join(" × ")}`).join("; ");
  const refuse = (why: string) => unfit(why, `takes ${shown(inputs)}; gives ${shown(outputs)}`);
  const [input, output] = [inputs[0], outputs[0]];
  if (input === undefined || inputs.length > 1)
    throw refuse(`it takes ${inputs.length} inputs, not one picture`);
  if (output === undefined) throw refuse("it gives nothing");
  if (input.type !== "float32" || output.type !== "float32") {
    throw refuse(`it works with ${input.type} in and ${output.type} out, not with float32 in both`);
  }
  const [batch, channels, height, width] = input.shape;
  if (input.shape.length !== 4) throw refuse(`it takes the shape ${input.shape.join(" × ")}`);
  if (width === 3 || width === 1) throw refuse("it wants the channels last (NHWC)");
  if (typeof channels === "number" && channels !== 3) throw refuse(`it takes ${channels} channels, not 3`);
  if (typeof batch === "number" && batch !== 1) throw refuse(`it takes ${batch} pictures at a time, not one`);
  const given = output.shape[1];
  if (typeof given === "number" && given !== 2) {
    throw refuse(`it gives ${given} channels, not 2 (a and b of CIE Lab) as DDColor does`);
  }
  if (typeof width !== "number" && typeof height !== "number") return undefined;
  if (typeof width !== "number" || typeof height !== "number") {
    throw refuse("only one of its two sides is free");
  }
  if (width % MULTIPLE !== 0 || height % MULTIPLE !== 0) {
    throw refuse(`it takes ${width} × ${height} pixels, and sides must be multiples of ${MULTIPLE}`);
  }
  return { width, height };
}

function unfit(why: string, detail: string): AutochromeError {
  return new AutochromeError(
    "model-unfit",
    `This model cannot colour photographs here: ${why}.`,
    "Bring a DDColor network as ONNX: float32, 1 × 3 × height × width in, 1 × 2 × height × width out. models/export makes one.",
    { detail },
  );
}

function explain(failure: Failure | "crashed", detail: string): AutochromeError {
  const damaged = (message: string, next: string) =>
    new AutochromeError("model-damaged", message, next, { detail });
  switch (failure) {
    case "missing":
    case "damaged":
      return damaged("The file changed or went away while it was looked at.", "Try again.");
    case "unloadable":
      if (/external|model_path|ModelPath|data file/i.test(detail)) {
        return damaged(
          "The model's weights lie in a second file, which is not supported.",
          "Export it as one file with its weights inside: see models/export.",
        );
      }
      if (/protobuf|parse|Invalid model|No graph|truncat/i.test(detail)) {
        return damaged(
          "This is no ONNX model, or only a part of one.",
          "Fetch the file again and compare its size with what its page says.",
        );
      }
      return unfit(
        "the runtime does not take it, perhaps because it uses operations that are unknown here",
        detail,
      );
    case "out-of-memory":
      return new AutochromeError(
        "out-of-memory",
        "There is not enough memory to try this model.",
        "Close other programs, or choose a smaller model.",
        { detail },
      );
    case "not-finite":
      return damaged(
        "The model gives values that are no numbers: its weights are damaged, or it was converted badly.",
        "Fetch it again, or choose another.",
      );
    case "misshapen":
      return unfit("it does not give two planes of the size of its input", detail);
    case "failed":
      return unfit("it failed on a plain grey ramp", detail);
    case "crashed":
      return unfit("it brought the process down that tried it", detail);
  }
}
