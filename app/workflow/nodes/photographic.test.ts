// What all nodes that change pictures in Lab have in common.
import { expect, test } from "vitest";
import { type Making, type Picture, readLab } from "../../imaging/index.ts";
import { NODES } from "../library.ts";
import type { Images, PixelContext } from "../node.ts";
import { levelsOf, pictureOf, pixelContext, runNode } from "../testing.ts";
import { autoLevels } from "./auto-levels.ts";
import { colourHints } from "./colour-hints.ts";
import { descreen } from "./descreen.ts";
import { dust } from "./dust.ts";
import { filmGrain } from "./film-grain.ts";
import { lightDenoise } from "./light-denoise.ts";
import { referenceColours } from "./reference-colours.ts";
import { saturation } from "./saturation.ts";
import { whiteBalance } from "./white-balance.ts";

type Run = (image: Images, context?: PixelContext) => Promise<readonly [Images]>;

/** Something of everything: shades, colours, an edge, grain, a speck. */
function photo(bitDepth: 8 | 16, channels: 3 | 4 = 3): Picture {
  const top = bitDepth === 8 ? 255 : 65535;
  return pictureOf(
    90,
    70,
    (x, y, channel) => {
      if (channel === 3) return Math.round((top * y) / 70);
      if (Math.hypot(x - 20, y - 30) < 2) return top;
      const grain = ((x * 7919 + y * 104729 + x * y * 31) % 17) / 17 - 0.5;
      const shade = x < 45 ? 0.25 + 0.002 * y : 0.65 - 0.001 * x;
      return Math.round(top * (shade + 0.04 * grain + [0.05, 0, -0.06][channel]!));
    },
    { bitDepth, channels },
  );
}

const red = pictureOf(40, 40, (x, _y, channel) => (channel === 0 ? 180 + x : 60));
const hint = { points: "0.2,0.5,#c04020", colour: "#000000", reach: 0.4, mask: undefined };
const nothing: readonly (readonly [string, Run])[] = [
  ["light denoise", (image, context) => runNode(lightDenoise, { image, strength: 0 }, context)],
  ["descreen", (image, context) => runNode(descreen, { image, strength: 0, dot_size: 4 }, context)],
  ["dust", (image, context) => runNode(dust, { image, size: 3, threshold: 100 }, context)],
  ["auto levels", (image, context) => runNode(autoLevels, { image, clip: 0.5, strength: 0 }, context)],
  ["white balance", (image) => runNode(whiteBalance, { image, temperature: 0, tint: 0, auto: 0 })],
  ["saturation", (image) => runNode(saturation, { image, saturation: 0, vibrance: 0 })],
  ["film grain", (image) => runNode(filmGrain, { image, original: [red], amount: 0, size: 1.5 })],
  ["colour hints", (image) => runNode(colourHints, { ...hint, image, strength: 0 })],
  [
    "colour hints without hints",
    (image) => runNode(colourHints, { ...hint, points: "\n", image, strength: 1 }),
  ],
  ["reference colours", (image) => runNode(referenceColours, { image, reference: [red], strength: 0 })],
];
const chromaOnly: readonly (readonly [string, Run])[] = [
  ["warm", (image, c) => runNode(whiteBalance, { image, temperature: 0.7, tint: 0, auto: 0 }, c)],
  ["green", (image, c) => runNode(whiteBalance, { image, temperature: 0, tint: -1, auto: 0 }, c)],
  ["grey world", (image, c) => runNode(whiteBalance, { image, temperature: 0, tint: 0, auto: 1 }, c)],
  ["saturation", (image, c) => runNode(saturation, { image, saturation: 1, vibrance: 1 }, c)],
  ["pale", (image, c) => runNode(saturation, { image, saturation: -0.5, vibrance: -1 }, c)],
  ["colour hints", (image, c) => runNode(colourHints, { ...hint, image, strength: 1 }, c)],
  ["reference", (image, c) => runNode(referenceColours, { image, reference: [red], strength: 1 }, c)],
];
const others: readonly (readonly [string, Run])[] = [
  ["light denoise", (image, c) => runNode(lightDenoise, { image, strength: 0.6 }, c)],
  ["descreen", (image, c) => runNode(descreen, { image, strength: 1, dot_size: 4 }, c)],
  ["dust", (image, c) => runNode(dust, { image, size: 3, threshold: 15 }, c)],
  ["auto levels", (image, c) => runNode(autoLevels, { image, clip: 0.5, strength: 1 }, c)],
  ["film grain", (image, c) => runNode(filmGrain, { image, original: [red], amount: 1, size: 1.5 }, c)],
];

test.each(nothing)("%s at nothing gives the same picture", async (_, run) => {
  for (const bitDepth of [8, 16] as const) {
    const picture = { ...photo(bitDepth), lightnessOf: photo(bitDepth) };
    const [[result]] = await run([picture]);
    expect(result).toEqual(picture);
    expect(await levelsOf(result!)).toEqual(await levelsOf(picture));
  }
});

