// The pool of pixel workers: one thread per core, so that decoding, merging and encoding of several photos overlap
// with each other and with the network. Must never: run pixel work in the engine's own thread.
import { basename } from "node:path";
import { Piscina } from "piscina";
import { errorFromRecord } from "../kernel/index.ts";
import { carryMetadata } from "./metadata.ts";
import type { Limits } from "./open.ts";
import type {
  Chroma,
  ImageFacts,
  Ingested,
  NetworkInput,
  OutputFormat,
  RenderOptions,
  RenderResult,
} from "./types.ts";
import type { Outcome, Task, TaskArguments, TaskName, TaskResult } from "./worker.ts";

/**
 * What the pool does. Every call rejects with an AutochromeError, or with its signal's reason when that is aborted; an
 * abort takes effect between steps (a decode that has begun is finished) and leaves nothing but the caller's target.
 */
export interface PixelWorkers {
  readonly threads: number;
  /** sha256 of a file, hex, without decoding it. */
  hash(path: string, signal?: AbortSignal): Promise<string>;
  /** See {@link ingest}: hash, facts, monochrome or not, thumbnail, by one decode. */
  ingest(path: string, thumbnail: string | undefined, signal?: AbortSignal): Promise<Ingested>;
  /** Reads a photo for the network; see {@link prepare}. */
  prepare(
    path: string,
    size: {
      readonly width: number;
      readonly height: number;
      readonly parity: boolean;
      readonly scratch: string;
    },
    signal?: AbortSignal,
  ): Promise<{ readonly facts: ImageFacts; readonly input: NetworkInput }>;
  /** Colours a photo into `target`; see {@link render}. */
  render(
    source: string,
    chroma: Chroma,
    grey: Float32Array,
    target: string,
    options: RenderOptions,
    signal?: AbortSignal,
  ): Promise<RenderResult>;
  /** Re-encodes a picture; see {@link convert}. */
  convert(source: string, target: string, format: OutputFormat, quality: number): Promise<void>;
  /** Original and version in one picture; see {@link pairUp}. */
  pairUp(
    original: string,
    version: string,
    target: string,
    format: OutputFormat,
    quality: number,
  ): Promise<void>;
  /** Stops the threads; running tasks are given up. */
  close(): Promise<void>;
}

/** Starts a pool. Threads start with the first tasks and end after half a minute without any. */
export function createPixelWorkers(options: {
  readonly threads: number;
  readonly limits: Limits;
}): PixelWorkers {
  const pool = new Piscina({
    filename: new URL("./worker.ts", import.meta.url).href,
    minThreads: 0,
    maxThreads: options.threads,
    idleTimeout: 30_000,
  });

  async function run<Name extends TaskName>(
    name: Name,
    path: string,
    parameters: TaskArguments<Name>,
    signal: AbortSignal | undefined,
  ): Promise<TaskResult<Name>> {
    signal?.throwIfAborted();
    // Not piscina's own signal, which kills the thread: what libvips has begun would go on and leave files behind.
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const onAbort = () => Atomics.store(stop, 0, 1);
    signal?.addEventListener("abort", onAbort, { once: true });
    const task: Task<Name> = { name, parameters, about: basename(path), stop };
    const outcome: Outcome<TaskResult<Name>> = await pool
      .run(task)
      .finally(() => signal?.removeEventListener("abort", onAbort));
    signal?.throwIfAborted();
    if (!outcome.ok) throw errorFromRecord(outcome.error);
    return outcome.value;
  }

  return {
    threads: options.threads,
    hash: (path, signal) => run("hash", path, [path], signal),
    ingest: (path, thumbnail, signal) => run("ingest", path, [path, thumbnail, options.limits], signal),
    prepare: (path, size, signal) =>
      run(
        "prepare",
        path,
        [path, size.width, size.height, size.parity, size.scratch, options.limits],
        signal,
      ),
    render: (source, chroma, grey, target, how, signal) =>
      run("render", source, [source, chroma, grey, target, how, options.limits], signal),
    async convert(source, target, format, quality) {
      await run("convert", source, [source, target, format, quality, options.limits], undefined);
      await carryMetadata(source, target); // sharp knows neither a TIFF's own tags nor IPTC everywhere
    },
    async pairUp(original, version, target, format, quality) {
      await run("pairUp", original, [original, version, target, format, quality, options.limits], undefined);
      await carryMetadata(version, target); // one half is coloured: the marks belong here too
    },
    close: () => pool.destroy(),
  };
}
