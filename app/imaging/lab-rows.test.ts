import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rgbToLab } from "./lab.ts";
import { changeWhite, greyWorld, type LabPlanes, labConverter, mapLab, smallLab } from "./lab-rows.ts";
import { type Picture, type PictureProfile, type Samples, spacesOf } from "./picture.ts";
import { ADOBE_RGB, distance, makeProfile, PROPHOTO_RGB, pixelsOf, randomNumbers } from "./testing.ts";

const profileOf = (icc: Buffer, bitDepth: 8 | 16): PictureProfile => ({
  icc,
  colour: "rgb",
  bitDepth,
  stage: "source",
});
const PROFILES: readonly (readonly [string, Buffer | undefined])[] = [
  ["sRGB", undefined],
  ["Adobe RGB", makeProfile("Adobe", { gamma: 2.19921875 }, ADOBE_RGB)],
  ["ProPhoto RGB", makeProfile("ProPhoto", { gamma: 1.8 }, PROPHOTO_RGB)],
];
const described = (icc: Buffer | undefined, bitDepth: 8 | 16, channels: 3 | 4 = 3) => ({
  channels,
  bitDepth,
  ...(icc === undefined ? {} : { profile: profileOf(icc, bitDepth) }),
});

function randomRows(size: number, channels: 3 | 4, bitDepth: 8 | 16, seed: number): Samples {
  const random = randomNumbers(seed);
  const top = bitDepth === 8 ? 255 : 65535;
  return pixelsOf(size, 1, channels, bitDepth, () => random(top + 1) / top);
}

function pictureFrom(rows: Samples, width: number, channels: 3 | 4): Picture {
  const data = new SharedArrayBuffer(rows.byteLength);
  const bitDepth = rows instanceof Uint16Array ? 16 : 8;
  (bitDepth === 16 ? new Uint16Array(data) : new Uint8Array(data)).set(rows);
  return { width, height: rows.length / channels / width, channels, bitDepth, data };
}

const planesOf = (L: number[], a: number[], b: number[]): LabPlanes => ({
  width: L.length,
  height: 1,
  L: Float32Array.from(L),
  a: Float32Array.from(a),
  b: Float32Array.from(b),
});

describe.each([8, 16] as const)("%i bit", (bitDepth) => {
  const top = bitDepth === 8 ? 255 : 65535;

  test.each(PROFILES)("%s: there and back is where it was, alpha with it", (_, icc) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(3 as const, 4 as const), (seed, channels) => {
        const description = described(icc, bitDepth, channels);
        const converter = labConverter(description);
        const curve = spacesOf(description).space.curves[0];
        const rows = randomRows(5000, channels, bitDepth, seed);
        const back = rows.slice();
        converter.fromLab(converter.toLab(rows, 100), 0, back);
        if (bitDepth === 8) expect(back).toEqual(rows);
        const far = back.findIndex((level, i) => {
          // Gamma curves are so steep near black that levels stand for less light than single precision tells apart.
          const light = curve(level / top) - curve(rows[i]! / top);
          return Math.abs(level - rows[i]!) > 1 && Math.abs(light) > 1e-6;
        });
        expect(far).toBe(-1);
        if (channels === 4) {
          expect(back.filter((_, i) => i % 4 === 3)).toEqual(rows.filter((_, i) => i % 4 === 3));
        }
      }),
      { numRuns: 5 },
    );
  });

  test.each(PROFILES)("%s: every neutral level is exactly neutral, and stays", (_, icc) => {
    const converter = labConverter(described(icc, bitDepth));
    const rows = pixelsOf(top + 1, 1, 3, bitDepth, (x) => x / top);
    const planes = converter.toLab(rows, top + 1);
    expect(planes.a.every((value) => value === 0) && planes.b.every((value) => value === 0)).toBe(true);
    const back = rows.slice().fill(0);
    converter.fromLab(planes, 0, back);
    expect(distance(rows, back).most).toBe(0);
    // Between two levels, too, the three channels are rounded alike.
    converter.fromLab({ ...planes, L: planes.L.map((value) => value * 0.987) }, 0, back);
    for (let at = 0; at < back.length; at += 3) {
      if (back[at] !== back[at + 1] || back[at] !== back[at + 2]) throw new Error(`coloured at ${at}`);
    }
  });

  test.each(PROFILES)("%s: any chroma at all leaves the lightness", (_, icc) => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: -300, max: 300, noNaN: true }),
        fc.double({ min: -300, max: 300, noNaN: true }),
        (L, a, b) => {
          const converter = labConverter(described(icc, bitDepth));
          const rows = randomRows(1, 3, bitDepth, 1);
          converter.fromLab(planesOf([L], [a], [b]), 0, rows);
          expect(Math.abs(converter.toLab(rows, 1).L[0]! - L)).toBeLessThan(bitDepth === 8 ? 0.5 : 0.02);
        },
      ),
      { numRuns: bitDepth === 8 ? 300 : 30 },
    );
  });

  test("sRGB is what the formulas say", () => {
    const rows = randomRows(500, 3, bitDepth, 3);
    const { L, a, b } = labConverter(described(undefined, bitDepth)).toLab(rows, 500);
    for (let i = 0; i < 500; i++) {
      const exact = rgbToLab(rows[i * 3]! / top, rows[i * 3 + 1]! / top, rows[i * 3 + 2]! / top);
      expect(distance(exact, [L[i]!, a[i]!, b[i]!]).most).toBeLessThan(1e-4);
    }
  });
});

