import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  backupLibrary,
  checkLibrary,
  countPhotos,
  type Library,
  listPhotos,
  openLibrary,
  restoreLibrary,
} from "./index.ts";
import { MIGRATIONS } from "./migrations.ts";
import { insertPhoto } from "./record.ts";
import { indexPhotos } from "./search.ts";
import { photoOf } from "./testing.ts";

let folder: string;
let home: string;
let file: string;
let backup: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-backup-")));
  home = join(folder, "library");
  file = join(home, "library.db");
  backup = join(folder, "saved", "backup.db");
});
afterEach(() => rm(folder, { recursive: true }));

function add(library: Library, from: number, to: number): void {
  library.db.transaction(() => {
    const numbers = [];
    for (let number = from; number <= to; number++) {
      numbers.push(insertPhoto(library.db, photoOf(number, { title: "Harbour" })));
    }
    indexPhotos(library.db, numbers);
  });
}

/** Writes over the middle of a file. */
async function damage(path: string): Promise<void> {
  const handle = await open(path, "r+");
  const { size } = await handle.stat();
  await handle.write(Buffer.alloc(size - 8192, 0x5a), 0, size - 8192, 4096);
  await handle.close();
}

test("a backup made in use holds all, is one file, and comes back", async () => {
  const library = await openLibrary(home);
  add(library, 1, 500);
  const saving = backupLibrary(library, backup);
  add(library, 501, 700);
  await saving;
  expect(await readdir(join(folder, "saved"))).toEqual(["backup.db"]);
  add(library, 701, 710);
  library.close();
  const kept = await restoreLibrary(home, backup);
  expect(kept).toMatch(/before-restore-.*\.db$/);
  const restored = await openLibrary(home);
  const count = countPhotos(restored);
  expect(count === 500 || count === 700).toBe(true);
  expect(countPhotos(restored, { search: "harbour" })).toBe(count);
  restored.close();
  await restoreLibrary(home, kept ?? "");
  const former = await openLibrary(home);
  expect(countPhotos(former)).toBe(710);
  former.close();
});

test("a backup can be read from a read-only disk", async () => {
  const library = await openLibrary(home);
  add(library, 1, 5);
  await backupLibrary(library, backup);
  library.close();
  const db = new Sqlite(backup, { readonly: true });
  expect(db.pragma("journal_mode", { simple: true })).toBe("delete");
  expect(db.prepare("SELECT count(*) FROM photo").pluck().get()).toBe(5);
  db.close();
});

test("an existing file is not replaced by a backup", async () => {
  const library = await openLibrary(home);
  await mkdir(join(folder, "saved"));
  await writeFile(backup, "mine");
  await expect(backupLibrary(library, backup)).rejects.toMatchObject({ code: "output-exists" });
  expect(await readFile(backup, "utf8")).toBe("mine");
  expect(await readdir(join(folder, "saved"))).toEqual(["backup.db"]);
  library.close();
});

test("a damaged library gives no backup", async () => {
  const library = await openLibrary(home);
  add(library, 1, 2000);
  library.close();
  await damage(file);
  const damaged = await openLibrary(home).catch((error: unknown) => error);
  if (!(damaged instanceof Error)) {
    const opened = damaged as Library;
    await expect(backupLibrary(opened, backup)).rejects.toMatchObject({ code: "library-damaged" });
    opened.close();
  }
  expect(existsSync(backup)).toBe(false);
  await expect(checkLibrary(home)).rejects.toMatchObject({ code: "library-damaged" });
});

test("a damaged library is replaced, and kept as it is with its log", async () => {
  const library = await openLibrary(home);
  add(library, 1, 2000);
  await backupLibrary(library, backup);
  library.close();
  await writeFile(file, "no database at all");
  await writeFile(`${file}-wal`, "a log");
  const kept = (await restoreLibrary(home, backup)) ?? "";
  expect(await readFile(kept, "utf8")).toBe("no database at all");
  expect(await readFile(`${kept}-wal`, "utf8")).toBe("a log");
  expect((await readdir(home)).sort()).toEqual(["backups", "cache", "library.db", "versions"]);
  const restored = await openLibrary(home);
  expect(countPhotos(restored)).toBe(2000);
  restored.close();
});

