import fc from "fast-check";
import { expect, test } from "vitest";
import { prepareChroma } from "./chroma.ts";
import { lightnessOf } from "./lab.ts";
import type { LabPlanes } from "./lab-rows.ts";
import { layChroma } from "./lay-chroma.ts";
import type { Mask, Picture, Samples, Workplace } from "./picture.ts";
import { samplesOf } from "./picture.ts";
import { luminanceIn, SRGB } from "./space.ts";
import { chromaOf, greyPlane, OPTIONS, pixelsOf, randomNumbers } from "./testing.ts";
import { maskPlane, NEUTRAL_TUNING, skinAt, type Tuning, tune } from "./tuning.ts";
import type { Chroma, MergeOptions } from "./types.ts";

const place: Workplace = {
  scratch: () => {
    throw new Error("so small a picture stays in memory");
  },
  throwIfStopped: () => undefined,
};

function shared(samples: Samples): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(samples.byteLength);
  samplesOf(memory, samples instanceof Uint8Array ? 8 : 16).set(samples);
  return memory;
}

function pictureOf(seed: number, bitDepth: 8 | 16, isGrey: boolean, channels: 3 | 4 = 3): Picture {
  const [width, height] = [37, 23];
  const top = bitDepth === 8 ? 255 : 65_535;
  const random = randomNumbers(seed);
  const samples = pixelsOf(width, height, channels, bitDepth, () => random(top + 1) / top);
  for (let i = 0; isGrey && i < samples.length; i += channels) samples[i + 1] = samples[i + 2] = samples[i]!;
  return { width, height, channels, bitDepth, data: shared(samples) };
}

function maskOf(width: number, height: number, level: (x: number, y: number) => number): Mask {
  const samples = pixelsOf(width, height, 1, 8, (x, y) => level(x, y) / 255);
  return { width, height, channels: 1, bitDepth: 8, data: shared(samples) };
}

function levels({ data, bitDepth }: Picture): Samples {
  if (typeof data === "string") throw new Error("so small a picture stays in memory");
  return samplesOf(data, bitDepth);
}

function randomChroma(seed: number, reach = 256): Chroma {
  const random = randomNumbers(seed);
  return chromaOf(9, 6, () => [random(reach + 1) - reach / 2, random(reach + 1) - reach / 2]);
}

const lay = async (picture: Picture, chroma: Chroma, options: Partial<MergeOptions>) =>
  levels(await layChroma(picture, chroma, greyPlane(chroma), { ...OPTIONS, ...options }, place));

const share = fc.double({ min: 0, max: 1, noNaN: true });
const both = fc.double({ min: -1, max: 1, noNaN: true });
const factor = fc.double({ min: 0, max: 2, noNaN: true });
const tunings: fc.Arbitrary<Tuning> = fc.record({
  temperature: both,
  tint: both,
  vibrance: both,
  protectSkin: share,
  blend: share,
});
const seeds = fc.nat(1e6);

/** One colour, tuned. */
function tuned(
  colour: readonly [L: number, a: number, b: number],
  tuning: Partial<Tuning>,
  colorFactor = 1,
  mask?: number,
): readonly [a: number, b: number] {
  const [L, a, b] = colour.map((value) => Float32Array.of(value)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const planes: LabPlanes = { width: 1, height: 1, L, a, b };
  const options = { ...OPTIONS, colorFactor, tuning: { ...NEUTRAL_TUNING, ...tuning } };
  tune(planes, options, mask === undefined ? undefined : Float32Array.of(mask));
  return [a[0]!, b[0]!];
}
const chromaOfColour = ([a, b]: readonly [number, number]) => Math.hypot(a, b);
const colours = fc.tuple(
  fc.double({ min: 0, max: 100, noNaN: true }),
  fc.double({ min: -128, max: 128, noNaN: true }),
  fc.double({ min: -128, max: 128, noNaN: true }),
);

test("neutral values change no byte, whatever the colour factor", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, factor, fc.boolean(), async (seed, colorFactor, isGrey) => {
      const picture = pictureOf(seed, 8, isGrey);
      const chroma = randomChroma(seed);
      const plain = await lay(picture, chroma, { colorFactor });
      expect(await lay(picture, chroma, { colorFactor, tuning: NEUTRAL_TUNING })).toEqual(plain);
    }),
    { numRuns: 30 },
  );
});

test("skin protection and a mask alone change no byte: there is nothing to limit", async () => {
  const picture = pictureOf(1, 16, true);
  const mask = maskOf(5, 4, (x) => 50 * x);
  const plain = await lay(picture, randomChroma(2), {});
  const tuning = { ...NEUTRAL_TUNING, protectSkin: 0.8, mask };
  expect(await lay(picture, randomChroma(2), { tuning })).toEqual(plain);
});

