import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { layChroma } from "./lay-chroma.ts";
import { loadPicture } from "./load.ts";
import {
  fromSharp,
  MEMORY_LIMIT,
  mapRows,
  type Picture,
  type Pixels,
  readPixels,
  type Samples,
  toSharp,
  type Workplace,
  writePixels,
} from "./picture.ts";
import { previewPicture, reducePicture, transparencyOf } from "./preview.ts";
import { savePicture } from "./save.ts";
import { scratchFilesOf, withScratch } from "./scratch.ts";
import { chromaOf, greyPlane, LIMITS, makeProfile, pixelsOf, sceneOf, storedPixels } from "./testing.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-picture-"));
});
afterEach(() => rm(folder, { recursive: true }));

const inPlace = <T>(work: (place: Workplace) => Promise<T>) =>
  withScratch(join(folder, "x"), () => undefined, work);

async function pictureOf(
  samples: Samples,
  width: number,
  height: number,
  channels: 3 | 4,
  place: Workplace,
): Promise<Picture> {
  const bitDepth = samples instanceof Uint16Array ? 16 : 8;
  const writer = await writePixels<Picture>({ width, height, channels, bitDepth }, place);
  await writer.write(0, samples);
  return writer.finish();
}

async function levelsOf(pixels: Pixels): Promise<Samples> {
  const reader = await readPixels(pixels);
  try {
    return (await reader.read(0, pixels.height)).slice();
  } finally {
    await reader.close();
  }
}

test("levels come back as they were put, through sharp as well, in every shape", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(3 as const, 4 as const),
      fc.constantFrom(8 as const, 16 as const),
      async (width, height, channels, bitDepth) => {
        const samples = pixelsOf(
          width,
          height,
          channels,
          bitDepth,
          (x, y, c) => ((x * 7 + y * 3 + c) % 11) / 10,
        );
        await inPlace(async (place) => {
          const picture = await pictureOf(samples, width, height, channels, place);
          expect(await levelsOf(picture)).toEqual(samples);
          const { data: _, ...shape } = picture;
          const through = await fromSharp<Picture>(toSharp(picture), shape, place);
          expect(await levelsOf(through)).toEqual(samples);
        });
      },
    ),
    { numRuns: 40 },
  ));

