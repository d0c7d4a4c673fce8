// Every form in which photos come, through the real pool: read, coloured, written in the same format.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { inspectImage } from "./open.ts";
import {
  colourFile,
  distance,
  LIMITS,
  makeProfile,
  scene,
  sceneOf,
  scenePixels,
  sharpOf,
  shownLightness,
  storedPixels,
} from "./testing.ts";
import type { ImageFacts, OutputFormat } from "./types.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

const W = 90;
const H = 60;

let workers: PixelWorkers;
let folder: string;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 2, limits: LIMITS });
});
afterAll(() => workers.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-formats-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** The scene first, then frames that must not be looked at. */
async function frames(): Promise<Sharp> {
  const first = await sceneOf(W, H, 3, 8).png().toBuffer();
  const plain = (background: string) =>
    sharp({ create: { width: W, height: H, channels: 3, background } })
      .png()
      .toBuffer();
  return sharp([first, await plain("#f00"), await plain("#0f0")], { join: { animated: true } });
}

type Case = readonly [name: string, make: () => Sharp | Promise<Sharp>, facts: Partial<ImageFacts>];
const bilevel = () => sceneOf(W, H, 1, 8).threshold(128).toColourspace("b-w");
const grey = { colour: "grey", hasAlpha: false, bitDepth: 8 } as const;
const rgb = { colour: "rgb", hasAlpha: false, bitDepth: 8 } as const;

const CASES: readonly Case[] = [
  ["grey.jpg", () => sceneOf(W, H, 1, 8).jpeg({ quality: 95 }), grey],
  ["rgb.jpg", () => sceneOf(W, H, 3, 8).jpeg({ quality: 95 }), rgb],
  ["progressive.jpg", () => sceneOf(W, H, 3, 8).jpeg({ quality: 95, progressive: true }), rgb],
  ["cmyk.jpg", () => sceneOf(W, H, 3, 8).toColourspace("cmyk").jpeg({ quality: 95 }), { colour: "cmyk" }],
  [
    "cmyk with profile.jpg",
    () => sceneOf(W, H, 3, 8).toColourspace("cmyk").withIccProfile("cmyk").jpeg({ quality: 95 }),
    { colour: "cmyk" },
  ],
  ["grey.png", () => sceneOf(W, H, 1, 8).png(), grey],
  ["grey 16.png", () => sceneOf(W, H, 1, 16).png(), { ...grey, bitDepth: 16 }],
  ["grey and alpha.png", () => sceneOf(W, H, 2, 8).png(), { ...grey, hasAlpha: true }],
  ["grey and alpha 16.png", () => sceneOf(W, H, 2, 16).png(), { ...grey, hasAlpha: true, bitDepth: 16 }],
  ["rgb.png", () => sceneOf(W, H, 3, 8).png(), rgb],
  ["rgb 16.png", () => sceneOf(W, H, 3, 16).png(), { ...rgb, bitDepth: 16 }],
  ["rgba.png", () => sceneOf(W, H, 4, 8).png(), { ...rgb, hasAlpha: true }],
  ["rgba 16.png", () => sceneOf(W, H, 4, 16).png(), { ...rgb, hasAlpha: true, bitDepth: 16 }],
  ["palette.png", () => sceneOf(W, H, 3, 8).png({ palette: true }), rgb],
  ["palette and alpha.png", () => sceneOf(W, H, 4, 8).png({ palette: true }), { hasAlpha: true }],
  ["one bit.png", () => bilevel().png({ palette: true, colours: 2 }), { bitDepth: 8 }],
  ["interlaced.png", () => sceneOf(W, H, 3, 8).png({ progressive: true }), rgb],
  ...(["none", "lzw", "deflate", "packbits", "jpeg"] as const).map(
    (compression): Case => [
      `${compression}.tif`,
      () => sceneOf(W, H, 3, 8).tiff({ compression, quality: 95 }),
      rgb,
    ],
  ),
  ["grey.tif", () => sceneOf(W, H, 1, 8).tiff({ compression: "lzw" }), grey],
  ["grey 16.tif", () => sceneOf(W, H, 1, 16).tiff({ compression: "lzw" }), { ...grey, bitDepth: 16 }],
  ["rgb 16.tif", () => sceneOf(W, H, 3, 16).tiff({ compression: "deflate" }), { ...rgb, bitDepth: 16 }],
  ["rgba 16.tif", () => sceneOf(W, H, 4, 16).tiff({ compression: "lzw" }), { hasAlpha: true, bitDepth: 16 }],
  ["one bit.tif", () => bilevel().tiff({ compression: "none", bitdepth: 1 }), grey],
  ["fax.tif", () => bilevel().tiff({ compression: "ccittfax4", bitdepth: 1 }), grey],
  [
    "tiled.tif",
    () => sceneOf(W, H, 3, 8).tiff({ compression: "lzw", tile: true, tileWidth: 32, tileHeight: 32 }),
    rgb,
  ],
  ["big.tif", () => sceneOf(W, H, 3, 8).tiff({ compression: "lzw", bigtiff: true }), rgb],
  [
    "lab.tif",
    () => sceneOf(W, H, 3, 8).toColourspace("lab").tiff({ compression: "none" }),
    { colour: "lab" },
  ],
  [
    "labs.tif",
    () => sceneOf(W, H, 3, 16).toColourspace("labs").tiff({ compression: "none" }),
    { colour: "lab" },
  ],
  [
    "cmyk.tif",
    () => sceneOf(W, H, 3, 8).toColourspace("cmyk").tiff({ compression: "lzw" }),
    { colour: "cmyk" },
  ],
  [
    "float.tif",
    () => sceneOf(W, H, 3, 16).toColourspace("scrgb").tiff({ compression: "none" }),
    { bitDepth: 16 },
  ],
  ["pages.tif", async () => (await frames()).tiff({ compression: "lzw" }), { ...rgb, pages: 3 }],
  ["lossless.webp", () => sceneOf(W, H, 3, 8).webp({ lossless: true }), rgb],
  ["lossy.webp", () => sceneOf(W, H, 3, 8).webp({ quality: 90 }), rgb],
  ["alpha.webp", () => sceneOf(W, H, 4, 8).webp({ lossless: true }), { ...rgb, hasAlpha: true }],
  ["animated.webp", async () => (await frames()).webp({ lossless: true }), { ...rgb, pages: 3 }],
  ["rgb.avif", () => sceneOf(W, H, 3, 8).avif({ quality: 90 }), rgb],
  ["alpha.avif", () => sceneOf(W, H, 4, 8).avif({ quality: 90 }), { hasAlpha: true }],
  ["still.gif", () => sceneOf(W, H, 1, 8).gif(), {}],
  ["animated.gif", async () => (await frames()).gif(), { pages: 3 }],
];

const BILEVEL = new Set(["one bit.png", "one bit.tif", "fax.tif"]);
const SAME: Record<string, OutputFormat> = {
  jpg: "jpeg",
  tif: "tiff",
  gif: "png",
  png: "png",
  webp: "webp",
  avif: "avif",
};

test.each(CASES)("%s", async (name, make, facts) => {
  const source = join(folder, name);
  await (await make()).toFile(source);
  const coloured = await colourFile(workers, source, folder);

  expect(coloured.facts).toMatchObject({ width: W, height: H, ...facts });
  expect(coloured.facts.notes.length).toBe((facts.pages ?? 1) > 1 ? 1 : 0);
  expect(coloured.result.format).toBe(SAME[name.split(".").at(-1) ?? ""]);
  const written = await inspectImage(coloured.target, LIMITS);
  expect(written).toMatchObject({
    width: W,
    height: H,
    format: coloured.result.format,
    bitDepth: coloured.facts.bitDepth,
    hasAlpha: coloured.facts.hasAlpha && coloured.result.format !== "jpeg",
    orientation: 1,
  });
  // Lossless: what rounding to 8 bits does to L. Lossy: encoders' noise around that.
  const lossless = written.format === "png" || written.format === "tiff";
  const { mean, most } = distance(await shownLightness(coloured.target), await shownLightness(source));
  expect(mean).toBeLessThan(lossless ? 0.2 : 1);
  expect(most).toBeLessThan(lossless ? 0.8 : 8);
  const { samples, channels } = await storedPixels(coloured.target);
  expect(channels).toBe(written.hasAlpha ? 4 : 3);
  if (BILEVEL.has(name)) return; // black and white leave no room for colour
  expect(samples.some((level, i) => i % channels === 0 && Math.abs(level - samples[i + 2]!) > 5)).toBe(true);
});

test.each([8, 16] as const)("alpha of %i bits is kept exactly", async (bitDepth) => {
  for (const format of ["png", "tiff"] as const) {
    const source = join(folder, `source.${format}`);
    await sceneOf(W, H, 4, bitDepth).toFormat(format, { compression: "deflate" }).toFile(source);
    const { target } = await colourFile(workers, source, folder);
    const before = scenePixels(W, H, 4, bitDepth).filter((_, i) => i % 4 === 3);
    const after = (await storedPixels(target)).samples.filter((_, i) => i % 4 === 3);
    expect(after).toEqual(before);
  }
});

test("transparency in a JPEG becomes white, and a note says so", async () => {
  const source = join(folder, "source.png");
  await sceneOf(W, H, 4, 8).png().toFile(source);
  const { target, notes } = await colourFile(workers, source, folder, { format: "jpeg" });
  expect(notes.join()).toContain("transparent parts became white");
  const { samples, channels } = await storedPixels(target);
  expect(channels).toBe(3);
  expect(Math.min(...samples.slice(-3 * W))).toBeGreaterThan(240); // the last row is almost transparent
});

describe("orientation", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("EXIF orientation %i is applied once", async (orientation) => {
    const turned = orientation >= 5;
    const stored = turned ? { width: H, height: W } : { width: W, height: H };
    // What a viewer shows at (x, y) is stored where the orientation says.
    const [right, bottom] = [W - 1, H - 1];
    const place = (x: number, y: number): readonly [number, number] =>
      (
        [
          [x, y],
          [right - x, y],
          [right - x, bottom - y],
          [x, bottom - y],
          [y, x],
          [y, right - x],
          [bottom - y, right - x],
          [bottom - y, x],
        ] as const
      )[orientation - 1]!;
    const samples = new Uint8Array(W * H * 3);
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        const [u, v] = place(x, y);
        samples.fill(
          Math.round(255 * scene(x, y, W, H)),
          (v * stored.width + u) * 3,
          (v * stored.width + u) * 3 + 3,
        );
      }
    }
    for (const name of ["turned.jpg", "turned.tif", "turned.png", "turned.webp"]) {
      const source = join(folder, name);
      const image = sharpOf(samples, stored.width, stored.height, 3).withMetadata({ orientation });
      await (name.endsWith("tif") ? image.tiff({ compression: "lzw" }) : image).toFile(source);
      const { facts, target } = await colourFile(workers, source, folder);
      expect(facts).toMatchObject({ width: W, height: H, orientation });
      expect(await inspectImage(target, LIMITS)).toMatchObject({ width: W, height: H, orientation: 1 });
      const upright = join(folder, "upright.png");
      await sceneOf(W, H, 3, 8).png().toFile(upright);
      const { mean } = distance(await shownLightness(target), await shownLightness(upright));
      expect(mean).toBeLessThan(1.2);
    }
  });
});

