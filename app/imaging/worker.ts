// A pixel worker thread: does one task at a time. Owns: sharp's settings in the thread.
// Must never: hold state between tasks.
import sharp from "sharp";
import { AutochromeError, type ErrorRecord, hashFile, toErrorRecord } from "../kernel/index.ts";
import { blurOfFile } from "./blur.ts";
import { cleanChroma } from "./chroma.ts";
import { readChroma, writeChroma } from "./chroma-file.ts";
import { convert, pairUp } from "./convert.ts";
import { type TileGroup, writePreview, writeTiles } from "./displayed.ts";
import type { SaveOptions } from "./encode.ts";
import { ingest } from "./ingest.ts";
import { layChroma, layChromaPart } from "./lay-chroma.ts";
import { loadPicture } from "./load.ts";
import { networkInput, parityInput } from "./network-input.ts";
import type { Limits } from "./open.ts";
import type { Picture } from "./picture.ts";
import { previewPicture, reducePicture, transparencyOf } from "./preview.ts";
import { savePicture } from "./save.ts";
import { withScratch } from "./scratch.ts";
import type { Chroma, MergeOptions, Provenance } from "./types.ts";

// One thread each: the pool is what uses the cores. No cache: no photo is decoded twice from the same state.
sharp.concurrency(1);
sharp.cache(false);

/** What a task from another room gets besides its input. */
export interface TaskControl {
  /** Throws when the task is no longer wanted. */
  throwIfStopped(): void;
  /** Says how far the task is; both are whole numbers. */
  progress(value: number, max: number): void;
}

/** What a module of another room exports as its default to be run here. Input and result are plain data. */
export type ModuleTask<Input, Result> = (input: Input, control: TaskControl) => Promise<Result>;

async function call(module: string, input: unknown, control: Int32Array, throwIfStopped: () => void) {
  const { default: work }: { default: ModuleTask<unknown, unknown> } = await import(module);
  const progress = (value: number, max: number) => {
    Atomics.store(control, 1, max);
    Atomics.store(control, 0, value);
  };
  return work(input, { throwIfStopped, progress });
}

type Check = () => void;

function inMemory(): never {
  throw new Error("so small a picture stays in memory");
}

const tasks = {
  hash: (path: string) => hashFile(path),
  ingest,
  convert,
  pairUp,
  call,
  networkInput,
  parityInput,
  layChromaPart,
  cleanChroma,
  readChroma,
  writeChroma,
  blur: blurOfFile,
  writePreview: (path: string, target: string, side: number, limits: Limits, check: Check) =>
    withScratch(target, check, (place) => writePreview(path, target, side, limits, place)),
  writeTiles: (path: string, folder: string, group: TileGroup, limits: Limits, check: Check) =>
    withScratch(folder, check, (place) => writeTiles(path, folder, group, limits, place)),
  preview: previewPicture,
  reduce: (picture: Picture, side: number, check: Check) =>
    reducePicture(picture, side, { scratch: inMemory, throwIfStopped: check }),
  transparency: (picture: Picture, beside: string, check: Check) =>
    withScratch(beside, check, (place) => transparencyOf(picture, place)),
  load: (path: string, limits: Limits, beside: string, check: Check) =>
    withScratch(beside, check, (place) => loadPicture(path, limits, place)),
  layChroma: (
    picture: Picture,
    chroma: Chroma,
    grey: Float32Array,
    options: MergeOptions,
    beside: string,
    check: Check,
  ) => withScratch(beside, check, (place) => layChroma(picture, chroma, grey, options, place)),
  save: (
    picture: Picture,
    target: string,
    options: SaveOptions,
    provenance: Provenance | undefined,
    check: Check,
  ) => withScratch(target, check, (place) => savePicture(picture, target, options, provenance, place)),
};

type Tasks = typeof tasks;
export type TaskName = keyof Tasks;
/** What a task is called with, but for the check that some take as their last argument. */
export type TaskArguments<Name extends TaskName> =
  Parameters<Tasks[Name]> extends [...infer Given, () => void] ? Given : Parameters<Tasks[Name]>;
export type TaskResult<Name extends TaskName> = Awaited<ReturnType<Tasks[Name]>>;

export interface Task<Name extends TaskName = TaskName> {
  readonly name: Name;
  readonly parameters: TaskArguments<Name>;
  /** What the task is about, for error sentences. */
  readonly about: string;
  /** Shared with the pool; becomes 1 when the task is no longer wanted. */
  readonly stop: Int32Array;
}

/** Errors cross the thread as records: class instances do not survive the copy. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: ErrorRecord };

export default async function run<Name extends TaskName>(
  task: Task<Name>,
): Promise<Outcome<TaskResult<Name>>> {
  const throwIfStopped = () => {
    if (Atomics.load(task.stop, 0) === 1) throw new DOMException("The task was stopped.", "AbortError");
  };
  try {
    throwIfStopped();
    const work = tasks[task.name] as unknown as (
      ...parameters: [...TaskArguments<Name>, () => void]
    ) => Promise<TaskResult<Name>>;
    return { ok: true, value: await work(...task.parameters, throwIfStopped) };
  } catch (thrown) {
    return { ok: false, error: explain(thrown, task.about) };
  }
}

function explain(thrown: unknown, about: string): ErrorRecord {
  if (!(thrown instanceof AutochromeError) && thrown instanceof Error) {
    // libvips reports the system's words, not its codes.
    if (/no space left|disk full|wrote? error|write error|quota/i.test(thrown.message)) {
      return toErrorRecord(Object.assign(new Error(thrown.message), { code: "ENOSPC" }), about);
    }
    if (/permission denied/i.test(thrown.message)) {
      return toErrorRecord(Object.assign(new Error(thrown.message), { code: "EACCES" }), about);
    }
  }
  return toErrorRecord(thrown, about);
}