describe("a picture too large for memory", () => {
  const [width, height] = [4000, 4200];
  const level = (x: number, y: number) => ((x * 3 + y * 5) % 251) / 255;

  test("lies in a file that sharp reads, is edited in strips, and goes with its maker's work", async () => {
    const samples = pixelsOf(width, height, 3, 8, level);
    await inPlace(async (place) => {
      const picture = await pictureOf(samples, width, height, 3, place);
      expect(samples.byteLength).toBeGreaterThan(MEMORY_LIMIT);
      expect([...scratchFilesOf(picture)]).toEqual([picture.data]);
      const strips: [number, number][] = [];
      const inverted = await mapRows(picture, place, (rows, y, count) => {
        strips.push([y, count]);
        for (let i = 0; i < rows.length; i++) rows[i] = 255 - rows[i]!;
      });
      expect(strips.length).toBeGreaterThan(1);
      expect(strips.reduce((sum, [, count]) => sum + count, 0)).toBe(height);
      const { data } = await toSharp(inverted)
        .extract({ left: 1000, top: 3000, width: 10, height: 1 })
        .raw()
        .toBuffer({ resolveWithObject: true });
      for (let x = 0; x < 10; x++) expect(data[x * 3]).toBe(255 - Math.round(255 * level(1000 + x, 3000)));
      expect(Buffer.compare(Buffer.from(await levelsOf(picture)), Buffer.from(samples))).toBe(0); // toEqual takes half a minute
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test("failing work leaves nothing, finished work only what its result is in", async () => {
    const samples = pixelsOf(width, height, 3, 8, level);
    const failing = inPlace(async (place) => {
      await pictureOf(samples, width, height, 3, place);
      throw new Error("and then it failed");
    });
    await expect(failing).rejects.toThrow("and then");
    expect(await readdir(folder)).toEqual([]);
    const kept = await inPlace(async (place) => {
      const one = await pictureOf(samples, width, height, 3, place);
      await mapRows(one, place, () => undefined);
      return [one];
    });
    expect(await readdir(folder)).toHaveLength(1);
    expect(scratchFilesOf(kept).size).toBe(1);
  });
});

test("a grey photo with a tone curve that nobody coloured is saved as it looks", async () => {
  const icc = makeProfile("Dot gain", { gamma: 1.8 });
  const source = join(folder, "a.png");
  await sceneOf(64, 48, 1, 8).png().toFile(source);
  await inPlace(async (place) => {
    const loaded = await loadPicture(source, LIMITS, place);
    const picture: Picture = { ...loaded, profile: { icc, colour: "grey", bitDepth: 8, stage: "source" } };
    const target = join(folder, "out.png");
    await savePicture(picture, target, { format: "png", quality: 100 }, undefined, place);
    const { samples } = await storedPixels(target);
    const before = await levelsOf(picture);
    for (let i = 0; i < samples.length; i++) {
      const light = (before[i]! / 255) ** 1.8;
      const wanted = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
      expect(Math.abs(samples[i]! - 255 * wanted)).toBeLessThanOrEqual(0.6);
    }
  });
});

test("bilinear: chroma is interpolated by place alone, edge-aware it keeps to its side", async () => {
  const half = (x: number) => (x < 32 ? 0.2 : 0.8);
  const samples = pixelsOf(64, 8, 3, 8, (x) => half(x));
  const chroma = chromaOf(8, 8, (x) => [x < 0.5 ? 40 : 0, 0]);
  const grey = Float32Array.from({ length: 64 }, (_, i) => half((i % 8) * 8));
  const rednessAt = async (upsample: "bilinear" | "edge-aware", x: number) =>
    inPlace(async (place) => {
      const picture = await pictureOf(samples, 64, 8, 3, place);
      const how = { colorFactor: 1, upsample, gamut: "chroma" } as const;
      const levels = await levelsOf(await layChroma(picture, chroma, grey, how, place));
      return levels[(4 * 64 + x) * 3]! - levels[(4 * 64 + x) * 3 + 1]!;
    });
  expect(await rednessAt("bilinear", 33)).toBeGreaterThan(20);
  expect(await rednessAt("edge-aware", 33)).toBeLessThan(10);
  expect(await rednessAt("edge-aware", 30)).toBeGreaterThan(await rednessAt("bilinear", 30));
});

test.each([8, 16] as const)(
  "%i bit: previews are small JPEGs, transparency is the alpha upside down",
  async (bitDepth) => {
    const samples = pixelsOf(900, 300, 4, bitDepth, (x, _, c) => (c === 3 ? (x < 450 ? 0.2 : 1) : 0.5));
    await inPlace(async (place) => {
      const picture = await pictureOf(samples, 900, 300, 4, place);
      const jpeg = Buffer.from(await previewPicture(picture, 512));
      expect(await sharp(jpeg).metadata()).toMatchObject({ format: "jpeg", width: 512, space: "srgb" });
      const small = await reducePicture(picture, 90, place);
      expect(small).toMatchObject({ width: 90, height: 30, bitDepth, channels: 4 });
      const mask = await levelsOf(await transparencyOf(picture, place));
      expect([mask[0], mask[899], mask.length]).toEqual([204, 0, 900 * 300]);
      const grey = greyPlane(chromaOf(8, 8, () => [0, 0]));
      const how = { colorFactor: 1, upsample: "edge-aware", gamut: "chroma" } as const;
      const coloured = await layChroma(
        small,
        chromaOf(8, 8, () => [20, 0]),
        grey,
        how,
        place,
      );
      expect(coloured.lightnessOf).toEqual(small);
    });
  },
);
