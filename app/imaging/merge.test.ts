import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChromaSource, prepareChroma } from "./chroma.ts";
import { readProfile } from "./icc.ts";
import { fromLinear, gamutFactor, labToLinear, labToRgb, lightnessOf, rgbToLab } from "./lab.ts";
import { createMerge, type MergeShape } from "./merge.ts";
import type { Samples } from "./picture.ts";
import { type ColourSpace, DISPLAY_P3, luminanceIn, SRGB } from "./space.ts";
import {
  ADOBE_RGB,
  chromaOf,
  distance,
  greyPlane,
  makeProfile,
  OPTIONS,
  PROPHOTO_RGB,
  pixelsOf,
  randomNumbers,
  shapeOf,
} from "./testing.ts";
import type { Chroma, MergeOptions } from "./types.ts";

function spaceOf(profile: Buffer): ColourSpace {
  const space = readProfile(profile)?.space;
  if (space === undefined) throw new Error("the test's profile has curves and a matrix");
  return space;
}

const SPACES: readonly (readonly [string, ColourSpace])[] = [
  ["sRGB", SRGB],
  ["Display P3", DISPLAY_P3],
  ["Adobe RGB", spaceOf(makeProfile("Adobe", { gamma: 2.19921875 }, ADOBE_RGB))],
  ["ProPhoto RGB", spaceOf(makeProfile("ProPhoto", { gamma: 1.8 }, PROPHOTO_RGB))],
];

function run(
  shape: MergeShape,
  samples: Samples,
  chroma: Chroma,
  options: MergeOptions,
  grey = greyPlane(chroma),
): Samples {
  const result = samples.slice();
  createMerge(shape, prepareChroma(chroma, grey, options), options)(result, 0, shape.height);
  return result;
}

function randomPixels(shape: MergeShape, seed: number, neutral = false): Samples {
  const random = randomNumbers(seed);
  const top = shape.bitDepth === 8 ? 255 : 65535;
  const samples = pixelsOf(
    shape.width,
    shape.height,
    shape.channels,
    shape.bitDepth,
    () => random(top + 1) / top,
  );
  if (neutral) {
    for (let i = 0; i < samples.length; i += shape.channels) samples[i + 1] = samples[i + 2] = samples[i]!;
  }
  return samples;
}

function randomChroma(width: number, height: number, seed: number, reach = 256): Chroma {
  const random = randomNumbers(seed);
  return chromaOf(width, height, () => [random(reach) - reach / 2, random(reach) - reach / 2]);
}

/** L of a stored pixel, by the formulas. */
function lightnessAt(shape: MergeShape, space: ColourSpace, samples: Samples, pixel: number): number {
  const top = shape.bitDepth === 8 ? 255 : 65535;
  const at = pixel * shape.channels;
  return lightnessOf(luminanceIn(space, samples[at]! / top, samples[at + 1]! / top, samples[at + 2]! / top));
}

