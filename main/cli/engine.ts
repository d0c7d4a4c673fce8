// The parts of the engine that a command needs, made when first asked for and closed together.
// Owns: their lifetimes. Must never: do a command's work.
import { resolve } from "node:path";
import { createLocalExecutor, type Executor } from "../../app/batches/index.ts";
import { type Library, openLibrary } from "../../app/catalogue/index.ts";
import { type Recipe, roundModelSize } from "../../app/colorize/index.ts";
import {
  closeMetadata,
  createPixelWorkers,
  type OutputFormat,
  type PixelWorkers,
} from "../../app/imaging/index.ts";
import {
  type Config,
  createLogger,
  defaultLibraryFolder,
  type Logger,
  loadConfig,
} from "../../app/kernel/index.ts";
import { findModel } from "../../app/modelstore/index.ts";

export interface Engine {
  readonly config: Config;
  readonly log: Logger;
  readonly libraryFolder: string;
  workers(): PixelWorkers;
  executor(): Executor;
  library(): Promise<Library>;
  /** A library that exists only while the command runs, for work outside any library. */
  scratchLibrary(): Promise<Library>;
  close(): Promise<void>;
}

export function createEngine(overrides: Parameters<typeof loadConfig>[1]): Engine {
  const config = loadConfig(process.env, overrides);
  const log = createLogger(config.logLevel);
  const libraryFolder = resolve(config.library ?? defaultLibraryFolder());
  const limits = { maxMegapixels: config.maxMegapixels };
  let workers: PixelWorkers | undefined;
  let executor: Executor | undefined;
  const libraries = new Map<string, Promise<Library>>();

  const pixelWorkers = () => {
    workers ??= createPixelWorkers({ threads: config.workers, limits });
    return workers;
  };
  const open = (folder: string) => {
    let library = libraries.get(folder);
    if (library === undefined) {
      library = openLibrary(folder);
      libraries.set(folder, library);
    }
    return library;
  };
  return {
    config,
    log,
    libraryFolder,
    workers: pixelWorkers,
    executor() {
      executor ??= createLocalExecutor({
        workers: pixelWorkers(),
        limits,
        inferenceThreads: config.inferenceThreads,
        log,
      });
      return executor;
    },
    library: () => open(libraryFolder),
    scratchLibrary: () => open(":memory:"),
    async close() {
      await executor?.close();
      await workers?.close();
      await closeMetadata();
      for (const library of libraries.values()) (await library.catch(() => undefined))?.close();
    },
  };
}

/** Flags of `colorize` and `batch run` that say what is done to each photo. */
export interface RecipeFlags {
  readonly model?: string;
  readonly modelSize?: number;
  readonly colorFactor?: number;
  readonly format?: OutputFormat | "same";
  readonly parity?: boolean;
}

/** Flags over settings over the model's own standard. @param say hears of everything that was changed */
export function recipeFrom(config: Config, flags: RecipeFlags, say: (text: string) => void): Recipe {
  const model = findModel(flags.model ?? config.model);
  const wished = flags.modelSize ?? config.modelSize ?? model.input.standard;
  const modelSize = roundModelSize(wished);
  if (modelSize !== wished)
    say(`The model size ${wished} was rounded to ${modelSize}: sides are multiples of 32.`);
  return {
    model: model.id,
    modelSize,
    colorFactor: flags.colorFactor ?? 1,
    keepAspect: flags.parity !== true,
    parity: flags.parity === true,
    format: flags.format ?? "same",
    quality: config.quality,
  };
}
