import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type Mask, type Picture, writePixels } from "../../imaging/index.ts";
import { type ScaleMethod, scaled } from "../pixels/scaling.ts";
import { levelsOf, maskOf, pictureOf, pixelContext, runNode } from "../testing.ts";
import { imageScale } from "./image-scale.ts";
import { imageScaleBy } from "./image-scale-by.ts";
import { imageScaleToSideRange } from "./image-scale-to-side-range.ts";
import { imageScaleToTotalPixels } from "./image-scale-to-total-pixels.ts";

const METHODS: readonly ScaleMethod[] = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"];
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A row of grey pixels. */
const rowOf = (levels: readonly number[], bitDepth: 8 | 16 = 8) =>
  pictureOf(levels.length, 1, (x) => levels[x]!, { bitDepth });
const reds = async (picture: Picture) =>
  [...(await levelsOf(picture))].filter((_, at) => at % picture.channels === 0);
const scale = async (
  picture: Picture,
  method: ScaleMethod,
  width: number,
  height: number,
  crop = "disabled",
) =>
  (
    await runNode(imageScale, {
      image: [picture],
      upscale_method: method,
      width,
      height,
      crop: crop as "disabled" | "center",
    })
  )[0][0]!;

test("each method gives the levels that its definition says", async () => {
  const row = rowOf([0, 10, 20, 200, 100, 50]);
  expect(await reds(await scale(row, "nearest-exact", 3, 1))).toEqual([10, 200, 50]);
  expect(await reds(await scale(row, "area", 3, 1))).toEqual([5, 110, 75]);
  expect(await reds(await scale(row, "area", 4, 1))).toEqual([3, 17, 167, 67]);
  // The triangle over six old pixels has weights 1 3 3 1 of 8; at the edges what is beyond does not count.
  expect(await reds(await scale(row, "bilinear", 3, 1))).toEqual([
    Math.round((3 * 0 + 3 * 10 + 20) / 7),
    Math.round((10 + 3 * 20 + 3 * 200 + 100) / 8),
    Math.round((200 + 3 * 100 + 3 * 50) / 7),
  ]);
  const edge = rowOf([0, 0, 100, 100]);
  expect(await reds(await scale(edge, "bilinear", 8, 1))).toEqual([0, 0, 0, 25, 75, 100, 100, 100]);
  expect(await reds(await scale(edge, "nearest-exact", 8, 1))).toEqual([0, 0, 0, 0, 100, 100, 100, 100]);
  expect(await reds(await scale(edge, "area", 8, 1))).toEqual([0, 0, 0, 0, 100, 100, 100, 100]);
  // Keys' kernel at ¼, ¾, 1¼ and 1¾ with a = −0.75: 0.8789, 0.2617, −0.1055, −0.0352.
  expect((await reds(await scale(edge, "bicubic", 8, 1))).slice(3, 5)).toEqual([23, 77]);
  expect(Math.max(...(await reds(await scale(edge, "lanczos", 8, 1))))).toBeGreaterThan(100);
});

test("columns are mixed as rows are", async () => {
  const column = pictureOf(1, 4, (_, y) => [0, 100, 40, 60][y]!);
  expect(await reds(await scale(column, "area", 1, 2))).toEqual([50, 50]);
  expect(await reds(await scale(column, "nearest-exact", 2, 2))).toEqual([100, 100, 60, 60]);
});

test.each(METHODS)("%s keeps 16 bits: a flat picture stays exactly so, white stays white", async (method) => {
  for (const level of [65_535, 26_214, 1]) {
    const flat = pictureOf(37, 23, () => level, { bitDepth: 16, channels: 4 });
    for (const [width, height] of [
      [11, 9],
      [80, 50],
      [3, 90],
    ] as const) {
      const result = await scale(flat, method, width, height);
      expect(result.bitDepth).toBe(16);
      expect(new Set(await reds(result))).toEqual(new Set([level]));
    }
  }
});

test("colours of transparent parts do not show at edges", async () => {
  const edge = pictureOf(
    4,
    1,
    (x, _, channel) => (channel === 3 ? [0, 0, 200, 200][x]! : [255, 255, 40, 40][x]!),
    {
      channels: 4,
    },
  );
  const levels = await levelsOf(await scale(edge, "bilinear", 8, 1));
  for (let x = 0; x < 8; x++) {
    const alpha = levels[4 * x + 3]!;
    expect(levels[4 * x]).toBe(alpha === 0 ? 0 : 40);
  }
  expect([...levels].filter((_, at) => at % 4 === 3)).toEqual([0, 0, 0, 50, 150, 200, 200, 200]);
});

test("0 keeps the shape, 0 × 0 the picture, and its own size gives the very picture", async () => {
  const picture = pictureOf(30, 20, (x) => x);
  expect(await scale(picture, "area", 15, 0)).toMatchObject({ width: 15, height: 10 });
  expect(await scale(picture, "area", 0, 1)).toMatchObject({ width: 2, height: 1 });
  expect(await scale(picture, "area", 0, 0)).toBe(picture);
  expect(await scale(picture, "lanczos", 30, 20)).toBe(picture);
});

test("center cuts to the new shape from both sides alike", async () => {
  const picture = pictureOf(8, 2, (x) => x * 10);
  expect(await reds(await scale(picture, "nearest-exact", 2, 2, "center"))).toEqual([30, 40, 30, 40]);
  expect(await reds(await scale(picture, "nearest-exact", 4, 2, "center"))).toEqual([
    20, 30, 40, 50, 20, 30, 40, 50,
  ]);
  const narrow = pictureOf(2, 1, () => 7);
  expect(await scale(narrow, "area", 1, 500, "center")).toMatchObject({ width: 1, height: 500 });
});

