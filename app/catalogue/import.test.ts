import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { basename, join, relative } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { closeMetadata, type PixelWorkers } from "../imaging/index.ts";
import { AutochromeError, isInside } from "../kernel/index.ts";
import {
  ensureThumbnail,
  getPhoto,
  importPhotos,
  listAlbums,
  listPhotos,
  openLibrary,
  type Photo,
  thumbnailPath,
} from "./index.ts";
import { createScene, createTestWorkers, pictureBytes, type Scene } from "./testing.ts";

const workers = createTestWorkers();
afterAll(async () => {
  await workers.close();
  await closeMetadata();
});
let scene: Scene;
beforeEach(async () => {
  scene = await createScene(workers);
});
afterEach(() => scene.close());

const NONE = { imported: 0, duplicates: 0, unchanged: 0, moved: 0, failed: 0, missing: 0 };
const all = (): readonly Photo[] => listPhotos(scene.library, { limit: 1000 }).photos;
const names = () => all().map((photo) => photo.name);
const hashOf = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
const copies = () =>
  scene.library.db
    .all(scene.library.db.build.selectFrom("photo_copy").select("path"))
    .map(({ path }) => basename(path));

/** Everything that is under a folder, with its content. */
async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[relative(folder, path)] = await hashOf(path);
  }
  return found;
}

test("a folder becomes photos, in order, with what they are; the originals stay as they were", async () => {
  await scene.picture("b/2.jpg", 20);
  await scene.picture("b/10.jpg", 30);
  await scene.picture("a.JPG", 10);
  await writeFile(join(scene.photos, "notes.txt"), "no photo");
  await writeFile(join(scene.photos, ".hidden.jpg"), await pictureBytes(99));
  await mkdir(join(scene.photos, ".trash"));
  await writeFile(join(scene.photos, ".trash", "x.jpg"), await pictureBytes(98));
  const before = await contents(scene.photos);
  const { result, events } = await scene.import();
  expect(result).toEqual({ ...NONE, imported: 3 });
  expect(await contents(scene.photos)).toEqual(before);
  expect(names()).toEqual(["a.JPG", "10.jpg", "2.jpg"]);
  const [first] = all();
  expect(first).toMatchObject({
    path: join(scene.photos, "a.JPG"),
    hash: await hashOf(join(scene.photos, "a.JPG")),
    format: "jpeg",
    width: 11,
    height: 6,
    bitDepth: 8,
    isMono: true,
    missingSince: undefined,
    people: [],
  });
  expect(events.map((event) => [basename(event.path), event.status, event.progress.done])).toEqual([
    ["a.JPG", "imported", 1],
    ["10.jpg", "imported", 2],
    ["2.jpg", "imported", 3],
  ]);
  expect(events.at(-1)?.progress.total).toBe(3);
  expect(events.map((event) => event.photoId)).toEqual(all().map((photo) => photo.id));
  const thumbnail = await sharp(thumbnailPath(scene.library, first?.hash ?? "")).metadata();
  expect(thumbnail).toMatchObject({ format: "webp", width: 11, height: 6 });
});

test("importing again adds nothing and reads nothing", async () => {
  await scene.picture("a.jpg", 1);
  await scene.picture("b.jpg", 2);
  await scene.picture("copy of a.jpg", 1);
  expect((await scene.import()).result).toEqual({ ...NONE, imported: 2, duplicates: 1 });
  const before = all();
  const refuse = () => Promise.reject(new Error("a known file was read"));
  const strict: PixelWorkers = { ...workers, hash: refuse, ingest: refuse };
  for (const sources of [[scene.photos], [scene.photos, join(scene.photos, "a.jpg"), scene.photos]]) {
    const { result } = await scene.import(sources, { workers: strict });
    expect(result).toEqual({ ...NONE, unchanged: 2, duplicates: 1 });
  }
  expect(all()).toEqual(before);
  expect(copies()).toEqual(["copy of a.jpg"]);
});

