// A library: one folder with the database, the versions, what can be made again, and the backups.
//
// Owns: the folder's layout, opening and closing, sweeping what a killed process left.
// Must never: touch a file outside the library folder.
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, realpath, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  AutochromeError,
  errorFromRecord,
  isInside,
  isTemporaryName,
  sweepLeftovers,
  toErrorRecord,
} from "../kernel/index.ts";
import { type Database, openDatabase } from "./database.ts";
import { createReader, type Reader } from "./reader.ts";

export interface Library {
  /** Absolute and real: no symlinks in it. */
  readonly folder: string;
  readonly db: Database;
  /** For what takes long; sees what is committed. */
  readonly reader: Reader;
  /** Results. */
  readonly versions: string;
  /** Photos that were copied in; made with the first of them. */
  readonly originals: string;
  /** Can be thrown away at any time. */
  readonly thumbnails: string;
  /** Previews and tiles; can be thrown away at any time, and are made when they are needed. */
  readonly pictures: string;
  readonly backups: string;
  /** What the user should know about where the library lies, as sentences. */
  readonly warnings: readonly string[];
  close(): void;
}

/** The database's name in the library folder. */
export const DATABASE_NAME = "library.db";

/** Where everything lies in a library folder. */
export function layoutOf(folder: string) {
  return {
    file: join(folder, DATABASE_NAME),
    versions: join(folder, "versions"),
    originals: join(folder, "originals"),
    thumbnails: join(folder, "cache", "thumbnails"),
    pictures: join(folder, "cache", "pictures"),
    backups: join(folder, "backups"),
  };
}

/**
 * Opens the library in a folder, making or migrating it where necessary.
 * @param folder path, or ":memory:" for a library that vanishes when it is closed (its files lie in a temporary folder)
 * @throws AutochromeError "library-newer", "library-damaged", "library-busy", "output-unwritable", "disk-full", "usage" when
 * the path is a file's
 */
export async function openLibrary(folder: string): Promise<Library> {
  const temporary = folder === ":memory:";
  const root = await prepare(folder, async () => {
    if (temporary) return realpath(await mkdtemp(join(tmpdir(), "autochrome-library-")));
    await mkdir(resolve(folder), { recursive: true });
    return realpath(resolve(folder));
  });
  const layout = layoutOf(root);
  await prepare(folder, async () => {
    for (const part of [layout.versions, layout.thumbnails, layout.backups]) {
      await mkdir(part, { recursive: true });
    }
    await sweep(root);
  });
  const db = await openDatabase(temporary ? ":memory:" : layout.file, layout.backups);
  const reader = createReader(db.file, db.raw);
  const warning = temporary ? undefined : await networkWarning(root);
  return {
    folder: root,
    db,
    reader,
    versions: layout.versions,
    originals: layout.originals,
    thumbnails: layout.thumbnails,
    pictures: layout.pictures,
    backups: layout.backups,
    warnings: warning === undefined ? [] : [warning],
    close() {
      reader.close();
      db.close();
      if (temporary) rmSync(root, { recursive: true, force: true });
    },
  };
}

async function prepare<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (
      thrown instanceof Error &&
      "code" in thrown &&
      (thrown.code === "EEXIST" || thrown.code === "ENOTDIR")
    ) {
      throw new AutochromeError("usage", `${folder} is no folder.`, "Choose a folder for the library.", {
        cause: thrown,
      });
    }
    throw errorFromRecord(toErrorRecord(thrown, `the library folder ${folder}`));
  }
}

async function sweep(root: string): Promise<void> {
  const { versions, originals, thumbnails, backups } = layoutOf(root);
  for (const folder of [root, versions, originals, thumbnails, backups]) await sweepLeftovers(folder);
  for (const folder of [root, backups]) await sweepJournals(folder);
  for (const parent of [versions, originals]) {
    for (const entry of await readdir(parent, { withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) await sweepLeftovers(join(parent, entry.name));
    }
  }
}

/** SQLite's journals of temporary databases; the database itself has just been swept, or is still being made. */
async function sweepJournals(folder: string): Promise<void> {
  const names = new Set(await readdir(folder));
  for (const name of names) {
    const database = /^(.+)-(journal|wal|shm)$/.exec(name)?.[1];
    if (database !== undefined && isTemporaryName(database) && !names.has(database)) {
      await unlink(join(folder, name));
    }
  }
}

/** What to tell about a folder on a network disk. Only Linux says so in a way worth asking for. */
export async function networkWarning(folder: string): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined;
  const mounts = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const type = fileSystemOf(folder, mounts) ?? "";
  return /^(nfs\d?|cifs|smb\d?|smbfs|afs|9p|fuse\.sshfs)$/.test(type)
    ? `The library lies on a network disk (${type}), where its database can be damaged. Keep it on a disk of this computer.`
    : undefined;
}

/**
 * The type of file system that a path lies on.
 * @param mounts the text of /proc/self/mountinfo: statfs cannot tell sshfs from other FUSE file systems
 */
export function fileSystemOf(path: string, mounts: string): string | undefined {
  let best = { point: "", type: undefined as string | undefined };
  for (const line of mounts.split("\n")) {
    const [mount = "", source = ""] = line.split(" - ");
    const point = (mount.split(" ")[4] ?? "").replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    // Later lines are mounted over earlier ones.
    if (point !== "" && isInside(point, path) && point.length >= best.point.length) {
      best = { point, type: source.split(" ")[0] };
    }
  }
  return best.type;
}
