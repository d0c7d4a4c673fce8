// Reads that take longer than the engine's thread may stand still: whole layouts, counts over all photos.
//
// Owns: the reading thread, which starts with the first question and ends after a while without any.
// Must never: be asked for what the engine has just written inside a transaction that is still open.

import Sqlite from "better-sqlite3";
import { Piscina } from "piscina";
import { translated } from "./database.ts";
import type { Order, Reply } from "./reader-worker.ts";
import { type Answer, answerTo, type PackedLayout, prepareReading, type Question } from "./reading.ts";

export interface Reader {
  /** @throws the signal's reason when it is aborted, AutochromeError for what SQLite says */
  layout(question: Omit<Question, "kind">, signal?: AbortSignal): Promise<PackedLayout>;
  rows(question: Omit<Question, "kind">, signal?: AbortSignal): Promise<readonly (readonly unknown[])[]>;
  close(): void;
}

const IDLE_MS = 5 * 60_000;

/** @param raw the engine's own connection; a database in memory has no other */
export function createReader(file: string, raw: Sqlite.Database): Reader {
  const isOnlyHere = file === ":memory:";
  if (isOnlyHere) prepareReading(raw);
  let pool: Piscina<Order, Reply | undefined> | undefined;

  async function ask(question: Question, signal: AbortSignal | undefined): Promise<Answer> {
    signal?.throwIfAborted();
    if (isOnlyHere) return answerTo(raw, question);
    pool ??= new Piscina<Order, Reply | undefined>({
      filename: new URL("./reader-worker.ts", import.meta.url).href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: IDLE_MS,
    });
    // Not piscina's own signal, which would kill the thread: whoever types asks the next question at once.
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const onAbort = () => Atomics.store(stop, 0, 1);
    signal?.addEventListener("abort", onAbort, { once: true });
    const reply = await pool
      .run({ file, question, stop })
      .finally(() => signal?.removeEventListener("abort", onAbort));
    signal?.throwIfAborted();
    if (reply === undefined) throw new Error("the reading thread gave no answer");
    if (!reply.ok) throw translated(new Sqlite.SqliteError(reply.message, reply.code), file);
    return reply.answer;
  }

  return {
    async layout(question, signal) {
      const answer = await ask({ ...question, kind: "layout" }, signal);
      if ("ids" in answer) return answer;
      throw new Error("this is no layout");
    },
    async rows(question, signal) {
      const answer = await ask({ ...question, kind: "rows" }, signal);
      if ("ids" in answer) throw new Error("these are no rows");
      return answer;
    },
    close() {
      void pool?.destroy();
      pool = undefined;
    },
  };
}
