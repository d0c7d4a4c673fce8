import fc from "fast-check";
import { expect, test } from "vitest";
import type { Picture } from "../../imaging/index.ts";
import { levelsOf, pictureOf, runNode } from "../testing.ts";
import { imageBlend } from "./image-blend.ts";
import { imageBlur } from "./image-blur.ts";
import { imageInvert } from "./image-invert.ts";
import { imageSharpen } from "./image-sharpen.ts";

type Mode = "normal" | "multiply" | "screen" | "overlay" | "soft_light" | "difference";
const MODES: readonly Mode[] = ["normal", "multiply", "screen", "overlay", "soft_light", "difference"];

const blend = async (image1: Picture, image2: Picture, blend_mode: Mode, blend_factor = 1) =>
  (await runNode(imageBlend, { image1: [image1], image2: [image2], blend_factor, blend_mode }))[0][0]!;
const blur = async (picture: Picture, blur_radius: number, sigma: number) =>
  (await runNode(imageBlur, { image: [picture], blur_radius, sigma }))[0][0]!;
const sharpen = async (picture: Picture, sharpen_radius: number, sigma: number, alpha: number) =>
  (await runNode(imageSharpen, { image: [picture], sharpen_radius, sigma, alpha }))[0][0]!;
const invert = async (picture: Picture) => (await runNode(imageInvert, { image: [picture] }))[0][0]!;
const at = (levels: ArrayLike<number>, index: number) => levels[index]!;

test("inverting counts from the top, spares alpha, and twice is nothing", async () => {
  const picture = pictureOf(3, 2, (x, y, channel) => 10 * x + y + channel, { channels: 4 });
  const once = await invert(picture);
  expect([...(await levelsOf(once))].slice(0, 8)).toEqual([255, 254, 253, 3, 245, 244, 243, 13]);
  expect(await levelsOf(await invert(once))).toEqual(await levelsOf(picture));
  const deep = pictureOf(1, 1, (_x, _y, channel) => 1000 * channel, { bitDepth: 16 });
  expect([...(await levelsOf(await invert(deep)))]).toEqual([65_535, 64_535, 63_535]);
});

test.each([
  ["normal", 200, 100, 100],
  ["multiply", 200, 100, 78],
  ["screen", 200, 100, 222],
  ["overlay", 100, 200, 157],
  ["overlay", 200, 100, 188],
  ["soft_light", 200, 100, 191],
  ["soft_light", 100, 200, 134],
  ["soft_light", 40, 200, 74],
  ["difference", 200, 60, 140],
  ["difference", 60, 200, 0],
] as const)("%s of %i and %i is %i", async (mode, lower, upper, expected) => {
  const one = pictureOf(2, 2, () => lower);
  const two = pictureOf(2, 2, () => upper);
  expect(new Set(await levelsOf(await blend(one, two, mode)))).toEqual(new Set([expected]));
  expect(new Set(await levelsOf(await blend(one, two, mode, 0)))).toEqual(new Set([lower]));
  const half = Math.max(0, Math.round((lower + (mode === "difference" ? lower - upper : expected)) / 2));
  const [level] = await levelsOf(await blend(one, two, mode, 0.5));
  expect(Math.abs(level! - half)).toBeLessThanOrEqual(1);
});

test("16 bits blend in 16 bits, and an 8-bit upper picture is brought to them", async () => {
  const deep = pictureOf(1, 1, () => 40_001, { bitDepth: 16 });
  const upper = pictureOf(1, 1, () => 255);
  const result = await blend(deep, upper, "multiply");
  expect(result.bitDepth).toBe(16);
  expect([...(await levelsOf(result))]).toEqual([40_001, 40_001, 40_001]);
});

test("blending keeps the lower picture's alpha and size, and scales the upper one", async () => {
  const lower = pictureOf(4, 4, (_x, _y, channel) => (channel === 3 ? 77 : 0), { channels: 4 });
  const upper = pictureOf(9, 2, (_x, _y, channel) => (channel === 3 ? 3 : 90), { channels: 4 });
  const result = await blend(lower, upper, "normal", 1);
  expect(result).toMatchObject({ width: 4, height: 4, channels: 4 });
  expect([...(await levelsOf(result))].slice(0, 4)).toEqual([90, 90, 90, 77]);
});

test("the shorter batch goes on with its last picture", async () => {
  const flat = (level: number) => pictureOf(1, 1, () => level);
  const [images] = await runNode(imageBlend, {
    image1: [flat(1), flat(2)],
    image2: [flat(5)],
    blend_factor: 0,
    blend_mode: "normal",
  });
  expect(await Promise.all(images.map(async (image) => (await levelsOf(image))[0]))).toEqual([1, 2]);
});

test("what networks did in either picture is said of the blend, once", async () => {
  const step = (model: string) => ({
    model,
    modelSha256: "0",
    device: "cpu",
    networkMs: 1,
    parameters: {},
  });
  const one: Picture = { ...pictureOf(1, 1, () => 1), making: [step("a")] };
  const two: Picture = { ...pictureOf(1, 1, () => 1), making: [step("a"), step("b")], lightnessOf: one };
  expect((await blend(one, two, "normal")).making).toEqual([step("a"), step("b")]);
  const result = await blend(
    { ...two, making: [] },
    pictureOf(1, 1, () => 2),
    "normal",
  );
  expect(result).not.toHaveProperty("lightnessOf");
});

// The Gaussian of radius 1 and sigma 1, as ComfyUI has it: e^−½ at one pixel's distance.
const SIDE = Math.exp(-0.5) / (1 + 2 * Math.exp(-0.5));
const MIDDLE = 1 - 2 * SIDE;

