// The reading thread: runs one question at a time on a connection of its own, and packs long answers.
// Must never: write. Its connection could not.
import Sqlite from "better-sqlite3";
import { type Answer, answerTo, prepareReading, type Question } from "./reading.ts";

export interface Order {
  readonly file: string;
  readonly question: Question;
  /** Becomes 1 when nobody waits for the answer any more. */
  readonly stop: Int32Array;
}

let connection: { readonly file: string; readonly raw: Sqlite.Database } | undefined;

function connect(file: string): Sqlite.Database {
  if (connection?.file === file) return connection.raw;
  connection?.raw.close();
  const raw = new Sqlite(file, { readonly: true, fileMustExist: true });
  prepareReading(raw);
  connection = { file, raw };
  return raw;
}

/** Errors of SQLite's do not survive the way to another thread. */
export type Reply =
  | { readonly ok: true; readonly answer: Answer }
  | { readonly ok: false; readonly code: string; readonly message: string };

export default function run({ file, question, stop }: Order): Reply | undefined {
  if (Atomics.load(stop, 0) === 1) return undefined;
  try {
    return { ok: true, answer: answerTo(connect(file), question) };
  } catch (error) {
    if (error instanceof Sqlite.SqliteError) return { ok: false, code: error.code, message: error.message };
    throw error;
  }
}
