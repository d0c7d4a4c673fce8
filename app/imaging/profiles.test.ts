// Colour management: what an embedded profile says is what lightness is taken from, and the result carries it on.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readProfile } from "./icc.ts";
import { fromLinear, labToRgb, lightnessOf, rgbToLab, toLinear } from "./lab.ts";
import { loadPicture } from "./load.ts";
import { networkInput } from "./network-input.ts";
import { readPixels } from "./picture.ts";
import { withScratch } from "./scratch.ts";
import { type ColourSpace, luminanceIn, SRGB } from "./space.ts";
import {
  ADOBE_RGB,
  colourFile,
  distance,
  LIMITS,
  makeProfile,
  PROPHOTO_RGB,
  SRGB_COLORANTS,
  scenePixels,
  sharpOf,
  shownLightness,
  storedPixels,
  type TestCurve,
} from "./testing.ts";
import { asTiff } from "./tiff.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

const W = 90;
const H = 60;
const SRGB_CURVE: TestCurve = { type: 3, parameters: [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045] };

let workers: PixelWorkers;
let folder: string;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 1, limits: LIMITS });
});
afterAll(() => workers.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-profiles-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** The scene's levels, unchanged, said to be in a profile. */
async function tagged(name: string, profile: Buffer, channels: 3 | 4, bitDepth: 8 | 16): Promise<string> {
  const samples = scenePixels(W, H, channels, bitDepth);
  const file = join(folder, name);
  const image = sharp(asTiff({ width: W, height: H, channels, bitDepth }, samples, profile)).keepIccProfile();
  if (bitDepth === 16) image.pipelineColourspace("rgb16").toColourspace("rgb16");
  await (name.endsWith(".tif") ? image.tiff({ compression: "deflate" }) : image).toFile(file);
  return file;
}

/** L* of stored levels, by the formulas. */
function lightnesses(
  samples: ArrayLike<number>,
  channels: number,
  top: number,
  space: ColourSpace,
): Float64Array {
  return Float64Array.from({ length: samples.length / channels }, (_, i) => {
    const [r, g, b] = [0, 1, 2].map((c) => samples[i * channels + Math.min(c, channels - 1)]! / top);
    return lightnessOf(luminanceIn(space, r!, g!, b!));
  });
}

describe("reading profiles", () => {
  const at = (profile: Buffer, level: number) => readProfile(profile)?.space?.curves[0](level);

  test("curves in all their notations", () => {
    expect(at(makeProfile("p", { gamma: 1.8 }, ADOBE_RGB), 0.5)).toBeCloseTo(0.5 ** 1.8, 2);
    expect(at(makeProfile("p", { table: [] }, ADOBE_RGB), 0.3)).toBe(0.3);
    expect(at(makeProfile("p", { table: [0, 0.1, 1] }, ADOBE_RGB), 0.75)).toBeCloseTo(0.55, 4);
    expect(at(makeProfile("p", { table: [0, 0.1, 1] }, ADOBE_RGB), 1)).toBe(1);
    expect(at(makeProfile("p", SRGB_CURVE, ADOBE_RGB), 0.5)).toBeCloseTo(toLinear(0.5), 4);
    expect(at(makeProfile("p", { type: 0, parameters: [2.2] }), 0.5)).toBeCloseTo(0.5 ** 2.2, 4);
    expect(at(makeProfile("p", { type: 1, parameters: [2, 1.25, -0.25] }), 0.1)).toBe(0);
    expect(at(makeProfile("p", { type: 1, parameters: [2, 1.25, -0.25] }), 0.6)).toBeCloseTo(0.25, 4);
    expect(at(makeProfile("p", { type: 2, parameters: [2, 1, 0, 0.001] }), 0.5)).toBeCloseTo(0.251, 4);
    expect(at(makeProfile("p", { type: 4, parameters: [2, 1, 0, 0.5, 0.5, 0, 0] }), 0.05)).toBeCloseTo(
      0.025,
      4,
    );
  });

  test("sRGB is known by its numbers, not by its name", () => {
    expect(readProfile(makeProfile("whatever", SRGB_CURVE, SRGB_COLORANTS))?.isSrgb).toBe(true);
    const table = Array.from({ length: 1024 }, (_, i) => toLinear(i / 1023));
    expect(readProfile(makeProfile("c2", { table }, SRGB_COLORANTS))?.isSrgb).toBe(true);
    expect(readProfile(makeProfile("sRGB IEC61966-2.1", { gamma: 2.2 }, SRGB_COLORANTS))?.isSrgb).toBe(false);
    expect(readProfile(makeProfile("sRGB", SRGB_CURVE, ADOBE_RGB))?.isSrgb).toBe(false);
  });

  test("what is not whole is not followed", () => {
    const whole = makeProfile("p", { gamma: 2.2 }, ADOBE_RGB);
    expect(readProfile(whole)?.name).toBe("p");
    for (let length = 0; length < whole.length; length += 7) {
      expect(readProfile(whole.subarray(0, length))).toBeUndefined();
    }
    const falling = makeProfile("p", { table: [1, 0.5, 0] }, ADOBE_RGB);
    expect(readProfile(falling)?.space).toBeUndefined();
    const flat = makeProfile("p", { gamma: 2.2 }, [ADOBE_RGB[0], ADOBE_RGB[0], ADOBE_RGB[0]]);
    expect(readProfile(flat)?.space).toBeUndefined();
  });

  test("every byte of a profile may be wrong without harm", () => {
    const whole = makeProfile("p", { table: [0, 0.2, 1] }, ADOBE_RGB);
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const broken = Buffer.from(whole);
        broken[at] = value;
        const space = readProfile(broken)?.space;
        if (space === undefined) continue;
        expect(Number.isFinite(luminanceIn(space, 0.2, 0.5, 0.7))).toBe(true);
      }
    }
  });
});

