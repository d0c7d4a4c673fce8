import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExifTool } from "exiftool-vendored";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { closeMetadata } from "./metadata.ts";
import { inspectImage } from "./open.ts";
import {
  ADOBE_RGB,
  colourFile,
  distance,
  LIMITS,
  makeProfile,
  sceneOf,
  scenePixels,
  shownLightness,
  storedPixels,
} from "./testing.ts";
import { asTiff } from "./tiff.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

const W = 90;
const H = 60;

let workers: PixelWorkers;
let exiftool: ExifTool;
let folder: string;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 1, limits: LIMITS });
  exiftool = new ExifTool({ maxProcs: 1 });
});
afterAll(() => Promise.all([workers.close(), exiftool.end(), closeMetadata()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-convert-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("another format", () => {
  test.each(["jpeg", "png", "tiff", "webp", "avif"] as const)(
    "%s: pixels, depth, profile and all metadata",
    async (format) => {
      const profile = makeProfile("Adobe", { gamma: 2.19921875 }, ADOBE_RGB);
      const original = join(folder, "original.tif");
      const shape = { width: W, height: H, channels: 4, bitDepth: 16 } as const;
      await sharp(asTiff(shape, scenePixels(W, H, 4, 16), profile))
        .pipelineColourspace("rgb16")
        .toColourspace("rgb16")
        .keepIccProfile()
        .tiff({ compression: "lzw" })
        .toFile(original);
      const tags = ["-EXIF:Artist=Lange", "-IPTC:City=Nipomo", "-XMP-dc:Title=Mother"];
      await exiftool.write(original, {}, { useMWG: false, writeArgs: ["-overwrite_original", ...tags] });
      const { target: version } = await colourFile(workers, original, folder);

      const exported = join(folder, `exported.${format}`);
      await workers.convert(version, exported, format, 95);
      const deep = format === "png" || format === "tiff";
      expect(await inspectImage(exported, LIMITS)).toMatchObject({
        format,
        width: W,
        height: H,
        bitDepth: deep ? 16 : 8,
        hasAlpha: format !== "jpeg",
        iccName: "Adobe",
      });
      expect((await sharp(exported).metadata()).icc?.equals(profile)).toBe(true);
      if (deep) expect((await storedPixels(exported)).samples).toEqual((await storedPixels(version)).samples);
      else if (format !== "jpeg") {
        const { mean } = distance(await shownLightness(exported), await shownLightness(version));
        expect(mean).toBeLessThan(1);
      }
      const read = await exiftool.readRaw(exported, { readArgs: ["-G1", "-n"], useMWG: false });
      expect(read).toMatchObject({
        "IFD0:Artist": "Lange",
        "XMP-dc:Title": "Mother",
        "XMP-xmp:CreatorTool": "Autochrome 0.1.0",
        "XMP-xmpMM:HistoryAction": "colorized",
        ...(format === "webp" || format === "avif" ? {} : { "IPTC:City": "Nipomo" }),
      });
    },
  );

  test("what a format cannot hold is refused with a sentence", async () => {
    const version = join(folder, "long.png");
    await sharp({ create: { width: 17_000, height: 2, channels: 3, background: "#888" } })
      .png()
      .toFile(version);
    await expect(workers.convert(version, join(folder, "long.webp"), "webp", 90)).rejects.toMatchObject({
      code: "output-unwritable",
      message: "WEBP can be at most 16383 pixels wide or high; this photo is 17000 × 2.",
    });
  });

  test("a version that is damaged, or gone", async () => {
    const version = join(folder, "version.png");
    await expect(workers.convert(version, join(folder, "a.jpg"), "jpeg", 90)).rejects.toMatchObject({
      code: "not-found",
    });
    const bytes = await sceneOf(200, 200, 3, 8).png().toBuffer();
    await writeFile(version, bytes.subarray(0, bytes.length / 2));
    await expect(workers.convert(version, join(folder, "a.jpg"), "jpeg", 90)).rejects.toMatchObject({
      code: "damaged-image",
    });
  });
});

test("original and version stand side by side, equally high, the original upright", async () => {
  const original = join(folder, "original.jpg");
  await sceneOf(H, W, 3, 8).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toFile(original);
  const { target: version } = await colourFile(workers, original, folder, { format: "png" });
  expect(await inspectImage(version, LIMITS)).toMatchObject({ width: W, height: H });
  const pair = join(folder, "pair.png");
  await workers.pairUp(original, version, pair, "png", 95);
  const gap = 2;
  const { samples, width, height, channels } = await storedPixels(pair);
  expect(channels).toBe(3);
  expect(await exiftool.readRaw(pair, { readArgs: ["-XMP:CreatorTool"] })).toMatchObject({
    CreatorTool: "Autochrome 0.1.0",
  });
  expect([width, height]).toEqual([2 * W + gap, H]);
  const saturation = (x: number, y: number) => {
    const pixel = samples.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
    return Math.max(...pixel) - Math.min(...pixel);
  };
  let left = 0;
  let right = 0;
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      left = Math.max(left, saturation(x, y));
      right = Math.max(right, saturation(W + gap + x, y));
    }
    expect([...samples.subarray((y * width + W) * 3, (y * width + W + gap) * 3)]).toEqual([
      255, 255, 255, 255, 255, 255,
    ]);
  }
  expect(left).toBeLessThan(6);
  expect(right).toBeGreaterThan(30);
});

describe("the mark", () => {
  const shape = { width: 600, height: 400 };

  test.each([8, 16] as const)(
    "at %i bit: in the lower right corner, and nothing else changes",
    async (bitDepth) => {
      const version = join(folder, "version.png");
      await sceneOf(shape.width, shape.height, 3, bitDepth).png().toFile(version);
      const marked = join(folder, "marked.png");
      await workers.convert(version, marked, "png", 95, true);
      expect(await inspectImage(marked, LIMITS)).toMatchObject({ ...shape, bitDepth, hasAlpha: false });
      const [before, after] = [await storedPixels(version), await storedPixels(marked)];
      let changed = 0;
      for (let at = 0; at < before.samples.length; at++) {
        if (before.samples[at] === after.samples[at]) continue;
        const pixel = Math.floor(at / 3);
        expect(pixel % shape.width).toBeGreaterThan(shape.width / 2);
        expect(Math.floor(pixel / shape.width)).toBeGreaterThan(shape.height * 0.85);
        changed++;
      }
      expect(changed).toBeGreaterThan(1000);
    },
  );

  test("stays out of transparency, and a tiny picture has no room for it", async () => {
    const version = join(folder, "version.png");
    await sceneOf(shape.width, shape.height, 4, 8).png().toFile(version);
    const marked = join(folder, "marked.jpg");
    await workers.convert(version, marked, "jpeg", 95, true);
    expect(await inspectImage(marked, LIMITS)).toMatchObject({ ...shape, hasAlpha: false });
    const tiny = join(folder, "tiny.png");
    await sceneOf(3, 2, 3, 8).png().toFile(tiny);
    await workers.convert(tiny, join(folder, "tiny-marked.png"), "png", 95, true);
    expect((await storedPixels(join(folder, "tiny-marked.png"))).samples).toEqual(
      (await storedPixels(tiny)).samples,
    );
  });

  test("side by side it is on the version", async () => {
    const version = join(folder, "version.png");
    await sceneOf(shape.width, shape.height, 3, 8).png().toFile(version);
    const [plain, marked] = [join(folder, "plain.png"), join(folder, "marked.png")];
    await workers.pairUp(version, version, plain, "png", 95);
    await workers.pairUp(version, version, marked, "png", 95, true);
    const [before, after] = [await storedPixels(plain), await storedPixels(marked)];
    const places = [...before.samples.keys()].filter((at) => before.samples[at] !== after.samples[at]);
    expect(places.length).toBeGreaterThan(1000);
    expect(Math.min(...places.map((at) => Math.floor(at / 3) % before.width))).toBeGreaterThan(
      shape.width * 1.5,
    );
  });
});