test("restoring into a folder without a library makes one", async () => {
  const library = await openLibrary(home);
  add(library, 1, 3);
  await backupLibrary(library, backup);
  library.close();
  const other = join(folder, "other");
  expect(await restoreLibrary(other, backup)).toBeUndefined();
  const restored = await openLibrary(other);
  expect(listPhotos(restored).photos).toHaveLength(3);
  restored.close();
});

test("what is no whole backup of ours is refused, and the library stays as it was", async () => {
  const library = await openLibrary(home);
  add(library, 1, 2000);
  await backupLibrary(library, backup);
  library.close();
  const before = await readFile(file);
  const bad = {
    text: join(folder, "text.db"),
    empty: join(folder, "empty.db"),
    foreign: join(folder, "foreign.db"),
    newer: join(folder, "newer.db"),
    broken: join(folder, "broken.db"),
    dangling: join(folder, "dangling.db"),
  };
  await writeFile(bad.text, "text ".repeat(1000));
  await writeFile(bad.empty, "");
  const foreign = new Sqlite(bad.foreign);
  foreign.exec("CREATE TABLE photo (x); PRAGMA user_version = 1");
  foreign.close();
  for (const [path, sql] of [
    [bad.newer, "PRAGMA user_version = 99"],
    [bad.dangling, "PRAGMA foreign_keys = OFF; INSERT INTO album_photo VALUES (5, 5, 0, 0, '', '')"],
  ] as const) {
    await writeFile(path, await readFile(backup));
    const db = new Sqlite(path);
    db.exec(sql);
    db.close();
  }
  await writeFile(bad.broken, await readFile(backup));
  await damage(bad.broken);
  const codes: Record<string, unknown> = {};
  for (const [name, path] of Object.entries({ ...bad, nothing: join(folder, "nothing.db") })) {
    codes[name] = await restoreLibrary(home, path).then(
      () => "restored",
      (error: { code?: string }) => error.code,
    );
  }
  expect(codes).toEqual({
    text: "usage",
    empty: "usage",
    foreign: "usage",
    newer: "library-newer",
    broken: "library-damaged",
    dangling: "library-damaged",
    nothing: "not-found",
  });
  expect(await readFile(file)).toEqual(before);
  expect(await readdir(join(home, "backups"))).toEqual([]);
  expect((await readdir(home)).sort()).toEqual(["backups", "cache", "library.db", "versions"]);
});

test("a library that is open, here or in another process, is not replaced", async () => {
  const library = await openLibrary(home);
  add(library, 1, 3);
  await backupLibrary(library, backup);
  await expect(restoreLibrary(home, backup)).rejects.toMatchObject({ code: "library-busy" });
  expect(countPhotos(library)).toBe(3); // and it goes on working
  library.close();
  const script = `
    const Sqlite = require("better-sqlite3");
    const db = new Sqlite(${JSON.stringify(file)});
    db.pragma("journal_mode = WAL");
    db.prepare("SELECT count(*) FROM photo").get();
    console.log("open");
    process.stdin.on("end", () => process.exit()).resume();
  `;
  const other = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  await once(other.stdout, "data");
  await expect(restoreLibrary(home, backup)).rejects.toMatchObject({ code: "library-busy" });
  other.stdin.end();
  await once(other, "exit");
  expect(await restoreLibrary(home, backup)).toBeDefined();
});

test("a check of a library tells what is there and what is gone", async () => {
  const library = await openLibrary(home);
  add(library, 1, 3);
  insertPhoto(library.db, photoOf(4, { missingSince: "2026-01-01T00:00:00.000Z" }));
  await backupLibrary(library, join(home, "backups", "one.db"));
  const texts = async () =>
    Object.fromEntries((await checkLibrary(home)).map(({ about, found }) => [about, found]));
  expect(await texts()).toEqual({
    "library database": `whole, version ${MIGRATIONS.length}, 4 photos, 1 of them missing`,
    versions: "0, all files are there",
    backups: "1",
  });
  library.close();
});