const PROFILES = [
  ["Adobe RGB", { gamma: 2.19921875 }, ADOBE_RGB],
  ["ProPhoto", { gamma: 1.8 }, PROPHOTO_RGB],
  ["linear", { gamma: 1 }, ADOBE_RGB],
  ["sRGB", SRGB_CURVE, SRGB_COLORANTS],
  ["of a scanner, by table", { table: [0, 0.01, 0.08, 0.3, 0.62, 1] }, SRGB_COLORANTS],
] as const;

describe.each(PROFILES)("profile %s", (name, curve, colorants) => {
  const profile = makeProfile(name, curve, colorants);
  const space = readProfile(profile)!.space!;

  test.each([
    [16, "a.tif"],
    [16, "a.png"],
    [8, "a.tif"],
    [8, "a.png"],
  ] as const)("%i bit %s: lightness as exact as the bits, profile byte for byte", async (bitDepth, file) => {
    const source = await tagged(file, profile, 4, bitDepth);
    const { target, facts } = await colourFile(workers, source, folder);
    expect(facts).toMatchObject({ bitDepth, iccName: name });
    const { icc, depth } = await sharp(target).metadata();
    expect(icc?.equals(profile)).toBe(true);
    expect(depth).toBe(bitDepth === 16 ? "ushort" : "uchar");
    const top = bitDepth === 16 ? 65535 : 255;
    const before = lightnesses(scenePixels(W, H, 4, bitDepth), 4, top, space);
    const after = lightnesses((await storedPixels(target)).samples, 4, top, space);
    expect(distance(before, after).most).toBeLessThan(bitDepth === 16 ? 0.01 : 0.5);
  });

  test.each(["jpeg", "webp", "avif"] as const)(
    "from 16 bit to %s: the profile stays, and the tones",
    async (format) => {
      const source = await tagged("a.tif", profile, 3, 16);
      const { target } = await colourFile(workers, source, folder, { format });
      expect((await sharp(target).metadata()).icc?.equals(profile)).toBe(true);
      const { mean } = distance(await shownLightness(target), await shownLightness(source));
      expect(mean).toBeLessThan(1);
    },
  );

  test("the network sees what the eye sees", async () => {
    const source = await tagged("a.tif", profile, 3, 16);
    const plane = await withScratch(
      source,
      () => undefined,
      async (place) => networkInput(await loadPicture(source, LIMITS, place), W, H),
    );
    const seen = Float64Array.from(plane, (level) => lightnessOf(toLinear(level)));
    const true_ = lightnesses(scenePixels(W, H, 3, 16), 3, 65535, space);
    expect(distance(seen, true_).mean).toBeLessThan(0.5);
  });
});