test("profile, origin and making go along, the picture whose lightness it had does not", async () => {
  const plain = pictureOf(8, 8, (x) => x);
  const making = [{ model: "m", modelSha256: "0", device: "cpu", networkMs: 1, parameters: {} }];
  const profile = { icc: new Uint8Array(4), colour: "rgb", bitDepth: 8, stage: "source" } as const;
  const picture: Picture = { ...plain, profile, making, lightnessOf: plain };
  const result = await scale(picture, "area", 4, 4);
  expect(result).toMatchObject({ profile, making });
  expect(result).not.toHaveProperty("lightnessOf");
  expect((await scale(picture, "area", 8, 8)).lightnessOf).toBe(plain);
});

test("sizes are rounded as ComfyUI rounds them", async () => {
  const by = async (width: number, height: number, scale_by: number) => {
    const image = [pictureOf(width, height, () => 0)];
    return (await runNode(imageScaleBy, { image, upscale_method: "area", scale_by }))[0][0]!;
  };
  expect(await by(5, 7, 0.5)).toMatchObject({ width: 2, height: 4 });
  expect(await by(5, 7, 2)).toMatchObject({ width: 10, height: 14 });
  expect(await by(5, 7, 0.01)).toMatchObject({ width: 1, height: 1 });
});

test("a number of pixels is met, in steps where asked", async () => {
  const to = async (megapixels: number, resolution_steps: number) => {
    const image = [pictureOf(300, 200, () => 0)];
    const inputs = { image, upscale_method: "nearest-exact", megapixels, resolution_steps } as const;
    return (await runNode(imageScaleToTotalPixels, inputs))[0][0]!;
  };
  expect(await to(0.25, 1)).toMatchObject({ width: 627, height: 418 });
  expect(await to(0.25, 64)).toMatchObject({ width: 640, height: 448 });
  expect(await to(0.01, 256)).toMatchObject({ width: 256, height: 256 });
});

test("only what is outside the range is scaled", async () => {
  const ranged = async (width: number, height: number, side: "shorter" | "longer") => {
    const image = [pictureOf(width, height, () => 0)];
    const inputs = { image, upscale_method: "area", side, min: 40, max: 60 } as const;
    return (await runNode(imageScaleToSideRange, inputs))[0][0]!;
  };
  expect(await ranged(20, 10, "shorter")).toMatchObject({ width: 80, height: 40 });
  expect(await ranged(20, 10, "longer")).toMatchObject({ width: 40, height: 20 });
  expect(await ranged(120, 90, "shorter")).toMatchObject({ width: 80, height: 60 });
  expect(await ranged(50, 120, "longer")).toMatchObject({ width: 25, height: 60 });
  expect(await ranged(50, 45, "longer")).toMatchObject({ width: 50, height: 45 });
  expect(imageScaleToSideRange.check?.({ min: 5, max: 4 }, undefined as never)).toContain("exchange");
  expect(imageScaleToSideRange.check?.({ min: 4, max: 4 }, undefined as never)).toBeUndefined();
});

test("what would be larger than the limit is refused", async () => {
  const image = [pictureOf(200, 200, () => 0)];
  const context = pixelContext({ limits: { maxMegapixels: 1 } });
  const refused = runNode(imageScaleBy, { image, upscale_method: "area", scale_by: 8 }, context);
  await expect(refused).rejects.toMatchObject({ code: "image-too-large" });
});

test("masks are scaled like pictures", async () => {
  const mask = maskOf(4, 2, (x) => (x < 2 ? 0 : 255));
  const result = await scaled<Mask>(mask, { width: 2, height: 1 }, "area", pixelContext());
  expect([...(await levelsOf(result))]).toEqual([0, 255]);
});

test("any picture gets the promised size, keeps its kind, and neutral stays neutral", async () => {
  const side = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        from: fc.tuple(side, side),
        to: fc.tuple(side, side),
        method: fc.constantFrom(...METHODS),
        crop: fc.constantFrom("disabled", "center"),
        channels: fc.constantFrom(3 as const, 4 as const),
        bitDepth: fc.constantFrom(8 as const, 16 as const),
        seed: fc.nat(1000),
      }),
      async ({ from, to, method, crop, channels, bitDepth, seed }) => {
        const picture = pictureOf(
          ...from,
          (x, y, channel) => ((x + 1) * (y + 3) * (seed + 7) * (channel === 3 ? 5 : 1)) % 2 ** bitDepth,
          { channels, bitDepth },
        );
        const result = await scale(picture, method, ...to, crop);
        expect(result).toMatchObject({ width: to[0], height: to[1], channels, bitDepth });
        const levels = await levelsOf(result);
        expect(levels.length).toBe(to[0] * to[1] * channels);
        for (let at = 0; at < levels.length; at += channels) {
          expect(levels[at + 1]).toBe(levels[at]);
          expect(levels[at + 2]).toBe(levels[at]);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("a picture in a scratch file, larger than a strip, is scaled as one in memory", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-scaling-"));
  folders.push(folder);
  let files = 0;
  const context = pixelContext({ scratch: (extension) => join(folder, `${files++}${extension}`) });
  const [width, height] = [4200, 4100];
  const shape = { width, height, channels: 3, bitDepth: 8 } as const;
  const writer = await writePixels<Picture>(shape, context);
  const row = new Uint8Array(width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) row.fill(Math.floor(x / 100) + Math.floor(y / 100), 3 * x, 3 * x + 3);
    await writer.write(y, row);
  }
  const large = await writer.finish();
  expect(typeof large.data).toBe("string");
  const small = await scaled(large, { width: 42, height: 41 }, "area", context);
  const levels = await reds(small);
  expect(levels).toEqual(Array.from({ length: 42 * 41 }, (_, at) => (at % 42) + Math.floor(at / 42)));
  expect(files).toBe(1);
});
