import { existsSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { type Picture, readLab } from "../../imaging/index.ts";
import { screenPitch } from "../pixels/screen.ts";
import { levelsOf, pictureOf, runNode } from "../testing.ts";
import { descreen } from "./descreen.ts";

const [width, height] = [300, 280];
/** What was printed: a slope with an edge. */
const tone = (x: number, y: number) => (x < 150 ? 0.25 : 0.6) + 0.15 * (y / height);

/** Printed with round dots so far apart, on a screen turned by so many degrees. */
function printed(
  pitch: number,
  degrees: number,
  at = tone,
  size: readonly [number, number] = [width, height],
): Picture {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return pictureOf(size[0], size[1], (x, y) => {
    let ink = 0;
    for (let part = 0; part < 9; part++) {
      const [px, py] = [x + ((part % 3) + 0.5) / 3, y + (Math.floor(part / 3) + 0.5) / 3];
      const [u, v] = [(cos * px + sin * py) / pitch, (cos * py - sin * px) / pitch];
      const threshold = 0.5 + 0.25 * (Math.cos(2 * Math.PI * u) + Math.cos(2 * Math.PI * v));
      if (at(x, y) <= threshold) ink++;
    }
    return 235 - Math.round((ink * 195) / 9);
  });
}

/** Amplitude (L units) of the screen's ground frequency left of the edge. */
async function dots(picture: Picture, pitch: number, degrees: number): Promise<number> {
  const { L } = await readLab(picture, 0, picture.height);
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  let [re, im, count] = [0, 0, 0];
  for (let y = 20; y < height - 20; y++) {
    for (let x = 20; x < 130; x++) {
      const window =
        Math.sin((Math.PI * (x - 20)) / 110) ** 2 * Math.sin((Math.PI * (y - 20)) / (height - 40)) ** 2;
      const phase = (2 * Math.PI * (cos * x + sin * y)) / pitch;
      re += window * L[y * width + x]! * Math.cos(phase);
      im += window * L[y * width + x]! * Math.sin(phase);
      count += window;
    }
  }
  return (2 * Math.hypot(re, im)) / count;
}

const SCREENS = [
  [3, 45],
  [4.6, 45],
  [6, 15],
  [7, 0],
  [10, 30],
] as const;

test.each(SCREENS)("dots %d pixels apart at %i° are found and gone", async (pitch, degrees) => {
  const picture = printed(pitch, degrees);
  const found = await screenPitch(picture);
  expect(found! / pitch).toBeGreaterThan(0.96);
  expect(found! / pitch).toBeLessThan(1.04);
  const [[result]] = await runNode(descreen, { image: [picture], strength: 1, dot_size: 0 });
  const [before, after] = [await dots(picture, pitch, degrees), await dots(result!, pitch, degrees)];
  expect(before).toBeGreaterThan(8);
  expect(after).toBeLessThan(0.03 * before);
});

test("the edge between two tones stays as sharp as the dots allow", async () => {
  const [[result]] = await runNode(descreen, { image: [printed(4, 45)], strength: 1, dot_size: 4 });
  const { L } = await readLab(result!, 0, height);
  const column = (x: number) => {
    let sum = 0;
    for (let y = 20; y < height - 20; y++) sum += L[y * width + x]!;
    return sum / (height - 40);
  };
  const whole = column(170) - column(130);
  expect(whole).toBeGreaterThan(15);
  // Within one distance between dots on either side.
  expect((column(154) - column(145)) / whole).toBeGreaterThan(0.85);
});

test("a given dot size is used, and half the strength leaves half the dots", async () => {
  const picture = printed(5, 45);
  const [[half]] = await runNode(descreen, { image: [picture], strength: 0.5, dot_size: 5 });
  const share = (await dots(half!, 5, 45)) / (await dots(picture, 5, 45));
  expect(share).toBeGreaterThan(0.45);
  expect(share).toBeLessThan(0.55);
});

test.each([
  ["a plain slope", (x: number, y: number) => 0.2 + 0.001 * (x + y)],
  [
    "grain",
    (x: number, y: number) => 0.5 + 0.2 * (Math.abs(Math.sin(x * 12.9898 + y * 78.233) * 43758.5453) % 1),
  ],
  ["stripes, as of a jersey", (x: number) => (x % 6 < 3 ? 0.3 : 0.7)],
  ["a house with windows", (x: number, y: number) => (y > 60 && x % 20 < 9 && y % 28 < 15 ? 0.2 : 0.6)],
] as const)("%s is no screen and stays as it is", async (_, at) => {
  const picture = pictureOf(width, height, (x, y) => Math.round(255 * at(x, y)));
  expect(await screenPitch(picture)).toBeUndefined();
  const [[result]] = await runNode(descreen, { image: [picture], strength: 1, dot_size: 0 });
  expect(await levelsOf(result!)).toEqual(await levelsOf(picture));
});

test.each([8, 12, 30])("the blocks of a JPEG of quality %i are no screen", async (quality) => {
  const noise = (x: number, y: number) => (Math.sin(x * 12.9898 + y * 78.233) * 43758.5453) % 1;
  const shade = (x: number, y: number) => 110 + 60 * Math.sin(x / 40) * Math.cos(y / 31) + 12 * noise(x, y);
  const levels = await levelsOf(pictureOf(width, height, (x, y) => Math.round(shade(x, y))));
  const jpeg = await sharp(levels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
  const stored = await sharp(jpeg).raw().toBuffer();
  const picture = pictureOf(width, height, (x, y, channel) => stored[(y * width + x) * 3 + channel]!);
  expect(await screenPitch(picture)).toBeUndefined();
});

const OLD = new URL("../../../../shared/photos/old/", import.meta.url);
describe.skipIf(!existsSync(OLD))("real photographs", () => {
  test.each(["a.jpg", "b.jpg", "new_york_riverfront_december_15__1931.jp.jpg"])(
    "%s has no screen; printed, it has",
    async (name) => {
      const { data, info } = await sharp(new URL(name, OLD).pathname)
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      const level = (x: number, y: number) => data[(y * info.width + x) * info.channels + 1]!;
      expect(await screenPitch(pictureOf(info.width, info.height, level))).toBeUndefined();
      const halftone = printed(5.3, 45, (x, y) => level(x, y) / 255, [info.width, info.height]);
      expect(await screenPitch(halftone)).toBeCloseTo(5.3, 0);
    },
  );
});
