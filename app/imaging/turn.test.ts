import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openImage, openRaster } from "./open.ts";
import { materialise, type Raster } from "./raster.ts";
import { LIMITS, pixelsOf, shapeOf, sharpOf } from "./testing.ts";
import { turnRaster } from "./turn.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-turn-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe.each([2, 3, 4, 5, 6, 7, 8])("orientation %i", (orientation) => {
  test.each([
    [8, 3],
    [16, 4],
  ] as const)("turned by us as by sharp, %i bit, %i channels", async (bitDepth, channels) => {
    const [width, height] = [53, 37];
    const samples = pixelsOf(
      width,
      height,
      channels,
      bitDepth,
      (x, y, c) => ((x * 7 + y * 13 + c * 29) % 101) / 100,
    );
    const shape = shapeOf({ width, height, channels, bitDepth });
    const stored = await materialise(
      sharpOf(samples, width, height, channels),
      shape,
      join(folder, "stored.v"),
    );
    const turned = await turnRaster(stored, orientation, join(folder, "turned.v"));

    const source = join(folder, "source.tif");
    await sharpOf(samples, width, height, channels)
      .withMetadata({ orientation })
      .tiff({ compression: "lzw" })
      .toFile(source);
    const expected = await openRaster(await openImage(source, LIMITS), join(folder, "expected.v"));
    expect([turned.width, turned.height]).toEqual([expected.width, expected.height]);
    expect(await turned.read(0, turned.height)).toEqual(await expected.read(0, expected.height));
    await turned.dispose();
    expect(await readdir(folder)).toEqual(["source.tif"]);
  });
});

test("a large photo is turned in strips, and nothing of it is left", async () => {
  const [width, height] = [6200, 4100];
  const at = (x: number, y: number) => ((x * 3 + y * 5) % 251) / 255;
  const source = join(folder, "source.tif");
  await sharpOf(pixelsOf(width, height, 3, 8, at), width, height, 3)
    .withMetadata({ orientation: 6 })
    .tiff({ compression: "none" })
    .toFile(source);
  const raster: Raster = await openRaster(await openImage(source, LIMITS), join(folder, "turned.v"));
  expect(raster).toMatchObject({ width: height, height: width, file: join(folder, "turned.v") });
  const level = (row: ArrayLike<number>, x: number) => row[x * 3];
  for (const y of [0, 1, 3000, width - 1]) {
    const row = await raster.read(y, 1);
    for (const x of [0, 1, 2047, height - 1]) {
      expect(level(row, x)).toBe(Math.round(255 * at(y, height - 1 - x)));
    }
  }
  expect((await readdir(folder)).sort()).toEqual(["source.tif", "turned.v"]);
  await raster.dispose();
  expect(await readdir(folder)).toEqual(["source.tif"]);
});
