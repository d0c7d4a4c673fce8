// Models that the user added, at work: pictures in, pictures out, tile by tile, in inference processes of their own.
//
// Owns: those processes and their ending, and what such a model must be like. Must never: know what a tile is part of.
import { AutochromeError, type Logger } from "../kernel/index.ts";
import type { UserModel, UserModels } from "../modelstore/index.ts";
import { createInferenceProcess, type InferenceProcess } from "./child.ts";
import type { Failure, FilePlace, NetworkValue } from "./messages.ts";

export interface ImageModels {
  /** Where the user puts the files. */
  readonly folder: string;
  /** File names of the models. */
  names(): readonly string[];
  /** A model's sha256, hex. @throws AutochromeError "model-missing" */
  digest(name: string, signal?: AbortSignal): Promise<string>;
  /**
   * Loads a model and lends it to a piece of work. Its process ends half a minute after its last work.
   * @throws AutochromeError "model-missing", "model-damaged" for a file that is no usable model, "inference-failed" for
   *   one that takes no pictures, "out-of-memory"; an abort rejects with the signal's reason
   */
  use<Result>(
    name: string,
    signal: AbortSignal,
    work: (model: ImageModel) => Promise<Result>,
  ): Promise<Result>;
  close(): void;
}

export interface ImageModel {
  readonly name: string;
  readonly sha256: string;
  /** What runs it, in words. */
  readonly device: string;
  /** 3: RGB, 1: lightness; of what goes in and of what comes out. */
  readonly channels: 1 | 3;
  /** Sides of its tiles, where it takes no others. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  /**
   * Runs it on one tile. Aborting ends the process, and the next run starts a new one.
   * @returns how many times larger the new tile is, 1 to 8, and what the network alone took
   * @throws AutochromeError "inference-failed", "out-of-memory", "disk-full"
   */
  run(tile: Tile, signal: AbortSignal): Promise<{ readonly scale: number; readonly ms: number }>;
}

/** Float planes of levels 0–1, one after another, in scratch files. */
export interface Tile {
  readonly width: number;
  readonly height: number;
  readonly input: FilePlace;
  readonly output: FilePlace;
}

export interface ImageModelsOptions {
  readonly models: UserModels;
  /** Threads of a network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
}

const DEVICE = "cpu";

export function createImageModels(options: ImageModelsOptions): ImageModels {
  const { models } = options;
  /** By path and digest. */
  const all = new Map<string, InferenceProcess>();

  function processFor(model: UserModel): InferenceProcess {
    const key = `${model.sha256} ${model.path}`;
    const process = all.get(key) ?? start(model);
    all.set(key, process);
    return process;
  }

  function start(model: UserModel): InferenceProcess {
    return createInferenceProcess(
      {
        modelPath: model.path,
        modelSha256: model.sha256,
        provider: DEVICE,
        threads: options.threads,
        log: options.log,
      },
      (failure, detail) => explain(failure, detail, model.name),
    );
  }

  return {
    folder: models.folder,
    names: models.names,
    digest: async (name, signal) => (await models.find(name, signal)).sha256,
    async use(name, signal, work) {
      const model = await models.find(name, signal);
      signal.throwIfAborted();
      const process = processFor(model);
      const { inputs } = await process.warm();
      signal.throwIfAborted();
      const shape = shapeOf(name, inputs);
      return work({
        name,
        sha256: model.sha256,
        device: DEVICE,
        ...shape,
        async run(tile, stop) {
          const reply = await process.ask({ kind: "tile", channels: shape.channels, ...tile }, stop);
          if (reply.kind !== "tile") throw new Error(`unexpected reply ${reply.kind}`);
          return { scale: reply.scale, ms: reply.ms };
        },
      });
    },
    close() {
      for (const process of all.values()) process.close();
      all.clear();
    },
  };
}

/** What pictures a network takes. @throws AutochromeError where it takes none that we can give */
function shapeOf(
  name: string,
  inputs: readonly NetworkValue[],
): Pick<ImageModel, "channels" | "width" | "height"> {
  const refuse = (why: string) =>
    new AutochromeError(
      "inference-failed",
      `The model ${name} cannot be used: ${why}.`,
      "Choose or export a model that takes one picture as float32, with the shape 1 × 3 (or 1) × height × width.",
      { detail: inputs.map(({ type, shape }) => `${type} ${shape.join("×")}`).join(", ") },
    );
  const [input] = inputs;
  if (input === undefined || inputs.length > 1)
    throw refuse(`it takes ${inputs.length} inputs, not one picture`);
  if (input.type !== "float32") throw refuse(`it takes ${input.type} values, not float32`);
  const [batch, channels, height, width] = input.shape;
  if (input.shape.length !== 4 || (typeof batch === "number" && batch !== 1)) {
    throw refuse(`it takes the shape ${input.shape.join(" × ")}`);
  }
  if (width === 1 || width === 3) throw refuse("it wants the channels last (NHWC)");
  if (typeof channels === "number" && channels !== 1 && channels !== 3) {
    throw refuse(`it takes ${channels} channels, not 3 or 1`);
  }
  const fixed = (side: number | string | undefined) => (typeof side === "number" ? side : undefined);
  return { channels: channels === 1 ? 1 : 3, width: fixed(width), height: fixed(height) };
}

function explain(failure: Failure | "crashed", detail: string, name: string): AutochromeError {
  const error = (
    code: "model-damaged" | "out-of-memory" | "inference-failed",
    message: string,
    next: string,
  ) => new AutochromeError(code, message, next, { detail });
  switch (failure) {
    case "missing":
      return new AutochromeError(
        "model-missing",
        `The model ${name} was removed while it was wanted.`,
        "Put its file back, or choose another model.",
        { detail },
      );
    case "damaged":
      return error("model-damaged", `The model ${name} was changed while it was being used.`, "Start again.");
    case "unloadable":
      return error(
        "model-damaged",
        `The model ${name} cannot be loaded: it is no complete ONNX model, or one of a kind that is not known here.`,
        "Get the file again, or export the model as one ONNX file with its weights inside.",
      );
    case "out-of-memory":
      return error(
        "out-of-memory",
        `There is not enough memory for the model ${name} at this size.`,
        "Choose a smaller tile, or close other programs.",
      );
    case "crashed":
      return error(
        "inference-failed",
        `The process that runs the model ${name} ended unexpectedly.`,
        "Try again; if it happens again, choose a smaller tile.",
      );
    case "misshapen":
      return error(
        "inference-failed",
        `The model ${name} does not give a picture of 1 to 8 times the size: ${detail}.`,
        "Choose a model that makes pictures out of pictures.",
      );
    case "not-finite":
      return error(
        "inference-failed",
        `The model ${name} gave values that are no numbers.`,
        "Choose another model.",
      );
    case "failed":
      if (/ENOSPC|EDQUOT/.test(detail)) {
        return new AutochromeError(
          "disk-full",
          "The disk is full: there is no room for the pieces of the picture.",
          "Free some space and try again.",
          { detail },
        );
      }
      return error(
        "inference-failed",
        `The model ${name} could not be run on this picture.`,
        "Try another tile; some models want a certain one.",
      );
  }
}
