// A pixel worker thread: does one task at a time. Owns: sharp's settings in the thread.
// Must never: hold state between tasks.
import sharp from "sharp";
import { AutochromeError, type ErrorRecord, hashFile, toErrorRecord } from "../kernel/index.ts";
import { convert, pairUp } from "./convert.ts";
import { ingest } from "./ingest.ts";
import { prepare, render } from "./render.ts";

// One thread each: the pool is what uses the cores. No cache: no photo is decoded twice from the same state.
sharp.concurrency(1);
sharp.cache(false);

const tasks = { hash: (path: string) => hashFile(path), ingest, prepare, render, convert, pairUp };

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
