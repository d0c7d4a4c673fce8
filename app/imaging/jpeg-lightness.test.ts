// Generated pictures and old photographs through real JPEG files: the result's lightness is the original's.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { settings } from "./encode.ts";
import { createBench } from "./jpeg-block.ts";
import { settleForJpeg } from "./jpeg-lightness.ts";
import { fromLinear, gamutFactor, labToRgb, lightnessOf, rgbToLab, toLinear } from "./lab.ts";
import { DISPLAY_P3, levelTablesFor, luminanceIn } from "./space.ts";

const PHOTOS = join(import.meta.dirname, "../../../shared/photos/old");

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly original: Uint8Array;
  readonly coloured: Uint8Array;
}

type Field = (x: number, y: number) => readonly [number, number];

/** Lays chroma under a grey picture as the merge does: colours that do not exist lose chroma, not lightness. */
function colour(width: number, height: number, grey: (x: number, y: number) => number, ab: Field): Picture {
  const original = new Uint8Array(width * height * 3);
  const coloured = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const level = Math.round(Math.min(255, Math.max(0, grey(x, y))));
    original.fill(level, 3 * i, 3 * i + 3);
    const [lightness] = rgbToLab(level / 255, level / 255, level / 255);
    const [a, b] = ab(x, y);
    const factor = gamutFactor(lightness, a, b);
    coloured.set(
      labToRgb(lightness, a * factor, b * factor).map((value) => Math.round(255 * value)),
      3 * i,
    );
  }
  return { width, height, original, coloured };
}

/** Repeatable noise within ±1. */
function noise(x: number, y: number): number {
  let state = Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  state = Math.imul(state ^ (state >>> 12), 0x297a2d39);
  return ((state ^ (state >>> 15)) >>> 0) / 2 ** 31 - 1;
}

const swirl =
  (strength: number): Field =>
  (x, y) => [strength * Math.sin(x / 37 + y / 90), strength * Math.cos(x / 53 - y / 41)];
const photoLike = (middle: number, contrast: number) => (x: number, y: number) =>
  middle +
  contrast * Math.sin(x / 23) * Math.cos(y / 31) +
  (Math.floor(x / 40) % 2) * contrast * 0.5 +
  3 * noise(x, y);

async function throughJpeg({ width, height }: Picture, samples: Uint8Array) {
  const image = sharp(samples, { raw: { width, height, channels: 3 } });
  const file = await settings(image, "jpeg", 100, samples.length).toBuffer();
  return { bytes: file.length, samples: new Uint8Array(await sharp(file).raw().toBuffer()) };
}

function errors(original: Uint8Array, result: Uint8Array): Float64Array {
  const lightness = (samples: Uint8Array, i: number) =>
    rgbToLab(samples[3 * i]! / 255, samples[3 * i + 1]! / 255, samples[3 * i + 2]! / 255)[0];
  return Float64Array.from({ length: original.length / 3 }, (_, i) =>
    Math.abs(lightness(result, i) - lightness(original, i)),
  ).sort();
}

function worstThousandth(original: Uint8Array, result: Uint8Array): number {
  const sorted = errors(original, result);
  return sorted[Math.floor(sorted.length * 0.999)]!;
}

/** Mean and greatest difference of Cb and Cr. */
function chromaChange(before: Uint8Array, after: Uint8Array) {
  const sums = [0, 0];
  let most = 0;
  const pixels = before.length / 3;
  for (let i = 0; i < before.length; i += 3) {
    const [red, green, blue] = [0, 1, 2].map((channel) => after[i + channel]! - before[i + channel]!);
    const cb = -0.168736 * red! - 0.331264 * green! + 0.5 * blue!;
    const cr = 0.5 * red! - 0.418688 * green! - 0.081312 * blue!;
    sums[0]! += cb / pixels;
    sums[1]! += cr / pixels;
    most = Math.max(most, Math.abs(cb), Math.abs(cr));
  }
  return { mean: Math.max(...sums.map(Math.abs)), most };
}

function settled(picture: Picture, stripRows = picture.height): { samples: Uint8Array; unsettled: number } {
  const { width, height, original } = picture;
  const samples = picture.coloured.slice();
  let unsettled = 0;
  for (let y = 0; y < height; y += stripRows) {
    const rows = Math.min(stripRows, height - y);
    const strip = (of: Uint8Array) => of.subarray(y * width * 3, (y + rows) * width * 3);
    unsettled += settleForJpeg(strip(original), strip(samples), width, rows);
  }
  return { samples, unsettled };
}

describe("the reckoning of a block", () => {
  it("is the encoder's and the decoder's, to the last bit", async () => {
    const bench = createBench(8);
    const width = 256;
    for (const level of [
      (x: number, y: number) => 128 + 127 * noise(x, y),
      (x: number, y: number) => Math.min(255, Math.max(0, 128 + 140 * Math.sin(x / 9) + 4 * noise(x, y))),
      (x: number) => x,
    ]) {
      const grey = Uint8Array.from({ length: width * width }, (_, i) =>
        level(i % width, Math.floor(i / width)),
      );
      const rgb = Uint8Array.from({ length: grey.length * 3 }, (_, i) => grey[Math.floor(i / 3)]!);
      const decoded = await throughJpeg({ width, height: width, original: rgb, coloured: rgb }, rgb);
      const reckoned = new Uint8Array(grey.length);
      for (let y = 0; y < width; y += 8) {
        for (let x = 0; x < width; x += 8) {
          const place = (i: number) => (y + (i & 7)) * width + x + (i >> 3);
          for (let i = 0; i < 64; i++) bench.ycc[0][i] = grey[place(i)]!;
          bench.round(0);
          for (let i = 0; i < 64; i++) reckoned[place(i)] = bench.got[0][i]!;
        }
      }
      expect(reckoned).toEqual(decoded.samples.filter((_, i) => i % 3 === 0));
    }
  });
});

