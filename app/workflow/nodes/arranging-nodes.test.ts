import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, expect, test } from "vitest";
import type { Picture, PictureProfile } from "../../imaging/index.ts";
import { levelsOf, maskOf, pictureOf, pixelContext, runNode } from "../testing.ts";
import { imageBatch } from "./image-batch.ts";
import { imageCompositeMasked } from "./image-composite-masked.ts";
import { imageCrop } from "./image-crop.ts";
import { imageFromBatch } from "./image-from-batch.ts";
import { imageInvert } from "./image-invert.ts";
import { imageStitch } from "./image-stitch.ts";
import { repeatImageBatch } from "./repeat-image-batch.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

const flat = (width: number, height: number, level: number) => pictureOf(width, height, () => level);
const channel = async (picture: Picture, index = 0) =>
  [...(await levelsOf(picture))].filter((_, at) => at % picture.channels === index);
/** The red levels of a picture, row by row. */
const rows = async (picture: Picture) => {
  const reds = await channel(picture);
  return Array.from({ length: picture.height }, (_, y) =>
    reds.slice(y * picture.width, (y + 1) * picture.width),
  );
};
const crop = async (picture: Picture, x: number, y: number, width: number, height: number) =>
  (await runNode(imageCrop, { image: [picture], x, y, width, height }))[0][0]!;
const beside = {
  direction: "right",
  match_image_size: false,
  spacing_width: 0,
  spacing_color: "black",
} as const;
const stitch = async (
  one: Picture,
  two: Picture,
  layout: {
    direction?: "right" | "down" | "left" | "up";
    match_image_size?: boolean;
    spacing_width?: number;
    spacing_color?: "white" | "black" | "red" | "green" | "blue";
  } = {},
) => (await runNode(imageStitch, { image1: [one], image2: [two], ...beside, ...layout }))[0][0]!;
const compose = { x: 0, y: 0, resize_source: false, mask: undefined };

async function displayP3(): Promise<PictureProfile> {
  const png = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
    .withIccProfile("p3")
    .png()
    .toBuffer();
  const { icc } = await sharp(png).metadata();
  return { icc: new Uint8Array(icc!), colour: "rgb", bitDepth: 8, stage: "source" };
}

test.each([8, 16] as const)("a part of %i bits has the picture's own levels, alpha too", async (bitDepth) => {
  const level = (x: number, y: number, c: number) => 1 + 40 * y + 4 * x + c;
  const picture = pictureOf(10, 5, level, { channels: 4, bitDepth });
  const part = await crop(picture, 3, 1, 4, 2);
  expect(part).toMatchObject({ width: 4, height: 2, channels: 4, bitDepth });
  const expected = pictureOf(4, 2, (x, y, c) => level(x + 3, y + 1, c), { channels: 4, bitDepth });
  expect(await levelsOf(part)).toEqual(await levelsOf(expected));
});

test("a part ends where the picture does; all of it is the very picture", async () => {
  const picture = pictureOf(10, 5, (x, y) => 10 * y + x);
  expect(await rows(await crop(picture, 8, 3, 100, 100))).toEqual([
    [38, 39],
    [48, 49],
  ]);
  expect(await rows(await crop(picture, 500, 500, 3, 3))).toEqual([[49]]);
  expect(await crop(picture, 0, 0, 10, 5)).toBe(picture);
});

test("pictures are stitched in each direction", async () => {
  const [one, two] = [flat(2, 1, 10), flat(1, 1, 20)];
  expect(await rows(await stitch(one, two))).toEqual([[10, 10, 20]]);
  expect(await rows(await stitch(one, two, { direction: "left" }))).toEqual([[20, 10, 10]]);
  expect(await rows(await stitch(one, two, { direction: "down", spacing_color: "white" }))).toEqual([
    [10, 10],
    [20, 255],
  ]);
  expect(await rows(await stitch(one, two, { direction: "up", spacing_width: 1 }))).toEqual([
    [20, 0],
    [0, 0],
    [0, 0],
    [10, 10],
  ]);
});

test("a smaller picture is centred, and spacing has its colour", async () => {
  const result = await stitch(flat(1, 4, 9), flat(1, 1, 7), { spacing_width: 2, spacing_color: "green" });
  const levels = await levelsOf(result);
  const pixel = (x: number, y: number) => [...levels.subarray(3 * (4 * y + x), 3 * (4 * y + x) + 3)];
  expect(pixel(0, 0)).toEqual([9, 9, 9]);
  expect(pixel(1, 3)).toEqual([0, 255, 0]);
  expect([0, 1, 2, 3].map((y) => pixel(3, y))).toEqual([
    [0, 255, 0],
    [7, 7, 7],
    [0, 255, 0],
    [0, 255, 0],
  ]);
});

