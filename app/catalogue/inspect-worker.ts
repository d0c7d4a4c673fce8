// A thread that looks through a whole database file: checking a big one takes seconds, which the engine has not.
// Must never: change the file.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import Sqlite from "better-sqlite3";
import { z } from "zod";

/** What a look through a database found. */
export interface Inspection {
  readonly applicationId: number;
  /** Number of the last migration. */
  readonly version: number;
  /** In SQLite's words; empty: the file is whole. */
  readonly problems: readonly string[];
  /** How many there are, and how many of them without their file. Only where a folder was given. */
  readonly photos: { readonly all: number; readonly missing: number };
  readonly versions: { readonly all: number; readonly missing: number };
}

const inspectOrder = z.object({ file: z.string(), folder: z.string().optional() });

export type InspectReply =
  | { readonly ok: true; readonly value: Inspection }
  | { readonly ok: false; readonly code: string; readonly message: string };

const MOST_PROBLEMS = 20;

function inspect(file: string, folder: string | undefined): Inspection {
  const db = new Sqlite(file, { readonly: true, fileMustExist: true });
  try {
    const number = (sql: string) => z.number().parse(db.prepare(sql).pluck().get());
    const quick = z.array(z.string()).parse(db.prepare(`PRAGMA quick_check(${MOST_PROBLEMS})`).pluck().all());
    const foreign = z
      .array(z.object({ table: z.string(), parent: z.string() }))
      .parse(db.prepare("PRAGMA foreign_key_check").all())
      .slice(0, MOST_PROBLEMS);
    const problems = [
      ...quick.filter((line) => line !== "ok"),
      ...foreign.map(({ table, parent }) => `a row of ${table} refers to nothing in ${parent}`),
    ];
    const none = { all: 0, missing: 0 };
    const files = folder === undefined || problems.length > 0 ? undefined : versionFiles(db);
    return {
      applicationId: number("PRAGMA application_id"),
      version: number("PRAGMA user_version"),
      problems,
      photos:
        files === undefined
          ? none
          : {
              all: number("SELECT count(*) FROM photo"),
              missing: number("SELECT count(*) FROM photo WHERE is_missing"),
            },
      versions:
        files === undefined
          ? none
          : {
              all: files.length,
              missing: files.filter((name) => !existsSync(join(folder ?? "", name))).length,
            },
    };
  } finally {
    db.close();
  }
}

function versionFiles(db: Sqlite.Database): string[] {
  return z.array(z.string()).parse(db.prepare("SELECT file FROM version").pluck().all());
}

function reply(): InspectReply {
  try {
    const { file, folder } = inspectOrder.parse(workerData);
    return { ok: true, value: inspect(file, folder) };
  } catch (error) {
    const code = error instanceof Sqlite.SqliteError ? error.code : "";
    return { ok: false, code, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.postMessage(reply());
