// The official pipeline (DDColor's ddcolor/pipeline.py with OpenCV's formulas), written here once more, plainly and
// independently, against parity mode from file to file. Against OpenCV itself: e2e/parity.test.ts.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { layChroma } from "./lay-chroma.ts";
import { loadPicture } from "./load.ts";
import { parityInput } from "./network-input.ts";
import { opencvLightness } from "./opencv-lab.ts";
import { savePicture } from "./save.ts";
import { withScratch } from "./scratch.ts";
import { chromaOf, LIMITS, OPTIONS, pixelsOf, randomNumbers, sharpOf, storedPixels } from "./testing.ts";
import type { Chroma } from "./types.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-parity-"));
});
afterEach(() => rm(folder, { recursive: true }));

const encode = (l: number) => (l <= 0.0031308 ? l * 12.92 : 1.055 * l ** (1 / 2.4) - 0.055);
const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
const inverseF = (v: number) => (v > 0.206893 ? v ** 3 : (v - 16 / 116) / 7.787);

function toRgb(L: number, a: number, b: number): number[] {
  const y = L > 903.3 * 0.008856 ? ((L + 16) / 116) ** 3 : L / 903.3;
  const x = 0.950456 * inverseF(f(y) + a / 500);
  const z = 1.088754 * inverseF(f(y) - b / 200);
  // The published inverse of the matrix.
  const linear = [
    3.240479 * x - 1.53715 * y - 0.498535 * z,
    -0.969256 * x + 1.875991 * y + 0.041556 * z,
    0.055648 * x - 0.204043 * y + 1.057311 * z,
  ];
  return linear.map((light) => encode(Math.min(1, Math.max(0, light))));
}

interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGB 0–1. */
  at(x: number, y: number): number[];
}

/** cv2.resize with its default: bilinear, half-pixel centres, no antialiasing. */
function resized(picture: Picture, width: number, height: number, x: number, y: number): number[] {
  const u = Math.min(picture.width - 1, Math.max(0, ((x + 0.5) * picture.width) / width - 0.5));
  const v = Math.min(picture.height - 1, Math.max(0, ((y + 0.5) * picture.height) / height - 0.5));
  const [x0, y0] = [Math.floor(u), Math.floor(v)];
  const [x1, y1] = [Math.min(picture.width - 1, x0 + 1), Math.min(picture.height - 1, y0 + 1)];
  return [0, 1, 2].map(
    (c) =>
      (picture.at(x0, y0)[c]! * (1 - (u - x0)) + picture.at(x1, y0)[c]! * (u - x0)) * (1 - (v - y0)) +
      (picture.at(x0, y1)[c]! * (1 - (u - x0)) + picture.at(x1, y1)[c]! * (u - x0)) * (v - y0),
  );
}

/** torch's interpolate, as it is when nothing is said: its scale and its places are single-precision numbers. */
function nearest(i: number, from: number, to: number): number {
  return Math.min(from - 1, Math.floor(Math.fround(i * Math.fround(from / to))));
}

/** What the official pipeline gives for this chroma, as levels of 255. */
function official(picture: Picture, chroma: Chroma): number[] {
  const result: number[] = [];
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) {
      const u = nearest(x, chroma.width, picture.width);
      const v = nearest(y, chroma.height, picture.height);
      const at = v * chroma.width + u;
      const a = chroma.data[at]!;
      const b = chroma.data[chroma.width * chroma.height + at]!;
      const [red = 0, green = 0, blue = 0] = picture.at(x, y);
      result.push(...toRgb(opencvLightness(red, green, blue), a, b).map((value) => Math.round(value * 255)));
    }
  }
  return result;
}

test.each([
  ["larger than the chroma", 97, 61, 32, 32, 60],
  ["as large", 32, 32, 32, 32, 60],
  ["smaller", 20, 13, 32, 64, 60],
  ["chroma far outside of any gamut", 64, 48, 32, 32, 360],
  ["where single precision decides", 220, 55, 64, 64, 60],
] as const)(
  "a colour picture %s is coloured as the official pipeline does it, ±1",
  async (_, width, height, chromaWidth, chromaHeight, reach) => {
    const random = randomNumbers(width);
    const samples = pixelsOf(width, height, 3, 8, (x, y, c) =>
      Math.min(1, Math.max(0, (x / width + y / height) / 2 + (c - 1) * 0.1 + random(100) / 500)),
    );
    const file = join(folder, "in.png");
    await sharpOf(samples, width, height, 3).png().toFile(file);
    const picture: Picture = {
      width,
      height,
      at: (x, y) => [0, 1, 2].map((c) => samples[(y * width + x) * 3 + c]! / 255),
    };
    const chroma = chromaOf(chromaWidth, chromaHeight, () => [
      random(reach) - reach / 2,
      random(reach) - reach / 2,
    ]);

    const target = join(folder, "out.png");
    const options = { ...OPTIONS, upsample: "nearest", gamut: "clip" } as const;
    const grey = await withScratch(
      target,
      () => undefined,
      async (place) => {
        const opened = await loadPicture(file, LIMITS, place);
        const seen = await parityInput(opened, chromaWidth, chromaHeight);
        await savePicture(
          await layChroma(opened, chroma, seen, options, place),
          target,
          options,
          undefined,
          place,
        );
        return seen;
      },
    );
    let worstInput = 0;
    for (let y = 0; y < chromaHeight; y++) {
      for (let x = 0; x < chromaWidth; x++) {
        const [r = 0, g = 0, b = 0] = resized(picture, chromaWidth, chromaHeight, x, y);
        const seen = toRgb(opencvLightness(r, g, b), 0, 0);
        for (const c of [0, 1, 2]) {
          const got = grey[y * chromaWidth + x]!;
          worstInput = Math.max(worstInput, Math.abs(got - seen[c]!));
        }
      }
    }
    expect(worstInput).toBeLessThan(1 / 2550);

    const { samples: got } = await storedPixels(target);
    const wanted = official(picture, chroma);
    expect(got.length).toBe(wanted.length);
    const differences = wanted.map((level, i) => Math.abs(level - got[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
    // Rounding at the edge of two levels, no more.
    expect(differences.filter((difference) => difference > 0).length).toBeLessThan(0.02 * differences.length);
  },
);
