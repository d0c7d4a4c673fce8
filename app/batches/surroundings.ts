// What graphs run with in this process: pixel workers, the colouring networks, the user's image models.
// Owns: their lifetimes. Must never: know which graph runs or where its files are.
import { createColorizer, createImageModels } from "../colorize/index.ts";
import { closeMetadata, createPixelWorkers, type Limits } from "../imaging/index.ts";
import type { Logger } from "../kernel/index.ts";
import { openUserModels } from "../modelstore/index.ts";
import type { World } from "../workflow/index.ts";

/** Everything of a graph's world but its files. */
export type Surroundings = Omit<World, "files">;

export interface SurroundingsOptions {
  /** Pixel worker threads. */
  readonly threads: number;
  /** Threads of a network on the CPU. */
  readonly inferenceThreads: number;
  readonly limits: Limits;
  /** Folder of the user's own models. */
  readonly imageModels: string;
  readonly log: Logger;
}

/** Nothing is started before it is needed. */
export function createSurroundings(options: SurroundingsOptions): Surroundings & { close(): Promise<void> } {
  const { limits, log } = options;
  const workers = createPixelWorkers({ threads: options.threads, limits });
  const colorizer = createColorizer({ threads: options.inferenceThreads, log });
  const imageModels = createImageModels({
    models: openUserModels(options.imageModels),
    threads: options.inferenceThreads,
    log,
  });
  return {
    workers,
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
