// The library's database, saved into a file and brought back.
//
// Owns: what a backup is: one whole, checked SQLite file without companions. Versions and copied photos are files of
// their own and not in it.
// Must never: replace a database that is in use, or throw the present one away.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import Sqlite from "better-sqlite3";
import { AutochromeError, copyAtomically, writeAtomically } from "../kernel/index.ts";
import { translated } from "./database.ts";
import { inspectOurs } from "./inspect.ts";
import { type Library, layoutOf } from "./library.ts";

/**
 * Saves the database while it stays in use, and checks the copy before it appears.
 * @param target a file that does not exist
 * @throws AutochromeError "output-exists", "disk-full", "output-unwritable", "library-damaged"
 */
export async function backupLibrary(library: Library, target: string): Promise<void> {
  const file = resolve(target);
  await mkdir(dirname(file), { recursive: true });
  await writeAtomically(file, { overwrite: false }, async (temporary) => {
    await library.db.backup(temporary);
    await finish(temporary);
  });
}

/**
 * Puts a backup in the place of a library's database.
 * @returns where the former database is kept; undefined where there was none
 * @throws AutochromeError "not-found" or "usage" when there is no such backup, "library-damaged", "library-newer",
 * "library-busy" while another process has the library open, "disk-full", "output-unwritable"
 */
export async function restoreLibrary(folder: string, backup: string): Promise<string | undefined> {
  const source = resolve(backup);
  if (!existsSync(source)) {
    throw new AutochromeError("not-found", `There is no file ${backup}.`, "Choose a backup that is there.");
  }
  const { file, backups } = layoutOf(resolve(folder));
  await mkdir(backups, { recursive: true });
  let kept: string | undefined;
  await writeAtomically(file, { overwrite: true }, async (temporary) => {
    await copyDatabase(source, temporary);
    await finish(temporary);
    kept = await setAside(file, backups);
  });
  return kept;
}

/** SQLite copies, not the file system: what still lies in the source's log comes along. */
async function copyDatabase(source: string, target: string): Promise<void> {
  try {
    const db = new Sqlite(source, { readonly: true });
    try {
      await db.backup(target);
    } finally {
      db.close();
    }
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && error.code === "SQLITE_NOTADB") {
      throw new AutochromeError(
        "usage",
        `${basename(source)} is not the database of an Autochrome library.`,
        "Choose a file that `autochrome backup` has made.",
        { cause: error },
      );
    }
    throw translated(error, source);
  }
}

/** Makes a copied database one file that can be read from a read-only disk, and checks it. */
async function finish(file: string): Promise<void> {
  try {
    const db = new Sqlite(file);
    try {
      db.pragma("journal_mode = DELETE");
    } finally {
      db.close();
    }
  } catch (error) {
    throw translated(error, file);
  }
  await inspectOurs(file);
}

/**
 * Copies the present database into the backups and takes its log files away: SQLite would play them into whatever
 * database comes to lie beside them.
 */
async function setAside(file: string, backups: string): Promise<string | undefined> {
  const log = `${file}-wal`;
  let kept: string | undefined;
  if (existsSync(file)) {
    const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
    kept = join(backups, `before-restore-${stamp}.db`);
    // SQLite drops the log of a database that it cannot read, but with it somebody may save more of the data.
    const keptLog = `${kept}-wal`;
    if (existsSync(log)) await copyAtomically(log, keptLog, { overwrite: false });
    let isWhole = true;
    try {
      isWhole = leaveLog(file);
      await copyAtomically(file, kept, { overwrite: false });
    } finally {
      if (isWhole) await rm(keptLog, { force: true });
    }
  }
  for (const companion of [log, `${file}-shm`]) await rm(companion, { force: true });
  return kept;
}

/**
 * Ends the write-ahead log, which SQLite allows only when nobody else has the database open.
 * @returns false where the database is too damaged for that
 * @throws AutochromeError "library-busy"
 */
function leaveLog(file: string): boolean {
  let mode: unknown;
  try {
    const db = new Sqlite(file, { timeout: 500 });
    try {
      mode = db.pragma("journal_mode = DELETE", { simple: true });
    } finally {
      db.close();
    }
  } catch (error) {
    const known = translated(error, file);
    if (known instanceof AutochromeError && known.code === "library-damaged") return false;
    throw known;
  }
  if (mode === "delete") return true;
  throw new AutochromeError(
    "library-busy",
    `The library is in use: ${basename(file)} is open in another program.`,
    "Close the other Autochrome, then try again.",
  );
}