const place = {
  scratch: () => {
    throw new Error("small pictures need no scratch files");
  },
  throwIfStopped: () => undefined,
};

test("a change sees its margins wherever strips are cut, and what was known of the picture stays", async () => {
  // So wide that a strip has 8 rows.
  const [width, height] = [150_000, 20];
  const plain = pictureFrom(
    pixelsOf(width, height, 3, 8, (_x, y) => y / 40),
    width,
    3,
  );
  const seen: (readonly [number, number])[] = [];
  let done = 0;
  const edited = await mapLab({ ...plain, making: [], lightnessOf: plain }, place, {
    margin: 1,
    changes: "all",
    edit({ L, height: rows, y }) {
      seen.push([y, rows]);
      // Every row becomes the one below it; the last one stays.
      L.copyWithin(0, width);
    },
    onRows: (count) => {
      done += count;
    },
  });
  expect(seen).toEqual([
    [0, 9],
    [7, 10],
    [15, 5],
  ]);
  expect(done).toBe(height);
  const rows = new Uint8Array(edited.data as SharedArrayBuffer);
  const expected = Array.from({ length: height }, (_, y) => Math.round((255 * Math.min(19, y + 1)) / 40));
  expect(expected.map((_, y) => rows[y * width * 3])).toEqual(expected);
  expect(edited.lightnessOf).toBeUndefined();
  expect(edited.making).toEqual([]);
});

test("a change of chroma keeps the picture whose lightness it is", async () => {
  const plain = pictureFrom(randomRows(64, 3, 8, 2), 8, 3);
  const change = { margin: 0, edit: () => undefined };
  const kept = await mapLab({ ...plain, lightnessOf: plain }, place, { ...change, changes: "chroma" });
  expect(kept.lightnessOf).toBe(plain);
  const none = await mapLab(plain, place, { ...change, changes: "chroma" });
  expect("lightnessOf" in none).toBe(false);
});

test("a small copy has the picture's colours", async () => {
  const picture = pictureFrom(
    pixelsOf(300, 200, 4, 16, (_x, _y, channel) => [0.8, 0.4, 0.2, 0.5][channel]!),
    300,
    4,
  );
  const small = await smallLab(picture, 30);
  expect([small.width, small.height]).toEqual([30, 20]);
  const [L, a, b] = rgbToLab(0.8, 0.4, 0.2);
  expect(distance([small.L[300]!, small.a[300]!, small.b[300]!], [L, a, b]).most).toBeLessThan(0.01);
});

test("another white: lightness stays, and the mean of a cast becomes neutral", () => {
  const random = randomNumbers(9);
  const values = (spread: number, middle: number) =>
    Array.from({ length: 500 }, () => middle + random(1000) * 0.001 * spread);
  const planes = planesOf(values(60, 20), values(8, 6), values(8, 14));
  const before = planes.L.slice();
  const { xFactor, zFactor } = greyWorld(planes);
  changeWhite(planes, xFactor, zFactor);
  expect(planes.L).toEqual(before);
  const after = greyWorld(planes);
  expect(after.xFactor).toBeCloseTo(1, 4);
  expect(after.zFactor).toBeCloseTo(1, 4);
});