test("a photo too large for memory is treated in the same way", async () => {
  const profile = makeProfile("Adobe RGB", { gamma: 2.19921875 }, ADOBE_RGB);
  const space = readProfile(profile)!.space!;
  const samples = scenePixels(4400, 2000, 3, 16);
  const source = join(folder, "large.tif");
  await sharp(asTiff({ width: 4400, height: 2000, channels: 3, bitDepth: 16 }, samples, profile))
    .pipelineColourspace("rgb16")
    .toColourspace("rgb16")
    .keepIccProfile()
    .tiff({ compression: "lzw" })
    .toFile(source);
  await withScratch(
    source,
    () => undefined,
    async (place) => {
      const picture = await loadPicture(source, LIMITS, place);
      expect(picture.data).toBeTypeOf("string");
      const reader = await readPixels(picture);
      expect(await reader.read(1234, 1)).toEqual(samples.subarray(1234 * 4400 * 3, 1235 * 4400 * 3));
      await reader.close();
    },
  );
  const { target } = await colourFile(workers, source, folder);
  expect((await sharp(target).metadata()).icc?.equals(profile)).toBe(true);
  const after = lightnesses((await storedPixels(target)).samples.subarray(0, 4400 * 3 * 50), 3, 65535, space);
  const before = lightnesses(samples.subarray(0, 4400 * 3 * 50), 3, 65535, space);
  expect(distance(before, after).most).toBeLessThan(0.01);
});

describe.each([8, 16] as const)("grey profiles, %i bit", (bitDepth) => {
  test("tones are those of the profile; the result is sRGB", async () => {
    const curve = { gamma: 1.5 };
    const icc = join(folder, "grey.icc");
    await writeFile(icc, makeProfile("Grey 1.5", curve));
    const source = join(folder, "grey.tif");
    const samples = scenePixels(W, H, 1, bitDepth);
    await sharpOf(samples, W, H, 1).tiff({ compression: "lzw" }).toFile(source);
    // sharp converts when it embeds: the levels that it wrote are what counts.
    await sharpOf(samples, W, H, 1).withIccProfile(icc).tiff({ compression: "lzw" }).toFile(source);
    const levels = (await storedPixels(source)).samples;
    const { target, facts } = await colourFile(workers, source, folder);
    expect(facts).toMatchObject({ colour: "grey", bitDepth, iccName: "Grey 1.5" });
    expect((await sharp(target).metadata()).icc).toBeUndefined();
    const top = bitDepth === 8 ? 255 : 65535;
    const grey = readProfile(makeProfile("Grey 1.5", curve))!.space!;
    const stored = await storedPixels(target);
    const before = lightnesses(levels, 3, top, grey);
    const after = lightnesses(stored.samples, 3, top, SRGB);
    expect(distance(before, after).most).toBeLessThan(bitDepth === 8 ? 0.6 : 0.01);
  });
});

