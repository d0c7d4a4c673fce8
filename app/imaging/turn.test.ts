import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadPicture } from "./load.ts";
import { type Picture, readPixels, writePixels } from "./picture.ts";
import { withScratch } from "./scratch.ts";
import { LIMITS, pixelsOf, randomNumbers, sharpOf } from "./testing.ts";
import { turnPicture } from "./turn.ts";

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
    await withScratch(
      join(folder, "x"),
      () => undefined,
      async (place) => {
        const writer = await writePixels<Picture>({ width, height, channels, bitDepth }, place);
        await writer.write(0, samples);
        const turned = await turnPicture(await writer.finish(), orientation, place);
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
        const reader = await readPixels(turned);
        expect(await reader.read(0, shownHeight)).toEqual(expected);
        await reader.close();
      },
    );
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
  const picture = await withScratch(
    source,
    () => undefined,
    (place) => loadPicture(source, LIMITS, place),
  );
  expect(picture).toMatchObject({ width: height, height: width });
  if (typeof picture.data !== "string") throw new Error("so large a photo does not stay in memory");
  expect((await readdir(folder)).sort()).toEqual([basename(picture.data), "source.tif"]);
  const reader = await readPixels(picture);
  const level = (row: ArrayLike<number>, x: number) => row[x * 3];
  for (const y of [0, 1, 3000, width - 1]) {
    const row = await reader.read(y, 1);
    for (const x of [0, 1, 2047, height - 1]) {
      expect(level(row, x)).toBe(Math.round(255 * at(y, height - 1 - x)));
    }
  }
  await reader.close();
});
