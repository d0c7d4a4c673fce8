// The pool of pixel workers: one thread per core, so that decoding, merging and encoding of several photos overlap
// with each other and with the network. Must never: run pixel work in the engine's own thread.
import { unlink } from "node:fs/promises";
import { basename } from "node:path";
import { Piscina } from "piscina";
import { errorFromRecord } from "../kernel/index.ts";
import type { ChromaOrigin } from "./chroma-file.ts";
import type { TileGroup } from "./displayed.ts";
import type { SaveOptions } from "./encode.ts";
import { carryMetadata } from "./metadata.ts";
import type { Limits } from "./open.ts";
import type { Mask, Picture } from "./picture.ts";
import { scratchFilesOf } from "./scratch.ts";
import type { Chroma, Ingested, MergeOptions, OutputFormat, Provenance, SaveResult } from "./types.ts";
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
  /** A thumbnail's thumbhash. */
  blur(thumbnail: string): Promise<Uint8Array>;
  /** Writes a JPEG of a photo file as the eye sees it; see {@link writePreview}. */
  writePreview(path: string, target: string, side: number, signal?: AbortSignal): Promise<void>;
  /** Writes tiles for a deep zoom into a new folder; see {@link writeTiles}. */
  writeTiles(path: string, folder: string, group: TileGroup, signal?: AbortSignal): Promise<void>;
  /** A photo's pixels; see {@link loadPicture}. Large ones lie in a scratch file beside `beside`, the caller's to remove. */
  load(path: string, beside: string, signal?: AbortSignal): Promise<Picture>;
  /** What the network sees of a picture: one plane of grey, sRGB 0–1; see {@link networkInput}, {@link parityInput}. */
  networkInput(
    picture: Picture,
    size: { readonly width: number; readonly height: number; readonly parity: boolean },
    signal?: AbortSignal,
  ): Promise<Float32Array>;
  /** A picture in colour; see {@link layChroma}. */
  layChroma(
    picture: Picture,
    chroma: Chroma,
    grey: Float32Array,
    options: MergeOptions,
    beside: string,
    signal?: AbortSignal,
  ): Promise<Picture>;
  /** Keeps the network's chroma in a file; see {@link writeChroma}. */
  writeChroma(path: string, chroma: Chroma, origin: ChromaOrigin): Promise<void>;
  /** See {@link cleanChroma}. */
  cleanChroma(chroma: Chroma, grey: Float32Array): Promise<Chroma>;
  /** See {@link readChroma}. */
  readChroma(path: string): Promise<{ readonly chroma: Chroma; readonly origin: ChromaOrigin }>;
  /**
   * {@link layChroma} by all threads together, for somebody who waits for a look; the pixels are the same. Where the rows of
   * a picture cannot be done apart, it is {@link layChroma}.
   */
  layChromaTogether(
    picture: Picture,
    chroma: Chroma,
    grey: Float32Array,
    options: MergeOptions,
    beside: string,
    signal?: AbortSignal,
  ): Promise<Picture>;
  /** Writes a picture into a new file; see {@link savePicture}. */
  save(
    picture: Picture,
    target: string,
    options: SaveOptions,
    provenance?: Provenance,
    signal?: AbortSignal,
  ): Promise<SaveResult>;
  /** A picture of at most so many pixels a side, up to 2048. */
  reduce(picture: Picture, side: number, signal?: AbortSignal): Promise<Picture>;
  /** Where a picture with alpha is transparent. */
  transparency(picture: Picture, beside: string, signal?: AbortSignal): Promise<Mask>;
  /** A JPEG of a picture as the eye sees it, at most so many pixels a side. */
  preview(picture: Picture, side: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Re-encodes a picture; see {@link convert}. */
  convert(
    source: string,
    target: string,
    format: OutputFormat,
    quality: number,
    isMarked?: boolean,
  ): Promise<void>;
  /** Original and version in one picture; see {@link pairUp}. */
  pairUp(
    original: string,
    version: string,
    target: string,
    format: OutputFormat,
    quality: number,
    isMarked?: boolean,
  ): Promise<void>;
  /**
   * Runs another room's work in the pool.
   * @param module URL of a module whose default export is a ModuleTask
   * @param about what the task is about, for error sentences
   * @param onProgress hears of the task's progress a few times a second
   */
  call<Result>(
    module: string,
    input: unknown,
    about: string,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (value: number, max: number) => void },
  ): Promise<Result>;
  /** Stops the threads; running tasks are given up. */
  close(): Promise<void>;
}

