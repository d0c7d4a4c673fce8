import fc from "fast-check";
import { expect, test } from "vitest";
import type { Mask } from "../../imaging/index.ts";
import { levelsOf, maskOf, pictureOf, runNode } from "../testing.ts";
import { featherMask } from "./feather-mask.ts";
import { growMask } from "./grow-mask.ts";
import { imageToMask } from "./image-to-mask.ts";
import { invertMask } from "./invert-mask.ts";
import { maskComposite } from "./mask-composite.ts";
import { maskToImage } from "./mask-to-image.ts";
import { solidMask } from "./solid-mask.ts";
import { thresholdMask } from "./threshold-mask.ts";

const levels = async (mask: Mask) => [...(await levelsOf(mask))];
const grow = async (mask: Mask, expand: number, tapered_corners: boolean) =>
  (await runNode(growMask, { mask: [mask], expand, tapered_corners }))[0][0]!;

test("solid, inverted and thresholded masks", async () => {
  const [[solid]] = await runNode(solidMask, { value: 0.5, width: 3, height: 2 });
  expect(solid).toMatchObject({ width: 3, height: 2, channels: 1, bitDepth: 8 });
  expect(await levels(solid!)).toEqual([128, 128, 128, 128, 128, 128]);
  const row = maskOf(4, 1, (x) => [0, 127, 128, 255][x]!);
  const [[inverted]] = await runNode(invertMask, { mask: [row] });
  expect(await levels(inverted!)).toEqual([255, 128, 127, 0]);
  const [[threshold]] = await runNode(thresholdMask, { mask: [row], value: 0.5 });
  expect(await levels(threshold!)).toEqual([0, 0, 255, 255]);
  const [[none]] = await runNode(thresholdMask, { mask: [row], value: 1 });
  expect(await levels(none!)).toEqual([0, 0, 0, 0]);
});

test("a feathered mask rises from its edges", async () => {
  const white = maskOf(6, 3, () => 255);
  const inputs = { mask: [white], left: 3, top: 2, right: 0, bottom: 0 };
  const [[mask]] = await runNode(featherMask, inputs);
  const full = [85, 170, 255, 255, 255, 255];
  expect(await levels(mask!)).toEqual([...[43, 85, 128, 128, 128, 128], ...full, ...full]);
  const [[all]] = await runNode(featherMask, { ...inputs, left: 0, top: 0, right: 100, bottom: 1 });
  expect((await levels(all!)).slice(0, 6)).toEqual([255, 213, 170, 128, 85, 43]);
});

test("a mask grows as a diamond or as a square, and shrinks", async () => {
  const point = maskOf(7, 7, (x, y) => (x === 3 && y === 3 ? 200 : 0));
  const diamond = await levels(await grow(point, 2, true));
  const square = await levels(await grow(point, 2, false));
  for (let y = 0; y < 7; y++) {
    for (let x = 0; x < 7; x++) {
      const [dx, dy] = [Math.abs(x - 3), Math.abs(y - 3)];
      expect(diamond[7 * y + x]).toBe(dx + dy <= 2 ? 200 : 0);
      expect(square[7 * y + x]).toBe(Math.max(dx, dy) <= 2 ? 200 : 0);
    }
  }
  expect(await levels(await grow(await grow(point, 2, false), -2, false))).toEqual(await levels(point));
  expect(new Set(await levels(await grow(point, 16_384, true)))).toEqual(new Set([200]));
  expect(await grow(point, 0, true)).toBe(point);
});

/** What ComfyUI does: a step of one pixel at a time. */
function grownByOnes(before: readonly number[], width: number, expand: number, isTapered: boolean): number[] {
  const height = before.length / width;
  let now = [...before];
  for (let step = 0; step < Math.abs(expand); step++) {
    now = now.map((_, place) => {
      const [x, y] = [place % width, Math.floor(place / width)];
      const seen: number[] = [];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if (isTapered && dx !== 0 && dy !== 0) continue;
          if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue;
          seen.push(now[(y + dy) * width + x + dx]!);
        }
      }
      return expand < 0 ? Math.min(...seen) : Math.max(...seen);
    });
  }
  return now;
}