test.each(chromaOnly)("%s changes colours and leaves lightness", async (_, run) => {
  for (const bitDepth of [8, 16] as const) {
    const picture = photo(bitDepth);
    const [[result]] = await run([picture]);
    expect(await levelsOf(result!)).not.toEqual(await levelsOf(picture));
    const [before, after] = [await readLab(picture, 0, 70), await readLab(result!, 0, 70)];
    for (const [i, L] of before.L.entries()) expect(Math.abs(after.L[i]! - L)).toBeLessThanOrEqual(0.5);
    const withKept = { ...picture, lightnessOf: picture };
    expect((await run([withKept]))[0][0]?.lightnessOf).toBe(picture);
    expect("lightnessOf" in result!).toBe(false);
  }
});

test.each([...chromaOnly, ...others])(
  "%s keeps depth, alpha and what is known of a picture",
  async (_, run) => {
    const making: Making[] = [
      { model: "m", modelSha256: "0", device: "cpu", networkMs: 1, parameters: { modelWidth: 512 } },
    ];
    for (const bitDepth of [8, 16] as const) {
      const picture: Picture = { ...photo(bitDepth, 4), making, lightnessOf: photo(bitDepth) };
      const steps: (readonly [number, number])[] = [];
      const context = pixelContext({ progress: (value, max) => steps.push([value, max]) });
      const [results] = await run([picture, photo(bitDepth)], context);
      expect(results.map(({ bitDepth, channels }) => [bitDepth, channels])).toEqual([
        [bitDepth, 4],
        [bitDepth, 3],
      ]);
      const [before, after] = [await levelsOf(picture), await levelsOf(results[0]!)];
      expect(after).not.toEqual(before);
      expect(after.filter((_, i) => i % 4 === 3)).toEqual(before.filter((_, i) => i % 4 === 3));
      expect(results[0]!.making).toBe(making);
      expect(steps.at(-1)).toEqual([140, 140]);
      if (bitDepth === 16) {
        // More shades than 8 bits have: nothing went through 8 bits on the way.
        expect(new Set(after.filter((_, i) => i % 4 === 1)).size).toBeGreaterThan(500);
      }
    }
  },
);

test.each(others)("%s forgets whose lightness a picture had", async (_, run) => {
  const [[result]] = await run([{ ...photo(8), lightnessOf: photo(8) }]);
  expect(result).toBeDefined();
  expect("lightnessOf" in result!).toBe(false);
});

test.each([...chromaOnly, ...others])("%s stops when it is no longer wanted", async (_, run) => {
  const context = pixelContext({
    throwIfStopped: () => {
      throw new Error("stopped");
    },
  });
  await expect(run([photo(8)], context)).rejects.toThrow("stopped");
});

/** Repeats itself every 50 columns, so that a narrow and a wide one have the same statistics. */
const pattern = (width: number, seed: number) =>
  pictureOf(width, 20, (x, y) => {
    const grain = (((x % 50) * 7919 + y * 104729 + (x % 50) * y * seed) % 23) - 11;
    // A speck, and a line that is longer than a strip is high.
    if ((x % 50 === 9 && y % 8 > 5) || x % 50 === 38) return 250;
    return (x % 50 < 25 ? 70 : 170) + grain + y;
  });
const [narrow, wide] = [400, 84_000];
const [small, large] = [pattern(narrow, 3), pattern(wide, 3)];

test.each([
  ["light denoise", (image: Images) => runNode(lightDenoise, { image, strength: 1 })],
  ["descreen", (image: Images) => runNode(descreen, { image, strength: 1, dot_size: 5 })],
  ["dust", (image: Images) => runNode(dust, { image, size: 2, threshold: 10 })],
  [
    "film grain",
    (image: Images) => {
      const original = [pattern(image[0]?.width ?? 0, 5)];
      return runNode(filmGrain, { image, original, amount: 1, size: 3 });
    },
  ],
] as const)("%s does not show where a picture was cut into strips", async (_, run) => {
  // The narrow one is a single strip, the wide one has a strip every eight rows.
  const [[whole]] = await run([small]);
  const [[cut]] = await run([large]);
  const [expected, levels] = [await levelsOf(whole!), await levelsOf(cut!)];
  expect(expected).not.toEqual(await levelsOf(small));
  for (let y = 0; y < 20; y++) {
    for (let x = 0; x < narrow / 2; x++) {
      const difference = expected[(y * narrow + x) * 3]! - levels[(y * wide + x) * 3]!;
      if (Math.abs(difference) > 1) throw new Error(`${difference} levels at ${x}, ${y}`);
    }
  }
});

test("all are in the library, with words in both languages", () => {
  for (const node of [
    lightDenoise,
    descreen,
    dust,
    autoLevels,
    whiteBalance,
    saturation,
    filmGrain,
    colourHints,
    referenceColours,
  ]) {
    expect(NODES.get(node.class)).toBe(node);
    const words = Object.values(node.inputs).flatMap(({ label, tooltip }) => [label, tooltip]);
    for (const { en, zh } of [node.title, node.description, ...words]) {
      expect(en).toMatch(/^[A-Z0-9−]/);
      expect(zh).toMatch(/\p{Script=Han}/u);
    }
  }
});
