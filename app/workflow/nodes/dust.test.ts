import { expect, test } from "vitest";
import { type Picture, readLab } from "../../imaging/index.ts";
import { levelsOf, pictureOf, runNode } from "../testing.ts";
import { dust } from "./dust.ts";

const [width, height] = [120, 100];
const grain = (x: number, y: number) => ((x * 7919 + y * 104729 + x * y * 13) % 9) - 4;
/** A slope with some grain, and something on it. */
const withThing = (thing: (x: number, y: number) => number | undefined) =>
  pictureOf(width, height, (x, y) => thing(x, y) ?? 90 + Math.round(x / 4) + grain(x, y));
const clean = withThing(() => undefined);
const settings = { size: 3, threshold: 20 };

async function lightness(picture: Picture) {
  return (await readLab(picture, 0, height)).L;
}

/** The largest difference of lightness. */
async function distance(one: Picture, other: Picture): Promise<number> {
  const [before, after] = [await lightness(one), await lightness(other)];
  return before.reduce((most, L, i) => Math.max(most, Math.abs(L - after[i]!)), 0);
}

test.each([
  ["a light speck", (x: number, y: number) => (Math.hypot(x - 40, y - 50) < 2 ? 250 : undefined)],
  ["a dark speck", (x: number, y: number) => (Math.hypot(x - 40, y - 50) < 2 ? 5 : undefined)],
  ["a speck at the edge", (x: number, y: number) => (x < 2 && Math.abs(y - 50) < 2 ? 250 : undefined)],
  [
    "a soft speck",
    (x: number, y: number) => {
      const place = Math.hypot(x - 40, y - 50);
      return place > 2.5 ? undefined : Math.round(240 - 40 * place);
    },
  ],
  [
    "a short hair",
    (x: number, y: number) => (y === 30 + Math.round(x / 5) && x >= 50 && x < 66 ? 240 : undefined),
  ],
] as const)("%s is gone, without a trace", async (_, thing) => {
  const picture = withThing(thing);
  expect(await distance(picture, clean)).toBeGreaterThan(25);
  const [[result]] = await runNode(dust, { image: [picture], ...settings });
  expect(await distance(result!, clean)).toBeLessThan(6);
});

test.each([
  ["grain", () => undefined],
  ["a thin line", (x: number, y: number) => (y === 40 ? 230 : x < 0 ? 0 : undefined)],
  ["a slanting line", (x: number, y: number) => (Math.abs(x - y) < 1 ? 20 : undefined)],
  [
    "an edge and its corners",
    (x: number, y: number) => (x > 30 && x < 80 && y > 20 && y < 70 ? 230 : undefined),
  ],
  ["a spot that is too large", (x: number, y: number) => (Math.hypot(x - 60, y - 50) < 9 ? 240 : undefined)],
  ["a weave", (x: number, y: number) => ((x >> 1) % 3 === 0 && (y >> 1) % 3 === 0 ? 200 : undefined)],
  ["a faint speck", (x: number, y: number) => (Math.hypot(x - 40, y - 50) < 2 ? 125 : undefined)],
] as const)("%s stays as it is", async (_, thing) => {
  const picture = withThing(thing);
  const [[result]] = await runNode(dust, { image: [picture], ...settings });
  expect(await levelsOf(result!)).toEqual(await levelsOf(picture));
});

test("a speck in colour takes the colour around it", async () => {
  const picture = pictureOf(60, 60, (x, y, channel) => {
    const isSpeck = Math.hypot(x - 30, y - 30) < 2;
    return isSpeck ? 245 : [120, 60, 30][channel]!;
  });
  const [[result]] = await runNode(dust, { image: [picture], ...settings });
  const levels = await levelsOf(result!);
  for (const [i, level] of levels.entries()) {
    expect(Math.abs(level - [120, 60, 30][i % 3]!)).toBeLessThanOrEqual(1);
  }
});

test("the size is the width of the widest specks", async () => {
  const speck = withThing((x, y) => (Math.hypot(x - 60, y - 50) < 5 ? 240 : undefined));
  const [[small]] = await runNode(dust, { image: [speck], size: 3, threshold: 20 });
  expect(await distance(small!, speck)).toBe(0);
  const [[large]] = await runNode(dust, { image: [speck], size: 10, threshold: 20 });
  expect(await distance(large!, clean)).toBeLessThan(6);
});
