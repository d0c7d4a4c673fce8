import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ingest } from "./ingest.ts";
import { LIMITS, randomNumbers, scene } from "./testing.ts";

const W = 480;
const H = 360;
const OLD = join(import.meta.dirname, "../../../shared/photos/old");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-monochrome-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Colour = readonly [red: number, green: number, blue: number];

/** Judges the scene, coloured by `at` (levels 0–255), with noise in each channel, as a JPEG. */
async function judged(
  at: (level: number, x: number, y: number) => Colour,
  noise = 0,
  quality = 85,
): Promise<boolean> {
  const random = randomNumbers(W + noise + quality);
  const samples = new Uint8Array(W * H * 3);
  for (let i = 0; i < W * H; i++) {
    const [x, y] = [i % W, Math.floor(i / W)];
    for (const [channel, value] of at(255 * scene(x, y, W, H), x, y).entries()) {
      const disturbed = value + (random(2001) / 1000 - 1) * noise;
      samples[i * 3 + channel] = Math.min(255, Math.max(0, Math.round(disturbed)));
    }
  }
  const file = join(folder, "photo.jpg");
  await sharp(samples, { raw: { width: W, height: H, channels: 3 } })
    .jpeg({ quality })
    .toFile(file);
  return (await ingest(file, undefined, LIMITS)).isMonochrome;
}

const TONINGS: Record<string, (level: number) => Colour> = {
  "plain grey": (v) => [v, v, v],
  sepia: (v) => [v * 1.05 + 18, v * 0.92 + 8, v * 0.72],
  "strong sepia": (v) => [v * 1.1 + 20, v * 0.85 + 10, v * 0.5],
  selenium: (v) => [v * 0.95 + 8, v * 0.9, v * 0.97 + 4],
  cyanotype: (v) => [v * 0.75 * (v / 255), v * 0.9, 60 + v * 0.75],
  "faded and yellowed": (v) => [150 + v * 0.35, 140 + v * 0.33, 110 + v * 0.3],
  "split toning": (v) => [v < 128 ? v * 0.85 : v, v * 0.95, v < 128 ? v + 14 : v * 0.9],
  "a blue cast of the scanner": (v) => [v * 0.92, v * 0.97, v + 6],
};

test.each(Object.keys(TONINGS))("%s is monochrome", async (name) => {
  expect(await judged(TONINGS[name]!)).toBe(true);
});

test.each(Object.keys(TONINGS))(
  "%s is monochrome also with scanner noise and a strongly compressed JPEG",
  async (name) => {
    expect(await judged(TONINGS[name]!, 14, 50)).toBe(true);
  },
);

test("a grey print with a stamp in its corner, or a coloured edge, is monochrome", async () => {
  const stamp = (x: number, y: number) => x > 420 && y > 300;
  expect(await judged((v, x, y) => (stamp(x, y) ? [200, 30, 60] : [v, v, v]))).toBe(true);
  expect(await judged((v, _, y) => (y < 8 ? [40, 120, 200] : [v, v, v]))).toBe(true);
});

test("a print whose paper has yellowed unevenly is monochrome", async () => {
  const age = (x: number) => 1 - 0.04 * (x / W);
  expect(await judged((v, x) => [v * 1.02, v * 0.93 * age(x), v * 0.78 * age(x)])).toBe(true);
});

test.each([
  ["sky and meadow", (v, _x, y) => (y < H / 2 ? [v * 0.8, v * 0.95, v * 1.2] : [v * 0.8, v * 1.05, v * 0.6])],
  [
    "a face before grey",
    (v, x, y) => (Math.hypot(x - 240, y - 180) < 100 ? [v * 1.15, v * 0.9, v * 0.75] : [v, v, v]),
  ],
  [
    "a hand-coloured portrait: cheeks and a dress",
    (v, x, y) =>
      y > 250 && x > 100 && x < 380
        ? [v * 0.7, v * 0.85, v * 1.15]
        : Math.hypot(x - 240, y - 150) < 60
          ? [v * 1.15, v * 0.95, v * 0.85]
          : [v, v, v],
  ],
  ["a red wall", (v) => [Math.min(255, v * 1.6), v * 0.25, v * 0.2]],
  [
    "colours of many hues, faint",
    (v, x) => [v + 14 * Math.sin(x / 40), v + 14 * Math.sin(x / 40 + 2), v + 14 * Math.sin(x / 40 + 4)],
  ],
] as const satisfies readonly (readonly [string, (level: number, x: number, y: number) => Colour])[])(
  "%s is colour",
  async (_, at) => {
    expect(await judged(at)).toBe(false);
  },
);

test("the tiniest pictures have an answer", async () => {
  const file = join(folder, "tiny.png");
  for (const [background, answer] of [
    ["#808080", true],
    ["#ff0000", false],
  ] as const) {
    await sharp({ create: { width: 1, height: 1, channels: 3, background } })
      .png()
      .toFile(file);
    expect((await ingest(file, undefined, LIMITS)).isMonochrome).toBe(answer);
  }
});

test("old photographs, scanned and sepia, are all monochrome", async ({ skip }) => {
  const there = await access(OLD).then(
    () => true,
    () => false,
  );
  skip(!there, "the photographs for trials are not here");
  for (const name of await readdir(OLD)) {
    expect([name, (await ingest(join(OLD, name), undefined, LIMITS)).isMonochrome]).toEqual([name, true]);
  }
});