test.each([8, 16] as const)("%i bit: no tuning changes lightness or alpha", async (bitDepth) => {
  const top = bitDepth === 8 ? 255 : 65_535;
  await fc.assert(
    fc.asyncProperty(seeds, tunings, factor, fc.boolean(), async (seed, tuning, colorFactor, isGrey) => {
      const picture = pictureOf(seed, bitDepth, isGrey, 4);
      const mask = maskOf(11, 7, (x, y) => (x * 25 + y * 3) % 256);
      const before = levels(picture);
      const after = await lay(picture, randomChroma(seed), { colorFactor, tuning: { ...tuning, mask } });
      const L = (samples: Samples, at: number) =>
        lightnessOf(luminanceIn(SRGB, samples[at]! / top, samples[at + 1]! / top, samples[at + 2]! / top));
      for (let at = 0; at < before.length; at += 4) {
        expect(Math.abs(L(after, at) - L(before, at))).toBeLessThan(bitDepth === 8 ? 0.5 : 0.02);
        expect(after[at + 3]).toBe(before[at + 3]);
      }
    }),
    { numRuns: 25 },
  );
});

test("blend 0 is the original: grey for a grey one, its own colours for a coloured one", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, tunings, fc.boolean(), async (seed, tuning, isGrey) => {
      const picture = pictureOf(seed, 8, isGrey);
      const result = await lay(picture, randomChroma(seed), { tuning: { ...tuning, blend: 0 } });
      expect(result).toEqual(levels(picture));
    }),
    { numRuns: 25 },
  );
});

test("a coloured original is blended in where the mask says, and at its own size", async () => {
  const picture = pictureOf(3, 8, false);
  const chroma = randomChroma(4, 40);
  const mask = maskOf(2, 1, (x) => 255 * x);
  const tuning = { ...NEUTRAL_TUNING, blend: 0, mask };
  const [own, plain, mixed] = [
    levels(picture),
    await lay(picture, chroma, {}),
    await lay(picture, chroma, { tuning }),
  ];
  const isOwn = (x: number) =>
    [0, 1, 2].every((c) => mixed[(5 * 37 + x) * 3 + c] === own[(5 * 37 + x) * 3 + c]);
  expect([30, 33, 36].every(isOwn)).toBe(true);
  expect([0, 1, 5, 9].some(isOwn)).toBe(false);
  // Where nothing is mixed, the levels go to light and back, each to its own or the next.
  for (let at = 5 * 37 * 3; at < (5 * 37 + 10) * 3; at++) {
    expect(Math.abs(mixed[at]! - plain[at]!)).toBeLessThanOrEqual(6);
  }
});

test("half a blend lies between the original's colours and the new ones", async () => {
  const picture = pictureOf(8, 16, false);
  const chroma = randomChroma(9, 60);
  const own = levels(picture);
  const [all, half] = [
    await lay(picture, chroma, {}),
    await lay(picture, chroma, { tuning: { ...NEUTRAL_TUNING, blend: 0.5 } }),
  ];
  for (let at = 0; at < own.length; at++) {
    expect(half[at]).toBeGreaterThanOrEqual(Math.min(own[at]!, all[at]!) - 3);
    expect(half[at]).toBeLessThanOrEqual(Math.max(own[at]!, all[at]!) + 3);
  }
});

test("a black mask leaves the network's colours, a white one tunes as none does", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, tunings, factor, async (seed, tuning, colorFactor) => {
      const picture = pictureOf(seed, 8, true);
      const chroma = randomChroma(seed);
      const [black, white] = [maskOf(13, 5, () => 0), maskOf(4, 31, () => 255)];
      const untuned = await lay(picture, chroma, {});
      expect(await lay(picture, chroma, { colorFactor, tuning: { ...tuning, mask: black } })).toEqual(
        untuned,
      );
      const whole = await lay(picture, chroma, { colorFactor, tuning: { ...tuning, blend: 0.7 } });
      const masked = { ...tuning, blend: 0.7, mask: white };
      expect(await lay(picture, chroma, { colorFactor, tuning: masked })).toEqual(whole);
    }),
    { numRuns: 25 },
  );
});

test("more colour factor and more vibrance never give less colour, and keep the hue", () => {
  fc.assert(
    fc.property(
      colours,
      share,
      share,
      fc.tuple(both, both),
      fc.tuple(factor, factor),
      (colour, blend, mask, vibrances, factors) => {
        const [less, more] = vibrances.toSorted((one, other) => one - other) as [number, number];
        const [lower, higher] = factors.toSorted((one, other) => one - other) as [number, number];
        const limits = { protectSkin: 0.5, blend };
        const at = (vibrance: number, by: number) => tuned(colour, { ...limits, vibrance }, by, mask);
        const slack = 1e-4;
        expect(chromaOfColour(at(more, lower))).toBeGreaterThanOrEqual(
          chromaOfColour(at(less, lower)) - slack,
        );
        expect(chromaOfColour(at(less, higher))).toBeGreaterThanOrEqual(
          chromaOfColour(at(less, lower)) - slack,
        );
        const [a, b] = at(more, higher);
        expect(Math.abs(a * colour[2] - b * colour[1])).toBeLessThan(0.1);
      },
    ),
  );
});