test("a touched file is hashed, not decoded, and stays the same photo", async () => {
  const path = await scene.picture("a.jpg", 1);
  await scene.import();
  await utimes(path, 1000, 1000);
  const strict: PixelWorkers = { ...workers, ingest: () => Promise.reject(new Error("decoded")) };
  expect((await scene.import(undefined, { workers: strict })).result).toEqual({ ...NONE, unchanged: 1 });
  expect(all()).toMatchObject([{ mtime: 1_000_000, path }]);
});

test("one content in many files is one photo, also when all are new", async () => {
  for (let index = 0; index < 12; index++) await scene.picture(`${index}.jpg`, 5);
  await link(join(scene.photos, "0.jpg"), join(scene.photos, "hard link.jpg"));
  expect((await scene.import()).result).toEqual({ ...NONE, imported: 1, duplicates: 12 });
  expect(names()).toEqual(["0.jpg"]);
  expect(copies()).toHaveLength(12);
});

test("a moved file is the same photo at its new path", async () => {
  const path = await scene.picture("old/a.jpg", 1);
  await scene.import();
  const [before] = all();
  await mkdir(join(scene.photos, "new"));
  await rename(path, join(scene.photos, "new", "grandmother.jpg"));
  expect((await scene.import()).result).toEqual({ ...NONE, moved: 1 });
  expect(all()).toEqual([
    { ...before, path: join(scene.photos, "new", "grandmother.jpg"), name: "grandmother.jpg" },
  ]);
  expect(listPhotos(scene.library, { search: "grandmother" }).photos).toHaveLength(1);
  expect(listPhotos(scene.library, { search: "a" }).photos).toHaveLength(0);
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 1 });
});

test("two files that change places keep their photos", async () => {
  const a = await scene.picture("a.jpg", 1);
  const b = await scene.picture("b.jpg", 2);
  await scene.import();
  const before = all();
  await rename(a, `${a}.x`);
  await rename(b, a);
  await rename(`${a}.x`, b);
  const { result } = await scene.import();
  expect(result.imported + result.missing + result.failed).toBe(0);
  expect(all().map(({ id, path }) => [id, path])).toEqual([
    [before[0]?.id, b],
    [before[1]?.id, a],
  ]);
  for (const photo of all()) expect(await hashOf(photo.path)).toBe(photo.hash);
});

test("a changed file is a new photo, and the old one is missing", async () => {
  const path = await scene.picture("a.jpg", 1);
  await scene.import();
  await writeFile(path, await pictureBytes(2));
  const { result, events } = await scene.import();
  expect(result).toEqual({ ...NONE, imported: 1, missing: 1 });
  expect(events.map((event) => event.status)).toEqual(["imported", "missing"]);
  expect(all().map((photo) => photo.missingSince !== undefined)).toEqual([true, false]);
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 1 });
  await writeFile(path, await pictureBytes(1)); // and back
  expect((await scene.import()).result).toMatchObject({ imported: 0, failed: 0, missing: 1 });
  expect(all().map((photo) => photo.missingSince !== undefined)).toEqual([false, true]);
});

test("a changed file whose content is elsewhere too is not missing: the copy takes over", async () => {
  const path = await scene.picture("a.jpg", 1);
  await scene.picture("z/copy.jpg", 1);
  await scene.import();
  await writeFile(path, await pictureBytes(2));
  const { result } = await scene.import();
  expect(result).toMatchObject({ imported: 1, missing: 0, failed: 0 });
  expect(all().map(({ path, missingSince }) => [relative(scene.photos, path), missingSince])).toEqual([
    ["z/copy.jpg", undefined],
    ["a.jpg", undefined],
  ]);
  expect(copies()).toEqual([]);
});

