// The inference process: holds one network and runs it. A process of its own because session.run blocks its thread and
// cannot be stopped: killing the process is how a run is cancelled, and how its memory goes back.
// Must never: touch photographs (but for tiles that the engine wrote for it), the catalogue or the network (the other
// kind).
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { InferenceSession } from "onnxruntime-node";
import type {
  Failure,
  FilePlace,
  LoadRequest,
  NetworkValue,
  RawRequest,
  Reply,
  Request,
  RunRequest,
  TileRequest,
  Values,
} from "./messages.ts";

/** How many times larger than its input a picture may be. */
const LARGEST_SCALE = 8;

// Since 1.29 onnxruntime tells Microsoft about models and computers unless this is set before it is loaded.
process.env.ORT_DISABLE_TELEMETRY = "1";

/** onnxruntime: the program's own, or the one that the engine names; see Runtime in messages.ts. */
const runtime = import(process.argv[2] ?? "onnxruntime-node").then(
  (module: { default?: OnnxRuntime } & OnnxRuntime) => module.default ?? module,
);
runtime.catch(() => undefined); // told when a model is loaded
type OnnxRuntime = typeof import("onnxruntime-node");

let session: InferenceSession | undefined;

process.on("message", (request: Request) => void handle(request));
process.on("disconnect", () => process.exit(0)); // the engine is gone
process.on("SIGINT", () => undefined); // Ctrl-C in a terminal reaches us too; the engine decides when we end