test.each([
  [8, 255],
  [16, 65_535],
] as const)("a point of %i bits is blurred by ComfyUI's Gaussian", async (bitDepth, top) => {
  const point = pictureOf(5, 5, (x, y) => (x === 2 && y === 2 ? top : 0), { bitDepth });
  const levels = await levelsOf(await blur(point, 1, 1));
  const level = (x: number, y: number) => at(levels, 3 * (5 * y + x));
  const near = (x: number, y: number, share: number) =>
    expect(Math.abs(level(x, y) - share * top)).toBeLessThanOrEqual(1);
  near(2, 2, MIDDLE * MIDDLE);
  near(1, 2, MIDDLE * SIDE);
  near(2, 3, MIDDLE * SIDE);
  near(1, 1, SIDE * SIDE);
  near(0, 2, 0);
});

test("a blur reaches as far as its radius and no further", async () => {
  const line = pictureOf(31, 1, (x) => (x === 15 ? 255 : 0));
  const levels = await levelsOf(await blur(line, 6, 10));
  const lit = Array.from({ length: 31 }, (_, x) => x).filter((x) => at(levels, 3 * x) > 0);
  expect([lit[0], lit.at(-1)]).toEqual([9, 21]);
});

test("too narrow a Gaussian changes nothing", async () => {
  const picture = pictureOf(4, 4, (x, y) => 40 * x + y);
  expect(await blur(picture, 1, 0.1)).toBe(picture);
  expect(await sharpen(picture, 3, 1, 0)).toBe(picture);
});

test("sharpening adds ten times alpha of what blurring takes away", async () => {
  const edge = pictureOf(6, 1, (x) => (x < 3 ? 100 : 110));
  const reds = [...(await levelsOf(await sharpen(edge, 1, 1, 0.2)))].filter((_, i) => i % 3 === 0);
  const change = 2 * 10 * SIDE;
  expect(reds).toEqual([100, 100, Math.round(100 - change), Math.round(110 + change), 110, 110]);
  const strong = [...(await levelsOf(await sharpen(edge, 1, 1, 5)))].filter((_, i) => i % 3 === 0);
  expect(strong).toEqual([100, 100, 0, Math.round(Math.min(255, 110 + 500 * SIDE)), 110, 110]);
});

test.each([8, 16] as const)("flat pictures of %i bits stay exactly as they are", async (bitDepth) => {
  for (const level of [1, 101, 2 ** bitDepth - 2, 2 ** bitDepth - 1]) {
    const flat = pictureOf(20, 20, () => level, { bitDepth });
    expect(new Set(await levelsOf(await blur(flat, 4, 0.7)))).toEqual(new Set([level]));
    expect(new Set(await levelsOf(await sharpen(flat, 2, 1, 1)))).toEqual(new Set([level]));
  }
});

test("what is known of a picture goes along, but for the picture whose lightness it had", async () => {
  const plain = pictureOf(8, 8, (x) => x);
  const profile = { icc: new Uint8Array(4), colour: "rgb", bitDepth: 8, stage: "source" } as const;
  const picture: Picture = { ...plain, profile, making: [], lightnessOf: plain };
  for (const result of [await blur(picture, 1, 1), await sharpen(picture, 1, 1, 1), await invert(picture)]) {
    expect(result).toMatchObject({ profile, making: [] });
    expect(result).not.toHaveProperty("lightnessOf");
  }
});

test("strips meet without a seam", async () => {
  // 4.2 million samples: more than one strip.
  const tall = pictureOf(1000, 1400, (x, y) => (x * 7 + y * 13) % 256);
  const whole = await levelsOf(await blur(tall, 5, 1));
  // The same rows where no strip ends.
  const part = pictureOf(1000, 200, (x, y) => (x * 7 + (y + 1200) * 13) % 256);
  const rows = await levelsOf(await blur(part, 5, 1));
  expect(rows.subarray(10 * 3000, 190 * 3000)).toEqual(whole.subarray(1210 * 3000, 1390 * 3000));
});

test("filters keep shape and alpha, and neutral stays neutral", async () => {
  const side = fc.integer({ min: 1, max: 24 });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        width: side,
        height: side,
        radius: fc.integer({ min: 1, max: 31 }),
        sigma: fc.double({ min: 0.1, max: 10, noNaN: true }),
        alpha: fc.double({ min: 0, max: 5, noNaN: true }),
        mode: fc.constantFrom(...MODES),
        channels: fc.constantFrom(3 as const, 4 as const),
        bitDepth: fc.constantFrom(8 as const, 16 as const),
        seed: fc.nat(1000),
      }),
      async ({ width, height, radius, sigma, alpha, mode, channels, bitDepth, seed }) => {
        const picture = pictureOf(
          width,
          height,
          (x, y, channel) => ((x + 1) * (y + 3) * (seed + 7) * (channel === 3 ? 5 : 1)) % 2 ** bitDepth,
          { channels, bitDepth },
        );
        const before = await levelsOf(picture);
        const results = [
          await blur(picture, radius, sigma),
          await sharpen(picture, radius, sigma, alpha),
          await invert(picture),
          await blend(picture, await invert(picture), mode, alpha / 5),
        ];
        for (const result of results) {
          expect(result).toMatchObject({ width, height, channels, bitDepth });
          const levels = await levelsOf(result);
          for (let i = 0; i < levels.length; i += channels) {
            expect(levels[i + 1]).toBe(levels[i]);
            expect(levels[i + 2]).toBe(levels[i]);
            if (channels === 4) expect(levels[i + 3]).toBe(before[i + 3]);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
