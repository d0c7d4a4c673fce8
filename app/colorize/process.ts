// The inference process: holds one network and runs it. A process of its own because session.run blocks its thread and
// cannot be stopped: killing the process is how a run is cancelled, and how its memory goes back.
// Must never: touch photographs, the catalogue or the network (the other kind).
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Failure, LoadRequest, Reply, Request, RunRequest } from "./messages.ts";

let session: InferenceSession | undefined;

process.on("message", (request: Request) => void handle(request));
process.on("disconnect", () => process.exit(0)); // the engine is gone
process.on("SIGINT", () => undefined); // Ctrl-C in a terminal reaches us too; the engine decides when we end

async function handle(request: Request): Promise<void> {
  try {
    answer(request.kind === "load" ? await load(request) : await run(request));
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    const outOfMemory = /out of memory|bad_alloc|Failed to allocate|allocation failed/i.test(detail);
    const failure: Failure = outOfMemory
      ? "out-of-memory"
      : request.kind === "load"
        ? "unloadable"
        : "failed";
    answer({ kind: "error", id: request.id, failure, detail });
  }
}

async function load(request: LoadRequest): Promise<Reply> {
  const bytes = await readFile(request.modelPath);
  if (createHash("sha256").update(bytes).digest("hex") !== request.sha256) {
    return { kind: "error", id: request.id, failure: "damaged", detail: request.modelPath };
  }
  session = await InferenceSession.create(bytes, {
    executionProviders: [request.provider],
    intraOpNumThreads: request.threads,
    graphOptimizationLevel: "all",
    // Waiting threads must not spin: the pixel workers want the same cores.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  return { kind: "loaded", id: request.id };
}

async function run(request: RunRequest): Promise<Reply> {
  if (session === undefined) throw new Error("no model is loaded");
  const { grey, width, height } = request;
  const planes = new Float32Array(3 * grey.length);
  for (let channel = 0; channel < 3; channel++) planes.set(grey, channel * grey.length);
  const input = new Tensor("float32", planes, [1, 3, height, width]);
  const start = performance.now();
  const outputs = await session.run({ [session.inputNames[0]!]: input });
  const ms = performance.now() - start;
  const output = outputs[session.outputNames[0]!];
  if (output === undefined || !(output.data instanceof Float32Array))
    throw new Error("the network gave no floats");
  const data = output.data;
  if (data.length !== 2 * grey.length) {
    throw new Error(`the network gave shape ${output.dims.join("×")}, expected 1×2×${height}×${width}`);
  }
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      return { kind: "error", id: request.id, failure: "not-finite", detail: `value ${i} is ${data[i]}` };
    }
  }
  return { kind: "chroma", id: request.id, data, ms };
}

function answer(reply: Reply): void {
  process.send?.(reply);
}