describe.each([8, 16] as const)("%i bit", (bitDepth) => {
  const top = bitDepth === 8 ? 255 : 65535;

  test.each(SPACES)("%s: lightness stays for any chroma", (_, space) => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 2, noNaN: true }), (seed, colorFactor) => {
        const shape = shapeOf({ width: 37, height: 11, bitDepth, space, resultSpace: space });
        // The photo's own colours within sRGB: beyond it no result can be as light.
        const samples = randomPixels(shape, seed, true);
        const result = run(shape, samples, randomChroma(7, 5, seed), { ...OPTIONS, colorFactor });
        for (let pixel = 0; pixel < shape.width * shape.height; pixel++) {
          const before = lightnessAt(shape, space, samples, pixel);
          const after = lightnessAt(shape, space, result, pixel);
          expect(Math.abs(after - before)).toBeLessThan(bitDepth === 8 ? 0.5 : 0.02);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("lightness of coloured originals stays too", () => {
    const shape = shapeOf({ width: 64, height: 64, bitDepth });
    const samples = randomPixels(shape, 5);
    const result = run(shape, samples, randomChroma(9, 9, 6), OPTIONS);
    for (let pixel = 0; pixel < 64 * 64; pixel++) {
      const change = lightnessAt(shape, SRGB, result, pixel) - lightnessAt(shape, SRGB, samples, pixel);
      expect(Math.abs(change)).toBeLessThan(bitDepth === 8 ? 0.5 : 0.02);
    }
  });

  test("what is computed by tables in single precision is what the formulas give", () => {
    const shape = shapeOf({ width: 61, height: 23, bitDepth });
    const samples = randomPixels(shape, 1);
    const chroma = randomChroma(61, 23, 2, 120); // as large as the photo: nothing is interpolated
    const result = run(shape, samples, chroma, { ...OPTIONS, upsample: "nearest" });
    const size = 61 * 23;
    let compared = 0;
    for (let pixel = 0; pixel < size; pixel++) {
      const [L] = rgbToLab(...rgbAt(samples, pixel, top));
      const a = chroma.data[pixel]!;
      const b = chroma.data[size + pixel]!;
      const factor = gamutFactor(L, a, b);
      const exact = labToRgb(L, a * factor, b * factor);
      for (const channel of [0, 1, 2] as const) {
        const difference = Math.abs(result[pixel * 3 + channel]! - exact[channel] * top);
        // Reduced chroma is found in steps of 1/1024: single precision may stop a step earlier or later.
        expect(difference).toBeLessThan(factor < 1 ? 0.015 * top : bitDepth === 8 ? 1 : 3);
      }
      if (factor === 1) compared++;
    }
    expect(compared).toBeGreaterThan(size / 4);
  });

  test("edge-aware upsampling is what its formula says", () => {
    const shape = shapeOf({ width: 50, height: 40, bitDepth });
    const samples = randomPixels(shape, 3);
    const chroma = randomChroma(8, 6, 4, 40);
    const grey = greyPlane(chroma).map((_, i) => ((i * 7) % 11) / 11);
    const source = prepareChroma(chroma, grey, OPTIONS);
    const result = samples.slice();
    createMerge(shape, source, OPTIONS)(result, 0, shape.height);
    for (let pixel = 0; pixel < 50 * 40; pixel++) {
      const [L] = rgbToLab(...rgbAt(samples, pixel, top));
      const [a, b] = upsampled(source, shape, pixel % 50, Math.floor(pixel / 50), L);
      const linear = labToLinear(L, a, b);
      if (linear.some((light) => light < 0 || light > 1)) continue;
      for (const channel of [0, 1, 2] as const) {
        const difference = Math.abs(result[pixel * 3 + channel]! - fromLinear(linear[channel]) * top);
        expect(difference).toBeLessThan(bitDepth === 8 ? 1 : 4);
      }
    }
  });

  test("strips of any height give the same picture", () => {
    const shape = shapeOf({ width: 45, height: 60, bitDepth, channels: 4 });
    const samples = randomPixels(shape, 7);
    const chroma = randomChroma(9, 12, 8);
    const whole = run(shape, samples, chroma, OPTIONS);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 12 }),
        fc.boolean(),
        (cuts, backwards) => {
          const edges = [...new Set([0, ...cuts, 60])].sort((one, other) => one - other);
          const strips = edges.slice(1).map((end, i) => [edges[i]!, end] as const);
          const result = samples.slice();
          const merge = createMerge(shape, prepareChroma(chroma, greyPlane(chroma), OPTIONS), OPTIONS);
          for (const [from, to] of backwards ? strips.toReversed() : strips) {
            merge(result.subarray(from * 45 * 4, to * 45 * 4), from, to - from);
          }
          expect(result).toEqual(whole);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("alpha is not touched", () => {
    const shape = shapeOf({ width: 33, height: 20, bitDepth, channels: 4 });
    const samples = randomPixels(shape, 9);
    const result = run(shape, samples, randomChroma(5, 5, 10), OPTIONS);
    for (let i = 3; i < samples.length; i += 4) expect(result[i]).toBe(samples[i]);
    expect(result).not.toEqual(samples);
  });

  test.each(SPACES)("%s: neutral chroma leaves every grey as it was", (_, space) => {
    const width = 256;
    const shape = shapeOf({ width, height: bitDepth === 8 ? 1 : 256, bitDepth, space, resultSpace: space });
    const samples = pixelsOf(width, shape.height, 3, bitDepth, (x, y) => (x + y * width) / top);
    const result = run(
      shape,
      samples,
      chromaOf(4, 1, () => [0, 0]),
      OPTIONS,
    );
    expect(distance(result, samples).most).toBeLessThanOrEqual(bitDepth === 8 ? 0 : 1);
  });

  test("a colour factor of 0 takes all colour away", () => {
    const shape = shapeOf({ width: 40, height: 30, bitDepth });
    const result = run(shape, randomPixels(shape, 11), randomChroma(8, 8, 12), {
      ...OPTIONS,
      colorFactor: 0,
    });
    let unequal = 0;
    for (let i = 0; i < result.length; i += 3) {
      const spread = Math.max(...result.subarray(i, i + 3)) - Math.min(...result.subarray(i, i + 3));
      expect(spread).toBeLessThanOrEqual(1); // light between two levels may be rounded to either
      if (spread > 0) unequal++;
    }
    if (bitDepth === 8) expect(unequal).toBeLessThan(3);
  });

  test("the colour factor scales chroma", () => {
    const shape = shapeOf({ width: 8, height: 8, bitDepth });
    const samples = pixelsOf(8, 8, 3, bitDepth, () => 0.5);
    const chroma = chromaOf(4, 4, () => [10, -20]);
    for (const colorFactor of [0.5, 1, 1.5]) {
      const [, a, b] = rgbToLab(...rgbAt(run(shape, samples, chroma, { ...OPTIONS, colorFactor }), 20, top));
      expect(Math.abs(a - 10 * colorFactor)).toBeLessThan(0.6);
      expect(Math.abs(b + 20 * colorFactor)).toBeLessThan(0.6);
    }
  });

  test.each([
    [1, 1],
    [1, 50],
    [50, 1],
    [3, 2],
    [600, 5],
  ])("a photo of %i × %i, smaller than the chroma or not, is coloured", (width, height) => {
    const shape = shapeOf({ width, height, bitDepth });
    const samples = pixelsOf(width, height, 3, bitDepth, () => 0.5);
    const result = run(
      shape,
      samples,
      chromaOf(32, 32, () => [20, 30]),
      OPTIONS,
    );
    for (let pixel = 0; pixel < width * height; pixel++) {
      const [L, a, b] = rgbToLab(...rgbAt(result, pixel, top));
      expect(Math.abs(L - 53.39)).toBeLessThan(0.5);
      expect(Math.hypot(a - 20, b - 30)).toBeLessThan(1);
    }
  });
});

test("colour does not bleed over a contour", () => {
  // Left half dark and blue, right half light and orange; the network's colour is two pixels late at the contour.
  const width = 320;
  const shape = shapeOf({ width, height: 64 });
  const samples = pixelsOf(width, 64, 3, 8, (x) => (x < 160 ? 0.3 : 0.8));
  const chroma = chromaOf(32, 8, (x) => (x < 0.5 ? [5, -40] : [15, 40]));
  const grey = greyPlane(chroma).map((_, i) => (i % 32 < 16 ? 0.3 : 0.8));
  const shifted = chromaOf(32, 8, (x) => (x < 0.5 + 1 / 32 ? [5, -40] : [15, 40]));
  const bleed = (options: MergeOptions) => {
    const result = run(shape, samples, shifted, options, grey);
    let worst = 0;
    // Beyond the pixel of the network that is wrong itself.
    for (let x = 160; x < width; x++) {
      const [, a, b] = rgbToLab(...rgbAt(result, x + 32 * width, 255));
      worst = Math.max(worst, Math.hypot(a - 15, b - 40));
    }
    return worst;
  };
  expect(bleed(OPTIONS)).toBeLessThan(0.6 * bleed({ ...OPTIONS, upsample: "nearest" }));
  // And a network that is right about the contour leaves no seam at all.
  const clean = run(shape, samples, chroma, OPTIONS, grey);
  for (const x of [155, 158, 159, 160, 161, 165]) {
    const [, a, b] = rgbToLab(...rgbAt(clean, x + 32 * width, 255));
    const [wantedA, wantedB] = x < 160 ? [5, -40] : [15, 40];
    expect(Math.hypot(a - wantedA, b - wantedB)).toBeLessThan(8);
  }
});

test("chroma that no network should give is clamped, unless the official pipeline is followed", () => {
  const wild = chromaOf(2, 2, () => [300, -300]);
  const clamped = prepareChroma(wild, greyPlane(wild), OPTIONS);
  expect(clamped.a[0]! * 500).toBeCloseTo(127, 3);
  expect(clamped.b[0]! * 200).toBeCloseTo(-128, 3);
  const official = prepareChroma(wild, greyPlane(wild), { ...OPTIONS, upsample: "nearest", gamut: "clip" });
  expect(official.a[0]! * 500).toBeCloseTo(300, 3);
});

function rgbAt(samples: Samples, pixel: number, top: number): readonly [number, number, number] {
  return [samples[pixel * 3]! / top, samples[pixel * 3 + 1]! / top, samples[pixel * 3 + 2]! / top];
}

/** Joint bilateral upsampling, written plainly: four neighbours, near in place and alike in lightness. */
function upsampled(
  source: ChromaSource,
  shape: MergeShape,
  x: number,
  y: number,
  L: number,
): [number, number] {
  const place = (i: number, from: number, to: number) =>
    Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
  const u = place(x, source.width, shape.width);
  const v = place(y, source.height, shape.height);
  let total = 0;
  let a = 0;
  let b = 0;
  for (const row of [Math.floor(v), Math.min(source.height - 1, Math.floor(v) + 1)].entries()) {
    for (const column of [Math.floor(u), Math.min(source.width - 1, Math.floor(u) + 1)].entries()) {
      const across = column[0] === 0 ? 1 - (u - Math.floor(u)) : u - Math.floor(u);
      const down = row[0] === 0 ? 1 - (v - Math.floor(v)) : v - Math.floor(v);
      const index = row[1] * source.width + column[1];
      const bell = Math.max(0, 1 - ((source.guide[index]! - L) / 14) ** 2) ** 2;
      const weight = across * down * (0.02 + bell);
      total += weight;
      a += weight * source.a[index]! * 500;
      b += weight * source.b[index]! * 200;
    }
  }
  return [a / total, b / total];
}