/** How often progress is looked at. */
const PROGRESS_MS = 100;

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
    if (signal?.aborted === true) {
      if (outcome.ok) await forget(outcome.value, parameters);
      throw signal.reason;
    }
    if (!outcome.ok) throw errorFromRecord(outcome.error);
    return outcome.value;
  }

  const layChroma: PixelWorkers["layChroma"] = (picture, chroma, grey, how, beside, signal) =>
    run("layChroma", nameOf(picture), [picture, chroma, grey, how, beside], signal);

  return {
    threads: options.threads,
    hash: (path, signal) => run("hash", path, [path], signal),
    ingest: (path, thumbnail, signal) => run("ingest", path, [path, thumbnail, options.limits], signal),
    blur: (thumbnail) => run("blur", thumbnail, [thumbnail], undefined),
    writePreview: (path, target, side, signal) =>
      run("writePreview", path, [path, target, side, options.limits], signal),
    writeTiles: (path, folder, group, signal) =>
      run("writeTiles", path, [path, folder, group, options.limits], signal),
    load: (path, beside, signal) => run("load", path, [path, options.limits, beside], signal),
    networkInput: (picture, { width, height, parity }, signal) =>
      run(parity ? "parityInput" : "networkInput", nameOf(picture), [picture, width, height], signal),
    layChroma,
    async layChromaTogether(picture, chroma, grey, how, beside, signal) {
      const { data, ...description } = picture;
      const { lightnessOf: _, ...plain } = description;
      if (typeof data !== "string") {
        const target = new SharedArrayBuffer(data.byteLength);
        const parts = await Promise.all(
          Array.from({ length: options.threads }, (_, part) => {
            const from = Math.floor((part * picture.height) / options.threads);
            const to = Math.floor(((part + 1) * picture.height) / options.threads);
            const about = nameOf(picture);
            return run("layChromaPart", about, [picture, chroma, grey, how, { from, to, target }], signal);
          }),
        );
        if (parts.every(Boolean)) {
          const profile = plain.profile && { ...plain.profile, stage: "result" as const };
          const result: Picture = { ...plain, ...(profile === undefined ? {} : { profile }), data: target };
          return how.gamut === "chroma" ? { ...result, lightnessOf: { ...plain, data } } : result;
        }
      }
      return layChroma(picture, chroma, grey, how, beside, signal);
    },
    writeChroma: (path, chroma, origin) => run("writeChroma", path, [path, chroma, origin], undefined),
    cleanChroma: (chroma, grey) => run("cleanChroma", "colours", [chroma, grey], undefined),
    readChroma: (path) => run("readChroma", path, [path], undefined),
    save: (picture, target, how, provenance, signal) =>
      run("save", target, [picture, target, how, provenance], signal),
    reduce: (picture, side, signal) => run("reduce", nameOf(picture), [picture, side], signal),
    transparency: (picture, beside, signal) =>
      run("transparency", nameOf(picture), [picture, beside], signal),
    preview: (picture, side, signal) => run("preview", nameOf(picture), [picture, side], signal),
    async convert(source, target, format, quality, isMarked) {
      await run("convert", source, [source, target, format, quality, options.limits, isMarked], undefined);
      await carryMetadata(source, target); // sharp knows neither a TIFF's own tags nor IPTC everywhere
    },
    async pairUp(original, version, target, format, quality, isMarked) {
      const given = [original, version, target, format, quality, options.limits, isMarked] as const;
      await run("pairUp", original, [...given], undefined);
      await carryMetadata(version, target); // one half is coloured: the marks belong here too
    },
    async call<Result>(
      module: string,
      input: unknown,
      about: string,
      options: { signal?: AbortSignal; onProgress?: (value: number, max: number) => void } = {},
    ) {
      const state = new Int32Array(new SharedArrayBuffer(8));
      const { signal, onProgress } = options;
      let told = 0;
      const timer =
        onProgress === undefined
          ? undefined
          : setInterval(() => {
              const value = Atomics.load(state, 0);
              if (value !== told) onProgress(value, Atomics.load(state, 1));
              told = value;
            }, PROGRESS_MS);
      try {
        return (await run("call", about, [module, input, state], signal)) as Result;
      } finally {
        clearInterval(timer);
      }
    },
    close: () => pool.destroy(),
  };
}

function nameOf(picture: Picture): string {
  return picture.origin?.path ?? "picture";
}

/** Removes the scratch files of a result that nobody waits for any more. */
async function forget(result: unknown, parameters: unknown): Promise<void> {
  const given = scratchFilesOf(parameters);
  for (const path of scratchFilesOf(result)) if (!given.has(path)) await unlink(path).catch(() => undefined);
}