async function handle(request: Request): Promise<void> {
  try {
    answer(await perform(request));
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

function perform(request: Request): Promise<Reply> {
  switch (request.kind) {
    case "load":
      return load(request);
    case "run":
      return run(request);
    case "tile":
      return runTile(request);
    case "raw":
      return runRaw(request);
  }
}

async function load(request: LoadRequest): Promise<Reply> {
  const bytes = await readFile(request.modelPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (bytes === undefined) {
    return { kind: "error", id: request.id, failure: "missing", detail: request.modelPath };
  }
  if (createHash("sha256").update(bytes).digest("hex") !== request.sha256) {
    return { kind: "error", id: request.id, failure: "damaged", detail: request.modelPath };
  }
  const { InferenceSession } = await runtime;
  session = await InferenceSession.create(bytes, {
    executionProviders: [request.provider],
    intraOpNumThreads: request.threads,
    graphOptimizationLevel: "all",
    // Waiting threads must not spin: the pixel workers want the same cores.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  const inWords = (values: InferenceSession["inputMetadata"]): NetworkValue[] =>
    values.map((value) =>
      value.isTensor ? { type: value.type, shape: [...value.shape] } : { type: "no tensor", shape: [] },
    );
  const { inputMetadata, outputMetadata } = session;
  return {
    kind: "loaded",
    id: request.id,
    inputs: inWords(inputMetadata),
    outputs: inWords(outputMetadata),
  };
}

async function run(request: RunRequest): Promise<Reply> {
  if (session === undefined) throw new Error("no model is loaded");
  const { greys, width, height } = request;
  const size = width * height;
  const planes = new Float32Array(3 * size * greys.length);
  for (const [place, grey] of greys.entries()) {
    for (let channel = 0; channel < 3; channel++) planes.set(grey, (3 * place + channel) * size);
  }
  const { Tensor } = await runtime;
  const input = new Tensor("float32", planes, [greys.length, 3, height, width]);
  const start = performance.now();
  const outputs = await session.run({ [session.inputNames[0]!]: input });
  const ms = performance.now() - start;
  const output = outputs[session.outputNames[0]!];
  const expected = [greys.length, 2, height, width];
  if (
    output === undefined ||
    !(output.data instanceof Float32Array) ||
    output.dims.length !== 4 ||
    expected.some((side, place) => side !== output.dims[place])
  ) {
    const detail = `the network gave ${output?.type ?? "nothing"} ${output?.dims.join("×") ?? ""}, expected float32 ${expected.join("×")}`;
    return { kind: "error", id: request.id, failure: "misshapen", detail };
  }
  const { data } = output;
  const pictures = greys.map((_, place) => data.slice(2 * place * size, 2 * (place + 1) * size));
  return notFinite(request, data) ?? { kind: "chroma", id: request.id, data: pictures, ms };
}

async function runTile(request: TileRequest): Promise<Reply> {
  if (session === undefined) throw new Error("no model is loaded");
  const { channels, width, height } = request;
  const planes = new Float32Array(channels * width * height);
  readFloats(request.input, planes);
  const { Tensor } = await runtime;
  const input = new Tensor("float32", planes, [1, channels, height, width]);
  const name = session.outputNames[0]!;
  const start = performance.now();
  const output = (await session.run({ [session.inputNames[0]!]: input }, [name]))[name];
  const ms = performance.now() - start;
  if (output === undefined || !(output.data instanceof Float32Array)) {
    const detail = `the network gave ${output?.type ?? "nothing"}, expected float32`;
    return { kind: "error", id: request.id, failure: "misshapen", detail };
  }
  const scale = scaleOf(output.dims, request);
  if (scale === undefined) {
    const detail = `the network gave ${output.dims.join("×")} for 1×${channels}×${height}×${width}`;
    return { kind: "error", id: request.id, failure: "misshapen", detail };
  }
  const unusable = notFinite(request, output.data);
  if (unusable !== undefined) return unusable;
  writeFloats(request.output, output.data);
  return { kind: "tile", id: request.id, scale, ms };
}

async function runRaw(request: RawRequest): Promise<Reply> {
  if (session === undefined) throw new Error("no model is loaded");
  const { Tensor } = await runtime;
  const inputs = Object.fromEntries(
    Object.entries(request.inputs).map(([name, { data, shape }]) => [
      name,
      new Tensor("float32", data, shape),
    ]),
  );
  const start = performance.now();
  const results = await session.run(inputs);
  const ms = performance.now() - start;
  const outputs: Record<string, Values> = {};
  for (const [name, { type, data, dims }] of Object.entries(results)) {
    if (!(data instanceof Float32Array)) {
      const detail = `the network gave ${type} for ${name}, expected float32`;
      return { kind: "error", id: request.id, failure: "misshapen", detail };
    }
    const unusable = notFinite(request, data);
    if (unusable !== undefined) return unusable;
    outputs[name] = { data, shape: dims };
  }
  return { kind: "raw", id: request.id, outputs, ms };
}

/** How many times as large as the tile the network's output is; undefined where it is no such picture. */
function scaleOf(dims: readonly number[], { channels, width, height }: TileRequest): number | undefined {
  const scale = (dims[2] ?? 0) / height;
  const expected = [1, channels, height * scale, width * scale];
  const fits = dims.length === 4 && expected.every((side, place) => side === dims[place]);
  return fits && Number.isInteger(scale) && scale >= 1 && scale <= LARGEST_SCALE ? scale : undefined;
}

function notFinite(request: Request, data: Float32Array): Reply | undefined {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      return { kind: "error", id: request.id, failure: "not-finite", detail: `value ${i} is ${data[i]}` };
    }
  }
  return undefined;
}

/** The system reads and writes no more than 2 GiB at a time. */
const MOST_BYTES = 2 ** 30;

// Not asynchronous: requests are served strictly in order, and nothing else waits for this thread.
function readFloats({ path, offset }: FilePlace, into: Float32Array): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
  const file = openSync(path, "r");
  try {
    for (let got = 0; got < bytes.length; ) {
      const read = readSync(file, bytes, got, Math.min(MOST_BYTES, bytes.length - got), offset + got);
      if (read === 0) throw new Error("the file of tiles ends early");
      got += read;
    }
  } finally {
    closeSync(file);
  }
}

function writeFloats({ path, offset }: FilePlace, data: Float32Array): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT); // other tiles' planes stay in it
  try {
    for (let put = 0; put < bytes.length; ) {
      put += writeSync(file, bytes, put, Math.min(MOST_BYTES, bytes.length - put), offset + put);
    }
  } finally {
    closeSync(file);
  }
}

function answer(reply: Reply): void {
  process.send?.(reply);
}
