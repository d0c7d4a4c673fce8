import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openDatabase } from "./database.ts";
import { checkLibrary, countPhotos, listPhotos, openLibrary } from "./index.ts";
import { fileSystemOf } from "./library.ts";
import { MIGRATIONS } from "./migrations.ts";
import { insertPhoto } from "./record.ts";
import { photoOf } from "./testing.ts";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-library-")));
});
afterEach(async () => {
  vi.doUnmock("./migrations.ts");
  vi.resetModules();
  await rm(folder, { recursive: true });
});

test("a library is a folder that is made when it is first opened", async () => {
  const path = join(folder, "Pictures", "外婆");
  const library = await openLibrary(path);
  expect((await readdir(path)).filter((name) => !name.startsWith("library.db-")).sort()).toEqual([
    "backups",
    "cache",
    "library.db",
    "versions",
  ]);
  insertPhoto(library.db, photoOf(1));
  library.close();
  const again = await openLibrary(path);
  expect(listPhotos(again).photos).toEqual([photoOf(1)]);
  again.close();
});

test("a library in memory leaves nothing", async () => {
  const library = await openLibrary(":memory:");
  insertPhoto(library.db, photoOf(1));
  expect(countPhotos(library)).toBe(1);
  expect(existsSync(library.thumbnails)).toBe(true);
  library.close();
  expect(existsSync(library.folder)).toBe(false);
  const other = await openLibrary(":memory:");
  expect(countPhotos(other)).toBe(0);
  other.close();
});

test("the folder is known by its real path", async () => {
  await mkdir(join(folder, "real"));
  await symlink(join(folder, "real"), join(folder, "link"));
  const library = await openLibrary(join(folder, "link"));
  expect(library.folder).toBe(join(folder, "real"));
  library.close();
});

test("what a killed process left is swept, in every folder that files are made in", async () => {
  (await openLibrary(folder)).close();
  const dead = spawnSync(process.execPath, ["-e", "console.log(process.pid)"], {
    encoding: "utf8",
  }).stdout.trim();
  const left = `.autochrome-${"0".repeat(26)}-${dead}.tmp`;
  const places = [".", "versions", "versions/ab", "originals", "originals/cd", "cache/thumbnails", "backups"];
  for (const place of places) {
    await mkdir(join(folder, place), { recursive: true });
    await writeFile(join(folder, place, `${left}.jpg`), "half");
    await writeFile(join(folder, place, "whole.jpg"), "whole");
  }
  await writeFile(join(folder, `${left}.db`), "half");
  await writeFile(join(folder, `${left}.db-journal`), "half");
  (await openLibrary(folder)).close();
  for (const place of places) {
    const names = await readdir(join(folder, place));
    expect(names).toContain("whole.jpg");
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
  }
});

test("a file that is no database, or a damaged one, is told and left as it is", async () => {
  await writeFile(
    join(folder, "library.db"),
    "this is no database, but long enough to look like one ".repeat(100),
  );
  const before = await readFile(join(folder, "library.db"));
  await expect(openLibrary(folder)).rejects.toMatchObject({ code: "library-damaged" });
  expect(await readFile(join(folder, "library.db"))).toEqual(before);
});

test.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
  "a folder that is read-only is told",
  async () => {
    await chmod(folder, 0o500);
    await expect(openLibrary(join(folder, "library"))).rejects.toMatchObject({ code: "unreadable-file" });
    await chmod(folder, 0o700);
  },
);

test("a path that is a file's is told", async () => {
  await writeFile(join(folder, "file"), "");
  for (const path of ["file", "file/library"]) {
    await expect(openLibrary(join(folder, path))).rejects.toMatchObject({ code: "usage" });
  }
});

test("the file system of a folder is that of the nearest mount", () => {
  const mounts = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "40 22 0:35 / /home/u/My\\040Photos rw shared:2 - cifs //nas/photos rw",
    "41 22 0:36 / /mnt/remote rw - fuse.sshfs host:/ rw",
    "42 41 8:2 / /mnt/remote/local rw - xfs /dev/sdb1 rw",
    "43 22 0:37 / /over rw - ext4 /dev/sdc1 rw",
    "44 43 0:38 / /over rw master:3 - nfs4 nas:/over rw",
    "",
  ].join("\n");
  expect(fileSystemOf("/home/u/My Photos/Autochrome", mounts)).toBe("cifs");
  expect(fileSystemOf("/home/u/My Photos 2", mounts)).toBe("ext4");
  expect(fileSystemOf("/mnt/remote/x", mounts)).toBe("fuse.sshfs");
  expect(fileSystemOf("/mnt/remote/local/x", mounts)).toBe("xfs");
  expect(fileSystemOf("/over/x", mounts)).toBe("nfs4");
  expect(fileSystemOf("/x", "")).toBeUndefined();
});

