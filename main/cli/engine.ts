// The parts of the engine that a command needs, made when first asked for and closed together.
// Owns: their lifetimes. Must never: do a command's work.
import { resolve } from "node:path";
import {
  createLocalExecutor,
  createSurroundings,
  type Executor,
  type Surroundings,
} from "../../app/batches/index.ts";
import { type Library, openLibrary } from "../../app/catalogue/index.ts";
import type { PixelWorkers } from "../../app/imaging/index.ts";
import {
  type Config,
  createLogger,
  defaultLibraryFolder,
  type Logger,
  loadConfig,
} from "../../app/kernel/index.ts";

export interface Engine {
  readonly config: Config;
  readonly log: Logger;
  readonly libraryFolder: string;
  workers(): PixelWorkers;
  /** What graphs are run with, wherever they come from. */
  surroundings(): Surroundings;
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
  let made: ReturnType<typeof createSurroundings> | undefined;
  let executor: Executor | undefined;
  const libraries = new Map<string, Promise<Library>>();

  const surroundings = () => {
    made ??= createSurroundings({
      threads: config.workers,
      inferenceThreads: config.inferenceThreads,
      limits: { maxMegapixels: config.maxMegapixels },
      imageModels: config.imageModels,
      log,
    });
    return made;
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
    workers: () => surroundings().workers,
    surroundings,
    executor() {
      executor ??= createLocalExecutor(surroundings());
      return executor;
    },
    library: () => open(libraryFolder),
    scratchLibrary: () => open(":memory:"),
    async close() {
      await executor?.close();
      await made?.close();
      for (const library of libraries.values()) (await library.catch(() => undefined))?.close();
    },
  };
}