test("a deleted file is missing, not forgotten, and found again when it returns", async () => {
  const path = await scene.picture("sub/a.jpg", 1);
  await scene.picture("sub/b.jpg", 2);
  await scene.picture("other/c.jpg", 3);
  await scene.import();
  const bytes = await readFile(path);
  await rm(join(scene.photos, "sub"), { recursive: true });
  // What was not imported again is not judged.
  expect((await scene.import([join(scene.photos, "other")])).result).toEqual({ ...NONE, unchanged: 1 });
  const { result, events } = await scene.import();
  expect(result).toEqual({ ...NONE, unchanged: 1, missing: 2 });
  expect(events.filter(({ status }) => status === "missing").map(({ path }) => basename(path))).toEqual([
    "a.jpg",
    "b.jpg",
  ]);
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 1 });
  expect(listPhotos(scene.library, { missing: true }).photos).toHaveLength(2);
  await mkdir(join(scene.photos, "sub"));
  await writeFile(path, bytes);
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 2 });
  expect(listPhotos(scene.library, { missing: true }).photos.map((photo) => photo.name)).toEqual(["b.jpg"]);
});

test("a missing photo that returns with its old time is found without being read", async () => {
  const path = await scene.picture("a.jpg", 1);
  await scene.import();
  await rename(path, join(scene.folder, "away.jpg"));
  expect((await scene.import()).result).toEqual({ ...NONE, missing: 1 });
  await rename(join(scene.folder, "away.jpg"), path);
  const refuse = () => Promise.reject(new Error("a known file was read"));
  const { result } = await scene.import(undefined, { workers: { ...workers, hash: refuse, ingest: refuse } });
  expect(result).toEqual({ ...NONE, unchanged: 1 });
  expect(all()).toMatchObject([{ missingSince: undefined }]);
});

test("a file or folder that is named but not there is told, and what it held is missing", async () => {
  const path = await scene.picture("sub/a.jpg", 1);
  await scene.import();
  await rm(join(scene.photos, "sub"), { recursive: true });
  const { result, events } = await scene.import([
    join(scene.photos, "sub"),
    path,
    join(scene.photos, "no\0name"),
  ]);
  expect(result).toEqual({ ...NONE, failed: 3, missing: 1 });
  expect(events.slice(0, 3).map((event) => event.error?.code)).toEqual([
    "not-found",
    "not-found",
    "not-found",
  ]);
});

test("when a photo's copies are gone, they are forgotten; when the photo is gone, a copy takes over", async () => {
  const a = await scene.picture("a.jpg", 1);
  const b = await scene.picture("b.jpg", 1);
  const c = await scene.picture("c.jpg", 1);
  await scene.import();
  await unlink(b);
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 1, duplicates: 1 });
  expect(copies()).toEqual(["c.jpg"]);
  await unlink(a);
  expect((await scene.import()).result).toMatchObject({ imported: 0, missing: 0, failed: 0 });
  expect(all()).toMatchObject([{ path: c, missingSince: undefined }]);
  expect(copies()).toEqual([]);
});

test("bad files are told one by one and stop nothing", async () => {
  await scene.picture("good.jpg", 1);
  await writeFile(join(scene.photos, "empty.jpg"), "");
  await writeFile(join(scene.photos, "text.png"), "this is no picture");
  await writeFile(
    join(scene.photos, "cut.jpg"),
    (
      await sharp({ create: { width: 500, height: 500, channels: 3, background: "#777" } })
        .jpeg()
        .toBuffer()
    ).subarray(0, 1500),
  );
  await symlink(join(scene.photos, "nowhere"), join(scene.photos, "broken.jpg"));
  const { result, events } = await scene.import();
  expect(result).toEqual({ ...NONE, imported: 1, failed: 4 });
  const codes = events.map((event) => [basename(event.path), event.error?.code]);
  expect(Object.fromEntries(codes)).toEqual({
    "good.jpg": undefined,
    "empty.jpg": "empty-file",
    "text.png": "not-an-image",
    "cut.jpg": "damaged-image",
    "broken.jpg": "not-found",
  });
  expect(await readdir(scene.library.thumbnails)).toEqual([(all()[0]?.hash ?? "").slice(0, 2)]);
});