test.skipIf(process.platform !== "linux")("a network disk is warned of", async () => {
  vi.resetModules();
  vi.doMock("node:fs/promises", async (original) => {
    const real = await original<typeof import("node:fs/promises")>();
    const mounts = `1 1 0:1 / / rw - nfs4 nas:/ rw\n`;
    const readMounts = (path: string) =>
      path === "/proc/self/mountinfo" ? mounts : real.readFile(path, "utf8");
    return { ...real, readFile: async (path: string) => readMounts(path) };
  });
  const { openLibrary: open } = await import("./library.ts");
  const library = await open(folder);
  vi.doUnmock("node:fs/promises");
  expect(library.warnings).toEqual([expect.stringContaining("network disk (nfs4)")]);
  library.close();
  const local = await openLibrary(":memory:");
  expect(local.warnings).toEqual([]);
  local.close();
});

const NEWEST = MIGRATIONS.length;

/** The module with one more migration than the program has. */
async function withMigration(sql: string): Promise<typeof openDatabase> {
  vi.resetModules();
  vi.doMock("./migrations.ts", async (original) => {
    const real = await original<typeof import("./migrations.ts")>();
    return { ...real, MIGRATIONS: [...real.MIGRATIONS, { number: NEWEST + 1, about: "a test", sql }] };
  });
  return (await import("./database.ts")).openDatabase;
}

test("a migration is made after a backup, and the newer database is refused by the older program", async () => {
  const library = await openLibrary(folder);
  insertPhoto(library.db, photoOf(1));
  library.close();
  const file = join(folder, "library.db");
  const openNewer = await withMigration("ALTER TABLE photo ADD COLUMN mood TEXT");
  const newer = await openNewer(file, join(folder, "backups"));
  expect(newer.raw.prepare("SELECT id, mood FROM photo").all()).toEqual([{ id: photoOf(1).id, mood: null }]);
  expect(newer.raw.pragma("user_version", { simple: true })).toBe(NEWEST + 1);
  newer.close();
  (await openNewer(file, join(folder, "backups"))).close();
  const backups = await readdir(join(folder, "backups"));
  expect(backups).toEqual([expect.stringMatching(new RegExp(`^before-migration-${NEWEST}-[\\dTZ-]+\\.db$`))]);
  const backup = new Sqlite(join(folder, "backups", backups[0] ?? ""), { readonly: true });
  expect(backup.pragma("user_version", { simple: true })).toBe(NEWEST);
  expect(backup.prepare("SELECT id FROM photo").pluck().all()).toEqual([photoOf(1).id]);
  backup.close();
  await expect(openLibrary(folder)).rejects.toMatchObject({ code: "library-newer" });
  await expect(checkLibrary(folder)).rejects.toMatchObject({ code: "library-newer" });
});

test("a migration that fails leaves the database as it was", async () => {
  const library = await openLibrary(folder);
  insertPhoto(library.db, photoOf(1));
  library.close();
  const openNewer = await withMigration("DROP TABLE version; CREATE TABLE photo (oops INTEGER)");
  await expect(openNewer(join(folder, "library.db"), join(folder, "backups"))).rejects.toThrow(
    "already exists",
  );
  const again = await openLibrary(folder);
  expect(countPhotos(again)).toBe(1);
  expect(again.db.all(again.db.build.selectFrom("version").select("id"))).toEqual([]);
  again.close();
});

test("a new database is migrated without a backup", async () => {
  const openNewer = await withMigration("CREATE TABLE extra (x INTEGER)");
  (await openNewer(join(folder, "library.db"), join(folder, "backups"))).close();
  expect(existsSync(join(folder, "backups"))).toBe(false);
});

test("a nested transaction joins the outer one, and a failure undoes all of it", async () => {
  const db = await openDatabase(":memory:");
  expect(() =>
    db.transaction(() => {
      insertPhoto(db, photoOf(1));
      db.transaction(() => insertPhoto(db, photoOf(2)));
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(db.all(db.build.selectFrom("photo").select("id"))).toEqual([]);
  db.close();
});