test("the more skin is protected, the closer it stays to the network's colour", () => {
  fc.assert(
    fc.property(colours, both, both, both, factor, fc.tuple(share, share), (colour, t, i, v, by, shares) => {
      const [less, more] = shares.toSorted((one, other) => one - other) as [number, number];
      const moved = (protectSkin: number) => {
        const [a, b] = tuned(colour, { temperature: t, tint: i, vibrance: v, protectSkin }, by);
        return Math.hypot(a - colour[1], b - colour[2]);
      };
      expect(moved(more)).toBeLessThanOrEqual(moved(less) + 1e-4);
    }),
  );
});

test("skin is skin, and sky, foliage, brick red and greys are not", () => {
  // The ColorChecker's patches: dark and light skin, blue sky, foliage, red, yellow, white.
  expect(skinAt(37.99, 13.56, 14.06)).toBeGreaterThan(0.9);
  expect(skinAt(65.71, 18.13, 17.81)).toBeGreaterThan(0.9);
  // A pale face as the embedded network colours it: a border of the region across it would leave it in patches.
  expect(skinAt(85, -0.5, 9)).toBeGreaterThan(0.9);
  expect(skinAt(49.93, -4.88, -21.93)).toBe(0);
  expect(skinAt(43.14, -13.1, 21.91)).toBe(0);
  expect(skinAt(42.1, 53.38, 28.19)).toBe(0);
  expect(skinAt(81.73, 4.04, 79.82)).toBe(0);
  expect(skinAt(50, 0, 0)).toBe(0);
  const [a, b] = tuned([65.71, 18.13, 17.81], { temperature: 0.6, vibrance: 1, protectSkin: 1 }, 2);
  expect(Math.hypot(a - 18.13, b - 17.81)).toBeLessThan(1);
  const sky = tuned([49.93, -4.88, -21.93], { vibrance: 1, protectSkin: 1 });
  expect(chromaOfColour(sky)).toBeGreaterThan(1.3 * Math.hypot(4.88, 21.93));
});

test("warm is more golden, cool bluer; green and pink are opposite; no factor leaves no colour", () => {
  const colour = [60, 5, 5] as const;
  expect(tuned(colour, { temperature: 0.6 })[1]).toBeGreaterThan(15);
  expect(tuned(colour, { temperature: -0.6 })[1]).toBeLessThan(-5);
  expect(tuned(colour, { tint: 0.6 })[0]).toBeGreaterThan(10);
  expect(tuned(colour, { tint: -0.6 })[0]).toBeLessThan(0);
  expect(chromaOfColour(tuned(colour, { temperature: 1, tint: -1 }, 0))).toBe(0);
});

test("whatever the network gives within ±128, the result is finite", () => {
  fc.assert(
    fc.property(seeds, tunings, factor, (seed, tuning, colorFactor) => {
      const chroma = randomChroma(seed);
      const grey = greyPlane(chroma).map((_, i) => (i % 11) / 10);
      const source = prepareChroma(chroma, grey, { ...OPTIONS, colorFactor, tuning });
      expect([...source.a, ...source.b].every(Number.isFinite)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("a mask at another size has the means of the areas", async () => {
  const checks = maskOf(4, 4, (x, y) => ((x + y) % 2 === 0 ? 255 : 0));
  expect([...(await maskPlane(checks, 2, 2))]).toEqual(Array(4).fill(expect.closeTo(0.5, 4)));
  expect([...(await maskPlane(checks, 4, 4))]).toEqual([1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1]);
  const slope = maskOf(3, 1, (x) => [0, 255, 255][x]!);
  const [left, right] = await maskPlane(slope, 2, 1);
  expect(left).toBeCloseTo(1 / 3, 4);
  expect(right).toBe(1);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), async (w, h) => {
      const random = randomNumbers(w * 31 + h);
      const mask = maskOf(7, 9, () => random(256));
      const mean = (values: ArrayLike<number>) =>
        Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
      const own = mean(samplesOf(mask.data as SharedArrayBuffer, 8)) / 255;
      expect(mean(await maskPlane(mask, w, h))).toBeCloseTo(own, 3);
      expect(
        [
          ...(await maskPlane(
            maskOf(7, 9, () => 255),
            w,
            h,
          )),
        ].every((value) => value === 1),
      ).toBe(true);
    }),
  );
});

test("a mask that nobody fitted is a mistake, not ignored", () => {
  const chroma = randomChroma(1);
  const tuning = { ...NEUTRAL_TUNING, mask: maskOf(2, 2, () => 0) };
  expect(() => prepareChroma(chroma, greyPlane(chroma), { ...OPTIONS, tuning })).toThrow("not fitted");
});