test("any mask grows as by single steps", async () => {
  const side = fc.integer({ min: 1, max: 12 });
  const mask = fc
    .tuple(side, side)
    .chain(([width, height]) =>
      fc.tuple(fc.constant(width), fc.uint8Array({ minLength: width * height, maxLength: width * height })),
    );
  await fc.assert(
    fc.asyncProperty(
      mask,
      fc.integer({ min: -20, max: 20 }),
      fc.boolean(),
      async ([width, values], expand, isTapered) => {
        const before = maskOf(width, values.length / width, (x, y) => values[y * width + x]!);
        const expected = grownByOnes([...values], width, expand, isTapered);
        expect(await levels(await grow(before, expand, isTapered))).toEqual(expected);
      },
    ),
    { numRuns: 150 },
  );
});

test.each([
  ["multiply", [100, 20, 200, 0]],
  ["add", [100, 225, 255, 200]],
  ["subtract", [100, 0, 55, 0]],
  ["and", [100, 0, 255, 0]],
  ["or", [100, 255, 255, 255]],
  ["xor", [100, 255, 0, 255]],
] as const)("%s combines masks where they lie over each other", async (operation, expected) => {
  const destination = maskOf(4, 1, (x) => [100, 25, 255, 0][x]!);
  const source = maskOf(9, 5, () => 200);
  const inputs = { destination: [destination], source: [source], x: 1, y: 0, operation };
  const [[mask]] = await runNode(maskComposite, inputs);
  expect(await levels(mask!)).toEqual([...expected]);
  const [[beside]] = await runNode(maskComposite, { ...inputs, y: 1 });
  expect(await levels(beside!)).toEqual(await levels(destination));
});

test("channels become masks of 8 bits, masks become grey pictures", async () => {
  const picture = pictureOf(2, 1, (x, _y, channel) => [1000, 2000, 30_000, 65_535][channel]! - 257 * x, {
    channels: 4,
    bitDepth: 16,
  });
  const take = async (channel: "red" | "blue" | "alpha", image = picture) =>
    (await runNode(imageToMask, { image: [image], channel }))[0][0]!;
  expect(await levels(await take("red"))).toEqual([4, 3]);
  expect(await levels(await take("blue"))).toEqual([117, 116]);
  expect(await levels(await take("alpha"))).toEqual([255, 254]);
  const opaque = pictureOf(2, 1, () => 9);
  expect(await levels(await take("alpha", opaque))).toEqual([255, 255]);
  const [[image]] = await runNode(maskToImage, { mask: [maskOf(2, 1, (x) => 40 + x)] });
  expect(image).toMatchObject({ width: 2, height: 1, channels: 3, bitDepth: 8 });
  expect([...(await levelsOf(image!))]).toEqual([40, 40, 40, 41, 41, 41]);
});

test("masks larger than a strip are worked on as a whole", async () => {
  const tall = maskOf(1600, 2800, (x, y) => (x === 800 && y === 2490 ? 255 : 0));
  const grown = await levelsOf(await grow(tall, 20, false));
  for (const y of [2469, 2470, 2510, 2511]) {
    const lit = y >= 2470 && y <= 2510;
    expect([...grown.subarray(1600 * y + 779, 1600 * y + 781)]).toEqual(lit ? [0, 255] : [0, 0]);
  }
  expect([...grown].filter((value) => value > 0).length).toBe(41 * 41);
});

test("any mask keeps its shape", async () => {
  const side = fc.integer({ min: 1, max: 20 });
  await fc.assert(
    fc.asyncProperty(side, side, side, side, fc.nat(30), async (width, height, left, top, x) => {
      const mask = [maskOf(width, height, (a, b) => (a * 50 + b) % 256)];
      const results = [
        await runNode(invertMask, { mask }),
        await runNode(thresholdMask, { mask, value: 0.3 }),
        await runNode(featherMask, { mask, left, top, right: top, bottom: left }),
        await runNode(maskComposite, { destination: mask, source: mask, x, y: left, operation: "add" }),
      ];
      for (const [[result]] of results) {
        expect(result).toMatchObject({ width, height, channels: 1, bitDepth: 8 });
        expect((await levelsOf(result!)).length).toBe(width * height);
      }
    }),
    { numRuns: 50 },
  );
});
