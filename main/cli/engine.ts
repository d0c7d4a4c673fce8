// The parts of the engine that a command needs, made when first asked for and closed together.
// Owns: their lifetimes. Must never: do a command's work.
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  createComfyuiExecutor,
  createLocalExecutor,
  createMixedExecutor,
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
  threadsOf,
} from "../../app/kernel/index.ts";
import { createSuggester, type Suggester } from "../../app/suggest/index.ts";
import { surroundingsFor } from "../surroundings.ts";

export interface Engine {
  /** As it is now. */
  readonly config: Config;
  readonly log: Logger;
  readonly libraryFolder: string;
  workers(): PixelWorkers;
  /** What graphs are run with, wherever they come from. */
  surroundings(): Surroundings;
  executor(): Executor;
  /**
   * Where a batch runs by this name: "local", "cluster", "mixed", or a server's address.
   * @param onWords hears what its batches wait for, in place of whoever heard it before; empty: nothing any more
   */
  executorFor(name: string, onWords?: (text: string) => void): Promise<Executor>;
  /** Says which preset suits a photo. */
  suggester(): Suggester;
  library(): Promise<Library>;
  /** A library that exists only while the command runs, for work outside any library. */
  scratchLibrary(): Promise<Library>;
  /** Reads the settings anew. Devices and places are chosen by them from now on; what runs goes on as it began. */
  reload(): void;
  close(): Promise<void>;
}

/** @param say hears what takes time before a command's own work begins */
export function createEngine(
  overrides: Parameters<typeof loadConfig>[1],
  say: (text: string) => void = () => undefined,
): Engine {
  let config = loadConfig(process.env, overrides);
  const log = createLogger(config.logLevel);
  const libraryFolder = resolve(config.library ?? defaultLibraryFolder());
  let made: ReturnType<typeof surroundingsFor> | undefined;
  let executor: Executor | undefined;
  const others = new Map<string, Promise<Executor>>();
  /** Made by earlier settings; batches may still run there. */
  const former: Promise<Executor>[] = [];
  const listeners = new Map<string, (text: string) => void>();
  let suggester: Suggester | undefined;
  const libraries = new Map<string, Promise<Library>>();

  const surroundings = () => {
    made ??= surroundingsFor(config, log, {
      isPolite: true,
      current: () => config,
      onProbe: (device) => say(`Trying ${device} …`),
    });
    return made;
  };
  const otherExecutor = async (name: string, local: Executor): Promise<Executor> => {
    const onWords = (text: string) => {
      const listener = listeners.get(name);
      if (listener !== undefined) listener(text);
      else if (text !== "") say(text);
    };
    if (name === "cluster" || name === "mixed") {
      // Loaded only where there is a cluster.
      const far = await (await import("./cluster.ts")).clusterExecutor(config, log, onWords);
      return name === "cluster" ? far : createMixedExecutor({ near: local, far, onWords, log });
    }
    return createComfyuiExecutor({
      url: name,
      key: config.remoteKey,
      surroundings: surroundings(),
      onWords,
      log,
    });
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
    get config() {
      return config;
    },
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
    async executorFor(name, onWords) {
      if (name === "local") return this.executor();
      if (onWords !== undefined) listeners.set(name, onWords);
      const known = others.get(name);
      if (known !== undefined) return known;
      const fresh = otherExecutor(name, this.executor());
      others.set(name, fresh);
      // What was not set up may be the next time.
      fresh.catch(() => others.get(name) === fresh && others.delete(name));
      return fresh;
    },
    library: () => open(libraryFolder),
    scratchLibrary: () => open(":memory:"),
    reload() {
      const before = config;
      config = loadConfig(process.env, overrides);
      if (isDeepStrictEqual(before, config)) return;
      former.push(...others.values());
      others.clear();
      made?.colorizer.chooseAnew();
    },
    async close() {
      suggester?.close();
      for (const other of [...former, ...others.values()])
        await (await other.catch(() => undefined))?.close();
      await executor?.close();
      await made?.close();
      for (const library of libraries.values()) (await library.catch(() => undefined))?.close();
    },
  };
}
