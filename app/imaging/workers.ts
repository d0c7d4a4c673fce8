// The pool of pixel workers: one thread per core, so that decoding, merging and encoding of several photos overlap
// with each other and with the network. Must never: run pixel work in the engine's own thread.
import { basename } from "node:path";
import { Piscina } from "piscina";
import { errorFromRecord } from "../kernel/index.ts";
import type { Limits } from "./open.ts";
import type { Chroma, ImageFacts, Ingested, NetworkInput, RenderOptions, RenderResult } from "./types.ts";
import type { Outcome, Task, TaskArguments, TaskName, TaskResult } from "./worker.ts";

export interface PixelWorkers {
  readonly threads: number;
  /** See {@link ingest}: facts, monochrome or not, thumbnail, by one decode. */
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
    const task: Task<Name> = { name, parameters, about: basename(path) };
    const outcome = (await pool.run(task, signal === undefined ? {} : { signal })) as Outcome<
      TaskResult<Name>
    >;
    if (!outcome.ok) throw errorFromRecord(outcome.error);
    return outcome.value;
  }

  return {
    threads: options.threads,
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
    close: () => pool.destroy(),
  };
}