test("sizes are matched where the pictures meet, and without a second picture nothing happens", async () => {
  const [one, two] = [flat(6, 4, 9), flat(5, 2, 7)];
  expect(await stitch(one, two, { match_image_size: true })).toMatchObject({ width: 16, height: 4 });
  expect(await stitch(one, two, { match_image_size: true, direction: "up" })).toMatchObject({
    width: 6,
    height: 6,
  });
  const [alone] = await runNode(imageStitch, { image1: [one], image2: undefined, ...beside });
  expect(alone).toEqual([one]);
});

test("a picture is stitched in the first one's bit depth and opaque where it has no alpha", async () => {
  const deep = pictureOf(1, 1, () => 1000, { bitDepth: 16 });
  const clear = pictureOf(1, 1, (_x, _y, c) => (c === 3 ? 128 : 100), { channels: 4 });
  const result = await stitch(deep, clear, { spacing_width: 2, spacing_color: "white" });
  expect(result).toMatchObject({ width: 4, channels: 4, bitDepth: 16 });
  expect(await channel(result)).toEqual([1000, 65_535, 65_535, 25_700]);
  expect(await channel(result, 3)).toEqual([65_535, 65_535, 65_535, 32_896]);
});

test("another profile's colours are converted into the first's; grey stays exactly neutral", async () => {
  const profile = await displayP3();
  const first: Picture = { ...flat(1, 1, 0), profile };
  const red = pictureOf(1, 1, (_x, _y, c) => (c === 0 ? 255 : 0));
  const result = await stitch(first, red);
  expect(result.profile).toBe(profile);
  // sRGB's red in Display P3.
  const [r = 0, g = 0, b = 0] = (await levelsOf(result)).subarray(3);
  for (const [level, expected] of [
    [r, 234],
    [g, 51],
    [b, 35],
  ] as const) {
    expect(Math.abs(level - expected)).toBeLessThanOrEqual(1);
  }
  const ramp = pictureOf(256, 1, (x) => x);
  const grey = await levelsOf(await stitch(first, ramp));
  expect([...grey.subarray(3)]).toEqual([...(await levelsOf(ramp))]);
  // Equal profiles, in different memory as after a thread's border, are not converted.
  const same: Picture = { ...red, profile: { ...profile, icc: profile.icc.slice() } };
  expect([...(await levelsOf(await stitch(first, same))).subarray(3)]).toEqual([255, 0, 0]);
});

test("what is known of the first picture goes along, with what networks did in both", async () => {
  const making = [{ model: "m", modelSha256: "0", device: "cpu", networkMs: 1, parameters: {} }];
  const original: Picture = { ...flat(2, 2, 1), profile: await displayP3() };
  const coloured: Picture = { ...flat(2, 2, 2), making, lightnessOf: original };
  const result = await stitch(original, coloured);
  expect(result).toMatchObject({ profile: original.profile, making });
  const [[laid]] = await runNode(imageCompositeMasked, {
    destination: [coloured],
    source: [original],
    ...compose,
  });
  expect(laid!.making).toEqual(making);
  for (const each of [laid!, await stitch(coloured, original), await crop(coloured, 0, 0, 1, 1)]) {
    expect(each).not.toHaveProperty("lightnessOf");
    expect(each.making).toEqual(making);
  }
});

test("batches are joined, repeated and picked from", async () => {
  const [a, b, c] = [flat(2, 2, 1), flat(2, 2, 2), flat(8, 2, 3)];
  const [joined] = await runNode(imageBatch, { image1: [a, b], image2: [c] });
  expect(joined.slice(0, 2)).toEqual([a, b]);
  expect(joined[2]).toMatchObject({ width: 2, height: 2 });
  const [repeated] = await runNode(repeatImageBatch, { image: [a, b], amount: 2 });
  expect(repeated).toEqual([a, b, a, b]);
  const pick = async (batch_index: number, length: number) =>
    (await runNode(imageFromBatch, { image: [a, b, c], batch_index, length }))[0];
  expect(await pick(1, 1)).toEqual([b]);
  expect(await pick(-1, 5)).toEqual([c]);
  expect(await pick(0, 2)).toEqual([a, b]);
  expect(await pick(99, 1)).toEqual([c]);
  expect(await pick(-99, 1)).toEqual([a]);
});

test("batches without end are refused", async () => {
  const image = Array.from({ length: 3 }, () => flat(1, 1, 0));
  await expect(
    runNode(imageBatch, { image1: Array(4096).fill(image[0]!), image2: image }),
  ).rejects.toMatchObject({ code: "workflow-invalid" });
  await expect(async () => runNode(repeatImageBatch, { image, amount: 4096 })).rejects.toMatchObject({
    code: "workflow-invalid",
  });
});