test("a profile of tables is followed by way of libvips, and embedded", async () => {
  const profile = makeTableProfile();
  expect(readProfile(profile)).toMatchObject({ kind: "rgb", space: undefined, name: "tables" });
  for (const bitDepth of [8, 16] as const) {
    const source = await tagged(`table-${bitDepth}.tif`, profile, 3, bitDepth);
    const { target } = await colourFile(workers, source, folder);
    const { icc, depth } = await sharp(target).metadata();
    expect(icc?.equals(profile)).toBe(true);
    expect(depth).toBe(bitDepth === 8 ? "uchar" : "ushort");
    const { mean } = distance(await shownLightness(target), await shownLightness(source));
    expect(mean).toBeLessThan(1);
    // It is not sRGB: what is shown is lighter than the levels taken for sRGB.
    const asSrgb = lightnesses(scenePixels(W, H, 3, bitDepth), 3, bitDepth === 8 ? 255 : 65535, SRGB);
    expect(distance(await shownLightness(source), asSrgb).mean).toBeGreaterThan(5);
  }
});

/** An RGB profile without a matrix: tables from RGB (gamma 1.8 instead of sRGB's) to Lab and back. */
function makeTableProfile(): Buffer {
  const table = (grid: number, at: (x: number, y: number, z: number) => readonly number[]) => {
    const head = Buffer.alloc(52);
    head.write("mft2");
    head.set([3, 3, grid], 8);
    for (const i of [0, 4, 8]) head.writeInt32BE(65536, 12 + i * 4); // the identity
    head.writeUInt16BE(2, 48);
    head.writeUInt16BE(2, 50);
    const straight = [0, 65535, 0, 65535, 0, 65535];
    const values: number[] = [...straight];
    for (let i = 0; i < grid ** 3; i++) {
      values.push(...at(Math.floor(i / grid ** 2), Math.floor(i / grid) % grid, i % grid));
    }
    values.push(...straight);
    const body = Buffer.alloc(values.length * 2);
    for (const [i, value] of values.entries())
      body.writeUInt16BE(Math.min(65535, Math.max(0, Math.round(value))), i * 2);
    return Buffer.concat([head, body]);
  };
  const regamma = (level: number) => fromLinear(level ** 1.8);
  const toLab = table(17, (r, g, b) => {
    const [L, a, bb] = rgbToLab(regamma(r / 16), regamma(g / 16), regamma(b / 16));
    return [(L / 100) * 0xff00, (a + 128) * 256, (bb + 128) * 256];
  });
  const toRgb = table(33, (L, a, b) => {
    const rgb = labToRgb((L / 32) * (65535 / 0xff00) * 100, a * 8 - 128, b * 8 - 128);
    return rgb.map((level) => 65535 * toLinear(level) ** (1 / 1.8));
  });
  return makeProfile("tables", { gamma: 1.8 }, SRGB_COLORANTS, [
    ["A2B0", toLab],
    ["B2A0", toRgb],
  ]);
}

test.each([
  ["cut off", (profile: Buffer) => profile.subarray(0, 300), "damaged"],
  ["noise", () => Buffer.alloc(500, 0x5a), "damaged"],
  ["for greys", () => makeProfile("grey", { gamma: 2.2 }), "another kind"],
] as const)("a profile that is %s is ignored, and a note says so", async (_, spoil, word) => {
  const source = await tagged("a.png", spoil(makeProfile("p", { gamma: 1.8 }, ADOBE_RGB)), 3, 8).catch(
    () => "",
  );
  if (source === "") return; // libvips refused to write it
  const { icc } = await sharp(source).metadata();
  if (icc === undefined) return;
  const { notes, target } = await colourFile(workers, source, folder);
  expect(notes.join()).toContain(word);
  const before = lightnesses(scenePixels(W, H, 3, 8), 3, 255, SRGB);
  const after = lightnesses((await storedPixels(target)).samples, 3, 255, SRGB);
  expect(distance(before, after).most).toBeLessThan(0.5);
});

test("gamma and its inverse in the tests' own sRGB profile are the formulas'", () => {
  const curve = readProfile(makeProfile("s", SRGB_CURVE, SRGB_COLORANTS))!.space!.curves[0];
  for (let i = 0; i <= 20; i++) expect(fromLinear(curve(i / 20))).toBeCloseTo(i / 20, 3);
});