describe("settleForJpeg", () => {
  const cases: readonly (readonly [string, (x: number, y: number) => number, Field])[] = [
    ["dark", photoLike(32, 18), swirl(12)],
    ["dark, strong colour", photoLike(40, 25), swirl(40)],
    ["middle", photoLike(120, 70), swirl(25)],
    ["middle, strong colour", photoLike(130, 60), swirl(40)],
    ["light", photoLike(215, 25), swirl(20)],
    ["light, strong colour", photoLike(225, 30), swirl(40)],
    ["all levels, smooth", (x) => x, swirl(18)],
    ["noise", (x, y) => 128 + 127 * noise(x, y), swirl(30)],
    ["dark noise", (x, y) => 30 + 25 * noise(x, y), swirl(20)],
    [
      "chroma with edges",
      photoLike(110, 50),
      (x, y) => (((x >> 5) + (y >> 4)) % 2 === 0 ? [30, 30] : [-20, -35]),
    ],
  ];
  it.each(cases)("keeps lightness within 0.5: %s", async (_, grey, field) => {
    const picture = colour(256, 160, grey, field);
    const { samples, unsettled } = settled(picture);
    const result = await throughJpeg(picture, samples);
    expect(worstThousandth(picture.original, result.samples)).toBeLessThanOrEqual(0.5);
    // What it says of itself is what comes about: no more pixels are off, but for a first-order reckoning.
    const off = errors(picture.original, result.samples).filter((error) => error > 0.48).length;
    expect(off).toBeLessThanOrEqual(unsettled);
    const change = chromaChange(picture.coloured, result.samples);
    expect(change.mean).toBeLessThan(1);
    expect(change.most).toBeLessThan(10);
  });

  it("is needed: without it lightness is off", async () => {
    const picture = colour(256, 160, photoLike(60, 40), swirl(25));
    const plain = await throughJpeg(picture, picture.coloured);
    expect(worstThousandth(picture.original, plain.samples)).toBeGreaterThan(0.6);
  });

  it("gives the same however a photo is cut into strips, at any size, every time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 20, max: 235 }),
        async (width, height, blocks, middle) => {
          const picture = colour(width, height, photoLike(middle, 20), swirl(20));
          const whole = settled(picture);
          expect(settled(picture, 8 * blocks)).toEqual(whole);
          const result = await throughJpeg(picture, whole.samples);
          const off = errors(picture.original, result.samples).filter((error) => error > 0.48).length;
          expect(off).toBeLessThanOrEqual(whole.unsettled);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("works in the photo's own colour space", async () => {
    const [width, height] = [256, 160];
    const inSrgb = colour(width, height, photoLike(110, 70), swirl(25));
    const coloured = new Uint8Array(inSrgb.coloured.length);
    for (let i = 0; i < coloured.length; i += 3) {
      const linear = [0, 1, 2].map((channel) => toLinear(inSrgb.coloured[i + channel]! / 255));
      for (let channel = 0; channel < 3; channel++) {
        const row = DISPLAY_P3.fromSrgb!.slice(3 * channel);
        const light = row[0]! * linear[0]! + row[1]! * linear[1]! + row[2]! * linear[2]!;
        coloured[i + channel] = Math.round(255 * fromLinear(light));
      }
    }
    const lights = levelTablesFor(DISPLAY_P3, 8);
    settleForJpeg(inSrgb.original, coloured, width, height, lights, lights);
    const result = await throughJpeg(inSrgb, coloured);
    const lightness = (samples: Uint8Array, i: number) =>
      lightnessOf(luminanceIn(DISPLAY_P3, samples[i]! / 255, samples[i + 1]! / 255, samples[i + 2]! / 255));
    const sorted = Float64Array.from({ length: width * height }, (_, i) =>
      Math.abs(lightness(result.samples, 3 * i) - lightness(inSrgb.original, 3 * i)),
    ).sort();
    expect(sorted[Math.floor(sorted.length * 0.999)]).toBeLessThanOrEqual(0.5);
  });

  it("leaves neutral pictures neutral", async () => {
    for (const grey of [photoLike(30, 25), photoLike(120, 90), (x: number) => x]) {
      const picture = colour(256, 96, grey, () => [0, 0]);
      const { samples } = settled(picture);
      const change = chromaChange(picture.coloured, samples);
      expect(change.mean).toBeLessThan(0.05);
      const result = await throughJpeg(picture, samples);
      expect(worstThousandth(picture.original, result.samples)).toBeLessThanOrEqual(0.5);
    }
  });

  it.skipIf(!existsSync(PHOTOS))("keeps old photographs' lightness within 0.5", async () => {
    for (const name of readdirSync(PHOTOS)) {
      const { data, info } = await sharp(join(PHOTOS, name))
        .toColourspace("srgb")
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      const level = (x: number, y: number) => data[3 * (y * info.width + x)]!;
      const picture = colour(info.width, info.height, level, swirl(22));
      const { samples } = settled(picture, 64);
      const result = await throughJpeg(picture, samples);
      expect(worstThousandth(picture.original, result.samples), name).toBeLessThanOrEqual(0.5);
      const plain = await throughJpeg(picture, picture.coloured);
      expect(result.bytes / plain.bytes, name).toBeLessThan(1.25);
    }
  });
});
