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
import { chooseDevice, forgetDevices } from "../../app/colorize/index.ts";
import type { PixelWorkers } from "../../app/imaging/index.ts";
import {
  type Config,
  cacheFolder,
  createLogger,
  defaultLibraryFolder,
  type Logger,
  loadConfig,
  threadsOf,
} from "../../app/kernel/index.ts";

import { embeddedModel } from "../../app/modelstore/index.ts";
import { createSuggester, type Suggester } from "../../app/suggest/index.ts";

export interface Engine {
  readonly config: Config;
  readonly log: Logger;
  readonly libraryFolder: string;
  workers(): PixelWorkers;
  /** What graphs are run with, wherever they come from. */
  surroundings(): Surroundings;
  executor(): Executor;
  /** Where a batch runs by this name: "local" or "cluster". */
  executorFor(name: string): Promise<Executor>;
  /** Says which preset suits a photo. */
  suggester(): Suggester;
  library(): Promise<Library>;
  /** A library that exists only while the command runs, for work outside any library. */
  scratchLibrary(): Promise<Library>;
  close(): Promise<void>;
}

/** @param say hears what takes time before a command's own work begins */
export function createEngine(
  overrides: Parameters<typeof loadConfig>[1],
  say: (text: string) => void = () => undefined,
): Engine {
  const config = loadConfig(process.env, overrides);
  const log = createLogger(config.logLevel);
  const libraryFolder = resolve(config.library ?? defaultLibraryFolder());
  let made: ReturnType<typeof createSurroundings> | undefined;
  let executor: Executor | undefined;
  let remote: Executor | undefined;
  let suggester: Suggester | undefined;
  const libraries = new Map<string, Promise<Library>>();

  const surroundings = () => {
    const { workers, network, niceness } = threadsOf(config);
    made ??= createSurroundings({
      threads: workers,
      inferenceThreads: network,
      niceness,
      models: config.models,
      device: {
        choose: () =>
          chooseDevice({
            wish: config.device,
            model: embeddedModel(),
            threads: network,
            gpuLibraries: config.gpuLibraries,
            cacheFolder: cacheFolder(),
            log,
            onProbe: (device) => say(`Trying ${device} …`),
          }),
        mayFallBack: config.device === "auto",
        onFailed: () => void forgetDevices(cacheFolder()),
      },
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
    suggester() {
      const limits = { maxMegapixels: config.maxMegapixels };
      suggester ??= createSuggester({ limits, threads: threadsOf(config).network, log });
      return suggester;
    },
    async executorFor(name) {
      if (name !== "cluster") return this.executor();
      remote ??= await (await import("./cluster.ts")).clusterExecutor(config, log, say);
      return remote;
    },
    library: () => open(libraryFolder),
    scratchLibrary: () => open(":memory:"),
    async close() {
      suggester?.close();
      await remote?.close();
      await executor?.close();
      await made?.close();
      for (const library of libraries.values()) (await library.catch(() => undefined))?.close();
    },
  };
}
