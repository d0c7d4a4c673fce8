import { expect, test } from "vitest";
import { type Picture, readLab } from "../../imaging/index.ts";
import { levelsOf, pictureOf, runNode } from "../testing.ts";
import { autoLevels } from "./auto-levels.ts";

/** A faded print: everything between two greys. */
const faded = pictureOf(200, 100, (x) => 80 + Math.round((x / 199) * 100));
const lightness = async (picture: Picture) => (await readLab(picture, 0, picture.height)).L;

test("a faded print reaches from black to white, and the order of its tones stays", async () => {
  const [[result]] = await runNode(autoLevels, { image: [faded], clip: 0, strength: 1 });
  const L = await lightness(result!);
  expect(L[0]).toBeLessThan(1);
  expect(L[199]).toBeGreaterThan(99);
  for (let x = 1; x < 200; x++) expect(L[x]).toBeGreaterThanOrEqual(L[x - 1]!);
  // Lightness is stretched evenly.
  const before = await lightness(faded);
  const expected = (100 * (before[60]! - before[0]!)) / (before[199]! - before[0]!);
  expect(Math.abs(L[60]! - expected)).toBeLessThan(1);
});

test("clip is the share that may become black or white", async () => {
  const [[result]] = await runNode(autoLevels, { image: [faded], clip: 10, strength: 1 });
  const L = await lightness(result!);
  const share = (isSo: (value: number) => boolean) => L.filter(isSo).length / L.length;
  expect(share((value) => value < 0.5)).toBeCloseTo(0.1, 1);
  expect(share((value) => value > 99.5)).toBeCloseTo(0.1, 1);
});

test("a few specks do not keep a print from being stretched", async () => {
  const specked = pictureOf(200, 100, (x, y) => {
    if (x === 50 && y % 50 === 9) return y < 50 ? 0 : 255;
    return 80 + Math.round((x / 199) * 100);
  });
  const [[result]] = await runNode(autoLevels, { image: [specked], clip: 0.5, strength: 1 });
  expect((await lightness(result!))[0]).toBeLessThan(1);
});

test("half the strength goes half the way", async () => {
  const [[half]] = await runNode(autoLevels, { image: [faded], clip: 0, strength: 0.5 });
  const [before, after] = [await lightness(faded), await lightness(half!)];
  expect(Math.abs(after[0]! - before[0]! / 2)).toBeLessThan(0.5);
});

test("an even page stays as it is", async () => {
  const page = pictureOf(50, 50, (x) => 120 + (x % 2));
  const [[result]] = await runNode(autoLevels, { image: [page], clip: 0.5, strength: 1 });
  expect(await levelsOf(result!)).toEqual(await levelsOf(page));
});