test("every format can be asked for, and 16 bits are kept where they can be", async () => {
  const source = join(folder, "source.tif");
  await sceneOf(W, H, 3, 16).tiff({ compression: "deflate" }).toFile(source);
  for (const format of ["jpeg", "png", "tiff", "webp", "avif"] as const) {
    const { target, result, notes } = await colourFile(workers, source, folder, { format });
    const deep = format === "png" || format === "tiff";
    expect(await inspectImage(target, LIMITS)).toMatchObject({ format, bitDepth: deep ? 16 : 8 });
    expect(result.bitDepth).toBe(deep ? 16 : 8);
    expect(notes.some((note) => note.includes("8 bits per channel"))).toBe(!deep);
    const { mean } = distance(await shownLightness(target), await shownLightness(source));
    expect(mean).toBeLessThan(1);
  }
});

test.each([
  ["webp", 16_384, 2],
  ["avif", 2, 16_385],
  ["jpeg", 65_536, 1],
] as const)("a picture too long for %s is refused with a sentence", async (format, width, height) => {
  const source = join(folder, "long.png");
  await sharp({ create: { width, height, channels: 3, background: "#888" } })
    .png()
    .toFile(source);
  await expect(colourFile(workers, source, folder, { format })).rejects.toMatchObject({
    code: "output-unwritable",
    next: "Choose TIFF or PNG.",
  });
});

test("thumbnails are upright sRGB also of 16 bits, profiles and transparency", async () => {
  const source = join(folder, "grey 16.tif");
  const profile = join(folder, "dark.icc");
  await writeFile(profile, makeProfile("Linear", { gamma: 1 }));
  await sceneOf(W, H, 1, 16).withIccProfile(profile).tiff({ compression: "lzw" }).toFile(source);
  const thumbnail = join(folder, "thumbnail.webp");
  const { facts, isMonochrome } = await workers.ingest(source, thumbnail);
  expect(facts).toMatchObject({ width: W, height: H, bitDepth: 16 });
  expect(isMonochrome).toBe(true);
  expect(await inspectImage(thumbnail, LIMITS)).toMatchObject({ format: "webp", width: W, height: H });
});