test("names of every kind work", async () => {
  const kinds = [
    "外婆 1936.jpg",
    "👵🏽👴.jpg",
    "new\nline.jpg",
    "trailing dots...jpg",
    "-rf *.jpg",
    "quote'\"`$(x).jpg",
    "[1].jpg",
    "cafe\u0301.jpg",
    `${"長".repeat(83)}xx.jpg`,
  ];
  expect(Buffer.byteLength(kinds.at(-1) ?? "")).toBe(255);
  for (const [index, name] of kinds.entries()) await scene.picture(name, index);
  const { result } = await scene.import(undefined, { copy: true });
  expect(result).toEqual({ ...NONE, imported: kinds.length });
  expect(names().toSorted()).toEqual(kinds.toSorted());
  for (const photo of all()) {
    expect(isInside(scene.library.originals, photo.path)).toBe(true);
    expect(Buffer.byteLength(basename(photo.path))).toBeLessThanOrEqual(255);
    expect(await hashOf(photo.path)).toBe(photo.hash);
  }
  expect((await scene.import()).result).toEqual({ ...NONE, duplicates: kinds.length });
});

test.skipIf(process.platform !== "linux")("a name that is no text is told and stops nothing", async () => {
  await scene.picture("good.jpg", 1);
  await writeFile(
    Buffer.concat([Buffer.from(`${scene.photos}/bad`), Buffer.from([0xff]), Buffer.from(".jpg")]),
    "x",
  );
  await mkdir(Buffer.concat([Buffer.from(`${scene.photos}/folder`), Buffer.from([0xc3, 0x28])]));
  const { result, events } = await scene.import();
  expect(result).toEqual({ ...NONE, imported: 1, failed: 2 });
  expect(events.filter((event) => event.error !== undefined).map((event) => event.error?.code)).toEqual([
    "unreadable-file",
    "unreadable-file",
  ]);
});

test("links are followed only within the folder, to what is not walked anyway, and never in circles", async () => {
  await scene.picture("real/a.jpg", 1);
  await scene.picture(".store/b", 2);
  await scene.picture(".deep/inner/c.jpg", 3);
  const outside = join(scene.folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "secret.jpg"), await pictureBytes(9));
  await symlink(join(scene.photos, "real"), join(scene.photos, "again"));
  await symlink(join(scene.photos, "real", "a.jpg"), join(scene.photos, "a again.jpg"));
  await symlink(join(scene.photos, ".store", "b"), join(scene.photos, "b.jpg"));
  await symlink(join(scene.photos, ".deep"), join(scene.photos, "deep"));
  await symlink(join(scene.photos, ".deep"), join(scene.photos, ".deep", "inner", "circle"));
  await symlink(scene.photos, join(scene.photos, "real", "up"));
  await symlink("loop", join(scene.photos, "loop"));
  await symlink(outside, join(scene.photos, "outside"));
  await symlink(join(outside, "secret.jpg"), join(scene.photos, "secret.jpg"));
  const { result } = await scene.import();
  expect(result).toEqual({ ...NONE, imported: 3 });
  expect(
    all()
      .map((photo) => relative(scene.photos, photo.path))
      .toSorted(),
  ).toEqual([".deep/inner/c.jpg", "b.jpg", "real/a.jpg"]);
});

test("a link that is named itself is what it leads to, and its folders are real", async () => {
  const path = await scene.picture("a.jpg", 1);
  await symlink(scene.photos, join(scene.folder, "link"));
  const first = await scene.import([join(scene.folder, "link", "a.jpg")]);
  expect(first.result).toEqual({ ...NONE, imported: 1 });
  expect(all()[0]?.path).toBe(path);
  expect((await scene.import([join(scene.folder, "link")])).result).toEqual({ ...NONE, unchanged: 1 });
});

test("any file is taken when it is named, and named folders may overlap", async () => {
  await writeFile(join(scene.photos, ".hidden"), await pictureBytes(1));
  await scene.picture("sub/deep/a.jpg", 2);
  const sources = [
    join(scene.photos, "sub", "deep"),
    scene.photos,
    join(scene.photos, ".hidden"),
    join(scene.photos, "sub"),
  ];
  expect((await scene.import(sources)).result).toEqual({ ...NONE, imported: 2 });
  // The hidden one is not walked, but it is there.
  expect((await scene.import()).result).toEqual({ ...NONE, unchanged: 1 });
});

