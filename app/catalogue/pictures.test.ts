import { mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { PixelWorkers } from "../imaging/index.ts";
import { createPictures, type PictureSource } from "./pictures.ts";
import { createScene, createTestWorkers, type Scene } from "./testing.ts";

let workers: PixelWorkers;
let scene: Scene;
beforeAll(() => {
  workers = createTestWorkers();
});
afterAll(() => workers.close());
beforeEach(async () => {
  scene = await createScene(workers);
});
afterEach(() => scene.close());

/** A picture that does not compress well. */
async function noise(name: string, width: number, height: number): Promise<PictureSource> {
  const path = join(scene.photos, name);
  const noise = { type: "gaussian" as const, mean: 128, sigma: 60 };
  await sharp({ create: { width, height, channels: 3, background: "#000", noise } })
    .png()
    .toFile(path);
  return { path, hash: await workers.hash(path), width, height };
}

async function kept(): Promise<string[]> {
  const folder = scene.library.pictures;
  const names = await readdir(folder, { recursive: true });
  const files = await Promise.all(
    names.map(async (name) => ((await stat(join(folder, name))).isFile() ? name : "")),
  );
  return files.filter((name) => name !== "");
}

it("keeps the newest within its limit, tiles with all their levels as one", async () => {
  const one = await noise("one.png", 600, 400);
  const other = await noise("other.png", 1200, 900);
  const preview = (await stat(await createPictures(scene.library, workers).preview(one, 256))).size;
  const pictures = createPictures(scene.library, workers, 3.5 * preview);
  const sides = [250, 251, 252, 253];
  for (const side of sides) await pictures.preview(one, side);
  const previews = (await kept()).map((name) => Number(/-(\d+)\.jpg$/.exec(name)?.[1]));
  expect(previews.length).toBeLessThan(sides.length);
  expect(previews).toContain(253);
  expect(previews).not.toContain(256);
  // More than the limit by itself: it stays until something newer is there, and nothing else does.
  const tile = await pictures.tile(other, { level: 0, column: 0, row: 0 });
  expect(await kept()).toHaveLength(1 + 2 + 6);
  expect((await kept()).some((name) => tile?.endsWith(name))).toBe(true);
  await pictures.preview(one, 250);
  expect(await kept()).toEqual([expect.stringMatching(/-250\.jpg$/)]);
});

it("makes a picture once for all who ask, under one name for all sizes beyond its own", async () => {
  const source = await noise("small.png", 300, 200);
  let made = 0;
  const counting = {
    ...workers,
    writePreview: (...given: Parameters<PixelWorkers["writePreview"]>) => {
      made++;
      return workers.writePreview(...given);
    },
  };
  const pictures = createPictures(scene.library, counting);
  const paths = await Promise.all([300, 301, 8192, 300].map((side) => pictures.preview(source, side)));
  expect(new Set(paths).size).toBe(1);
  await pictures.preview(source, 1000);
  expect(made).toBe(1);
});

it("clears away what a killed process left half-made, and nothing that is being made", async () => {
  const source = await noise("small.png", 300, 200);
  const folder = join(scene.library.pictures, source.hash.slice(0, 2));
  const old = join(folder, ".autochrome-00000000000000000000000000-1.tmp_files");
  await mkdir(join(old, "0"), { recursive: true });
  await writeFile(join(folder, ".autochrome-00000000000000000000000001-1.tmp.jpg"), "young");
  const time = new Date(Date.now() - 2 * 60 * 60_000);
  await utimes(old, time, time);
  await createPictures(scene.library, workers).preview(source, 100);
  expect((await readdir(folder)).sort()).toEqual([
    ".autochrome-00000000000000000000000001-1.tmp.jpg",
    `${source.hash}-100.jpg`,
  ]);
});

it("leaves nothing of a picture that could not be made", async () => {
  const path = join(scene.photos, "broken.png");
  await writeFile(path, "no picture");
  const source = { path, hash: "ab".repeat(32), width: 4000, height: 3000 };
  const pictures = createPictures(scene.library, workers);
  await expect(pictures.preview(source, 100)).rejects.toMatchObject({ code: "not-an-image" });
  await expect(pictures.tile(source, { level: 3, column: 0, row: 0 })).rejects.toMatchObject({
    code: "not-an-image",
  });
  expect(await kept()).toEqual([]);
});