test("a picture is laid into another through a mask, cut at its edges", async () => {
  const destination = [flat(4, 3, 100)];
  const source = [flat(3, 3, 200)];
  const mask = [maskOf(3, 3, (x) => [255, 51, 0][x]!)];
  const [[plain]] = await runNode(imageCompositeMasked, { destination, source, ...compose, x: 2, y: 1 });
  expect(await rows(plain!)).toEqual([
    [100, 100, 100, 100],
    [100, 100, 200, 200],
    [100, 100, 200, 200],
  ]);
  const [[masked]] = await runNode(imageCompositeMasked, { destination, source, ...compose, mask, x: 1 });
  expect(await rows(masked!)).toEqual(Array(3).fill([100, 200, 120, 100]));
  const [[outside]] = await runNode(imageCompositeMasked, { destination, source, ...compose, x: 9, y: 9 });
  expect(await rows(outside!)).toEqual(await rows(destination[0]!));
  const fitted = { ...compose, resize_source: true, mask: [maskOf(1, 1, () => 255)] };
  const [[covered]] = await runNode(imageCompositeMasked, { destination, source, ...fitted });
  expect(new Set(await channel(covered!))).toEqual(new Set([200]));
});

test("any arrangement has the promised size and keeps neutral neutral", async () => {
  const side = fc.integer({ min: 1, max: 20 });
  const kind = fc.record({
    channels: fc.constantFrom(3 as const, 4 as const),
    bitDepth: fc.constantFrom(8 as const, 16 as const),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        sizes: fc.tuple(side, side, side, side),
        kinds: fc.tuple(kind, kind),
        direction: fc.constantFrom("right", "down", "left", "up"),
        spacing: fc.nat(9),
        x: fc.nat(25),
        y: fc.nat(25),
      }),
      async ({ sizes: [w1, h1, w2, h2], kinds: [k1, k2], direction, spacing, x, y }) => {
        const level = (a: number, b: number) => (a * 37 + b * 91) % 256;
        const [one, two] = [pictureOf(w1, h1, level, k1), pictureOf(w2, h2, level, k2)];
        const across = direction === "left" || direction === "right";
        const gap = spacing + (spacing % 2);
        const stitched = await stitch(one, two, { direction, spacing_width: spacing });
        expect(stitched).toMatchObject({
          width: across ? w1 + gap + w2 : Math.max(w1, w2),
          height: across ? Math.max(h1, h2) : h1 + gap + h2,
          channels: Math.max(k1.channels, k2.channels),
          bitDepth: k1.bitDepth,
        });
        const part = await crop(one, x, y, w2, h2);
        expect(part).toMatchObject({
          width: Math.min(w2, w1 - Math.min(x, w1 - 1)),
          height: Math.min(h2, h1 - Math.min(y, h1 - 1)),
          ...k1,
        });
        const inputs = { destination: [one], source: [two], ...compose, x, y };
        const [[laid]] = await runNode(imageCompositeMasked, inputs);
        expect(laid).toMatchObject({ width: w1, height: h1, ...k1 });
        for (const result of [stitched, part, laid!]) {
          const levels = await levelsOf(result);
          expect(levels.length).toBe(result.width * result.height * result.channels);
          for (let at = 0; at < levels.length; at += result.channels) {
            expect(levels[at + 1]).toBe(levels[at]);
            expect(levels[at + 2]).toBe(levels[at]);
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("pictures in scratch files are cut and stitched strip by strip", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-arranging-"));
  folders.push(folder);
  let files = 0;
  const context = pixelContext({ scratch: (extension) => join(folder, `${files++}${extension}`) });
  const [width, height] = [4000, 3000];
  const level = (x: number, y: number) => (Math.floor(x / 8) * 50 + Math.floor(y / 8) * 7) % 60_000;
  const picture = pictureOf(width, height, level, { bitDepth: 16 });
  const [[large]] = await runNode(imageInvert, { image: [picture] }, context);
  expect(typeof large!.data).toBe("string");
  const [[part]] = await runNode(imageCrop, { image: [large!], x: 9, y: 9, width, height: 2900 }, context);
  expect(typeof part!.data).toBe("string");
  const layout = { ...beside, match_image_size: true, direction: "down" } as const;
  const [[tall]] = await runNode(imageStitch, { image1: [part!], image2: [large!], ...layout }, context);
  expect(tall).toMatchObject({ width: width - 9, bitDepth: 16 });
  const [[corner]] = await runNode(
    imageCrop,
    { image: [tall!], x: 100, y: 2890, width: 3, height: 10 },
    context,
  );
  const expected = Array.from({ length: 10 }, (_, y) =>
    [0, 1, 2].map((x) => 65_535 - level(x + 109, y + 2899)),
  );
  expect(await rows(corner!)).toEqual(expected);
});