test("the library itself is skipped, and refused when it is named", async () => {
  const library = await openLibrary(join(scene.photos, "My Library"));
  await scene.picture("a.jpg", 1);
  await writeFile(join(library.versions, "result.jpg"), await pictureBytes(2));
  const result = await importPhotos(library, [scene.photos], { workers });
  expect(result).toMatchObject({ imported: 1, failed: 0 });
  const refused = await importPhotos(library, [library.folder, join(library.versions, "result.jpg")], {
    workers,
  });
  expect(refused).toMatchObject({ imported: 0, failed: 2 });
  library.close();
});

test.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
  "a folder that may not be read is told; its photos are not missing",
  async () => {
    await scene.picture("closed/a.jpg", 1);
    await scene.picture("open/b.jpg", 2);
    await scene.import();
    await chmod(join(scene.photos, "closed"), 0o000);
    const { result, events } = await scene.import();
    await chmod(join(scene.photos, "closed"), 0o700);
    expect(result).toEqual({ ...NONE, unchanged: 1, failed: 1 });
    expect(events[0]?.error?.code).toBe("unreadable-file");
  },
);

test("a file that vanishes or changes while it is read fails alone", async () => {
  const paths: string[] = [];
  for (let index = 0; index < 6; index++) paths.push(await scene.picture(`${index}.jpg`, index));
  const big = { width: 3000, height: 2000, channels: 3, background: "#888" } as const;
  await sharp({ create: big })
    .jpeg()
    .toFile(paths[3] ?? "");
  const meddling: PixelWorkers = {
    ...workers,
    async ingest(path, thumbnail) {
      if (path === paths[1]) await unlink(path);
      let isRunning = true;
      const ingested = workers.ingest(path, thumbnail).finally(() => {
        isRunning = false;
      });
      ingested.catch(() => undefined); // thrown below
      for (let turn = 1; path === paths[3] && isRunning; turn++) await utimes(path, turn, turn);
      return ingested;
    },
  };
  const { result, events } = await scene.import(undefined, { workers: meddling });
  expect(result).toEqual({ ...NONE, imported: 4, failed: 2 });
  const codes = events.map((event) => event.error?.code);
  expect(codes).toEqual([undefined, "not-found", undefined, "unreadable-file", undefined, undefined]);
  expect((await scene.import()).result).toEqual({ ...NONE, imported: 1, unchanged: 4 });
});

test("copied photos lie in the library, once each, and outlive their sources", async () => {
  const path = await scene.picture("card/外婆.jpg", 1);
  await scene.picture("card/also.jpg", 1);
  await scene.picture("card/CON.jpg", 2);
  await scene.picture("card/trailing. .png", 3);
  const before = await contents(scene.photos);
  expect((await scene.import(undefined, { copy: true })).result).toEqual({
    ...NONE,
    imported: 3,
    duplicates: 1,
  });
  expect(await contents(scene.photos)).toEqual(before);
  const copied = await contents(scene.library.originals);
  expect(Object.keys(copied)).toHaveLength(3);
  expect(names().toSorted()).toEqual(["CON.jpg", "also.jpg", "trailing. .png"].toSorted());
  expect((await scene.import(undefined, { copy: true })).result).toEqual({ ...NONE, duplicates: 4 });
  expect(await contents(scene.library.originals)).toEqual(copied);
  await rm(join(scene.photos, "card"), { recursive: true });
  expect((await scene.import()).result).toEqual(NONE);
  expect(copies()).toEqual([]);
  for (const photo of all()) expect(await hashOf(photo.path)).toBe(photo.hash);
  expect(existsSync(path)).toBe(false);
});

test("a copy that was lost is made again, and one that a killed import left is used", async () => {
  await scene.picture("a.jpg", 1);
  await scene.import(undefined, { copy: true });
  const [before] = all();
  await unlink(before?.path ?? "");
  expect((await scene.import(undefined, { copy: true })).result).toEqual({ ...NONE, moved: 1 });
  expect(all()).toEqual([{ ...before, mtime: all()[0]?.mtime }]);
  // As if the process had died between the copy and its record.
  scene.library.db.run(scene.library.db.build.deleteFrom("photo"));
  expect((await scene.import(undefined, { copy: true })).result).toEqual({ ...NONE, imported: 1 });
  expect(Object.keys(await contents(scene.library.originals))).toHaveLength(1);
});

