import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openImage, openRaster } from "./open.ts";
import { materialise, type Raster } from "./raster.ts";
import { LIMITS, pixelsOf, randomNumbers, shapeOf, sharpOf } from "./testing.ts";
import { turnRaster } from "./turn.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-turn-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Where a pixel that is shown at (x, y) is stored, in a picture shown `right` + 1 wide and `bottom` + 1 high. */
const STORED: Record<
  number,
  (x: number, y: number, right: number, bottom: number) => readonly [number, number]
> = {
  2: (x, y, right) => [right - x, y],
  3: (x, y, right, bottom) => [right - x, bottom - y],
  4: (x, y, _, bottom) => [x, bottom - y],
  5: (x, y) => [y, x],
  6: (x, y, right) => [y, right - x],
  7: (x, y, right, bottom) => [bottom - y, right - x],
  8: (x, y, _, bottom) => [bottom - y, x],
};

describe.each(Object.keys(STORED).map(Number))("orientation %i", (orientation) => {
  test.each([
    [8, 3],
    [16, 4],
  ] as const)("%i bit, %i channels: every pixel is where a viewer shows it", async (bitDepth, channels) => {
    const [width, height] = [53, 37];
    const random = randomNumbers(orientation);
    const samples = pixelsOf(width, height, channels, bitDepth, () => random(1000) / 999);
    const shape = shapeOf({ width, height, channels, bitDepth });
    const stored = await materialise(
      sharpOf(samples, width, height, channels),
      shape,
      join(folder, "stored.v"),
    );
    const turned = await turnRaster(stored, orientation, join(folder, "turned.v"));
    const [shownWidth, shownHeight] = orientation >= 5 ? [height, width] : [width, height];
    expect([turned.width, turned.height]).toEqual([shownWidth, shownHeight]);
    const expected = samples.slice();
    for (let y = 0; y < shownHeight; y++) {
      for (let x = 0; x < shownWidth; x++) {
        const [u, v] = STORED[orientation]!(x, y, shownWidth - 1, shownHeight - 1);
        const from = (v * width + u) * channels;
        expected.set(samples.subarray(from, from + channels), (y * shownWidth + x) * channels);
      }
    }
    expect(await turned.read(0, shownHeight)).toEqual(expected);
    await turned.dispose();
    expect(await readdir(folder)).toEqual([]);
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
