// What graphs run with in this process: pixel workers, the colouring networks, the user's image models.
// Owns: their lifetimes. Must never: know which graph runs or where its files are.
import { createColorizer, createImageModels, type Device } from "../colorize/index.ts";
import { closeMetadata, createPixelWorkers, type Limits } from "../imaging/index.ts";
import type { Logger } from "../kernel/index.ts";
import { openModelStore, openUserModels } from "../modelstore/index.ts";
import type { World } from "../workflow/index.ts";

/** Everything of a graph's world but its files. */
export type Surroundings = Omit<World, "files">;

export interface SurroundingsOptions {
  /** Pixel worker threads. */
  readonly threads: number;
  /** Threads of a network on the CPU. */
  readonly inferenceThreads: number;
  /** Added to the niceness of the processes that run networks, 0–19; 0 unless said otherwise. */
  readonly niceness?: number;
  readonly limits: Limits;
  /** Folder of installed colouring models. */
  readonly models: string;
  /** What runs the colouring networks; unless said otherwise the CPU. */
  readonly device?: {
    choose(): Promise<Device>;
    /** Looked at when the device fails. */
    readonly mayFallBack: boolean;
    onFailed(): void;
  };
  /** Folder of the user's own models. */
  readonly imageModels: string;
  readonly log: Logger;
}

/** A large network takes seconds to load: it stays while somebody looks at a result before asking for the next. */
const COLOURING_IDLE_MS = 5 * 60_000;

/** Nothing is started before it is needed. */
export function createSurroundings(options: SurroundingsOptions): Surroundings & { close(): Promise<void> } {
  const { limits, log } = options;
  const workers = createPixelWorkers({ threads: options.threads, limits });
  const { niceness = 0, device } = options;
  const colorizer = createColorizer({
    chooseDevice: device?.choose ?? (async () => ({ provider: "cpu" })),
    get mayFallBack() {
      return device?.mayFallBack === true;
    },
    onDeviceFailed: () => device?.onFailed(),
    threads: options.inferenceThreads,
    niceness,
    idleMs: COLOURING_IDLE_MS,
    log,
  });
  const imageModels = createImageModels({
    models: openUserModels(options.imageModels),
    threads: options.inferenceThreads,
    log,
  });
  return {
    workers,
    models: openModelStore(options.models),
    colorizer,
    imageModels,
    limits,
    async close() {
      colorizer.unload();
      imageModels.close();
      await workers.close();
      await closeMetadata();
    },
  };
}