test("all photos of an import are in its album, known ones too", async () => {
  await scene.picture("a.jpg", 1);
  await scene.import();
  await scene.picture("b.jpg", 2);
  await scene.picture("c.jpg", 2);
  for (let round = 0; round < 2; round++) {
    await scene.import(undefined, { album: "Family" });
    expect(listAlbums(scene.library)).toMatchObject([{ name: "Family", photos: 2 }]);
  }
  await expect(scene.import(undefined, { album: " " })).rejects.toMatchObject({ code: "usage" });
});

test("metadata is read where there is any", async () => {
  const bytes = await sharp({ create: { width: 20, height: 10, channels: 3, background: "#555" } })
    .withExif({
      IFD0: { ImageDescription: "Destitute pea pickers", Orientation: "6" },
      IFD2: { DateTimeOriginal: "1936:02:00 00:00:00" },
    })
    .jpeg()
    .toBuffer();
  await writeFile(join(scene.photos, "a.jpg"), bytes);
  await scene.import();
  expect(all()[0]).toMatchObject({
    caption: "Destitute pea pickers",
    takenAt: "1936-02",
    takenPrecision: "month",
  });
  expect(listPhotos(scene.library, { search: "february 1936 pickers" }).photos).toHaveLength(1);
});

test("an import that is stopped keeps what is finished and marks nothing as missing", async () => {
  for (let index = 0; index < 40; index++)
    await scene.picture(`${String(index).padStart(2, "0")}.jpg`, index);
  const gone = await scene.picture("gone.jpg", 200);
  await scene.import([gone]);
  await unlink(gone);
  const stop = new AbortController();
  const { result, events } = await scene.import(undefined, {
    signal: stop.signal,
    onEvent: () => stop.abort(),
  });
  expect(result.imported).toBe(events.length);
  expect(result.imported).toBeGreaterThan(0);
  expect(result.imported).toBeLessThan(40);
  expect(result.missing).toBe(0);
  expect(names().slice(1)).toEqual(events.map((event) => basename(event.path)));
  const rest = await scene.import();
  expect(rest.result).toEqual({
    ...NONE,
    imported: 40 - result.imported,
    unchanged: result.imported,
    missing: 1,
  });
});

test("a failure of the library itself ends the import", async () => {
  for (let index = 0; index < 30; index++) await scene.picture(`${index}.jpg`, index);
  const db = {
    ...scene.library.db,
    transaction: () => {
      throw new AutochromeError("disk-full", "The disk with the library is full.", "Free some space.");
    },
  };
  const library = { ...scene.library, db };
  await expect(importPhotos(library, [scene.photos], { workers })).rejects.toMatchObject({
    code: "disk-full",
  });
  expect((await scene.import()).result).toEqual({ ...NONE, imported: 30 });
});

test("a thumbnail that was thrown away is made again, but never of another content", async () => {
  const path = await scene.picture("a.jpg", 1);
  await scene.import();
  const photo = getPhoto(scene.library, all()[0]?.id ?? "");
  await rm(scene.library.thumbnails, { recursive: true });
  const thumbnail = await ensureThumbnail(scene.library, photo, workers);
  expect(thumbnail).toBe(thumbnailPath(scene.library, photo.hash));
  expect(await sharp(thumbnail).metadata()).toMatchObject({ format: "webp" });
  expect(await ensureThumbnail(scene.library, photo, workers)).toBe(thumbnail);
  expect(await readdir(scene.library.thumbnails)).toEqual([photo.hash.slice(0, 2)]);
  await unlink(thumbnail);
  await copyFile(await scene.picture("b.jpg", 2), path);
  await expect(ensureThumbnail(scene.library, photo, workers)).rejects.toMatchObject({ code: "not-found" });
  await truncate(path, 0);
  await expect(ensureThumbnail(scene.library, photo, workers)).rejects.toMatchObject({ code: "empty-file" });
  expect(existsSync(thumbnail)).toBe(false);
});
