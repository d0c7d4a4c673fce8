import { expect, test } from "vitest";
import { type Picture, readLab } from "../../imaging/index.ts";
import { levelsOf, pictureOf, runNode } from "../testing.ts";
import { filmGrain } from "./film-grain.ts";

const [width, height] = [80, 60];
const grain = (x: number, y: number) => ((x * 7919 + y * 104729 + x * y * 13) % 21) - 10;
const grainy = pictureOf(width, height, (x, y) => 120 + grain(x, y));
/** What a heavy filter left of it, coloured. */
const smooth = pictureOf(width, height, (_x, _y, channel) => [140, 118, 90][channel]!);

/** How much of the original's grain is in a picture: 1 all of it. */
async function share(picture: Picture): Promise<number> {
  const planes = [await readLab(picture, 0, height), await readLab(grainy, 0, height)].map(({ L }) => {
    const mean = L.reduce((sum, value) => sum + value, 0) / L.length;
    return L.map((value) => value - mean);
  });
  const [own, original] = [planes[0]!, planes[1]!];
  const dot = (one: Float32Array, other: Float32Array) =>
    one.reduce((sum, value, i) => sum + value * other[i]!, 0);
  return dot(own, original) / dot(original, original);
}

test.each([0.25, 0.5, 1])("%f of the grain is back, and no more", async (amount) => {
  expect(await share(smooth)).toBeCloseTo(0, 2);
  const [[result]] = await runNode(filmGrain, { image: [smooth], original: [grainy], amount, size: 3 });
  expect((await share(result!)) / amount).toBeGreaterThan(0.85);
  expect((await share(result!)) / amount).toBeLessThan(1.02);
  // A second time it changes nothing any more at full amount: grain does not add up.
  if (amount < 1) return;
  const [[again]] = await runNode(filmGrain, { image: [result!], original: [grainy], amount, size: 3 });
  expect(await share(again!)).toBeCloseTo(await share(result!), 1);
});

test("colours and tones stay", async () => {
  const [[result]] = await runNode(filmGrain, { image: [smooth], original: [grainy], amount: 1, size: 1.5 });
  const [before, after] = [await readLab(smooth, 0, height), await readLab(result!, 0, height)];
  const mean = (plane: Float32Array) => plane.reduce((sum, value) => sum + value, 0) / plane.length;
  for (const channel of ["L", "a", "b"] as const) {
    expect(Math.abs(mean(after[channel]) - mean(before[channel]))).toBeLessThan(0.3);
  }
  for (const channel of ["a", "b"] as const) {
    expect(after[channel].every((value, i) => Math.abs(value - before[channel][i]!) < 1.5)).toBe(true);
  }
});

test("an original of another size and depth is scaled to fit", async () => {
  const large = pictureOf(160, 120, (x, y) => 257 * (120 + grain(x >> 1, y >> 1)), { bitDepth: 16 });
  const [[result]] = await runNode(filmGrain, { image: [smooth], original: [large], amount: 1, size: 3 });
  expect(await share(result!)).toBeGreaterThan(0.6);
  expect(result!.bitDepth).toBe(8);
});

test("each picture has its own original, the last one serves the rest", async () => {
  const flat = pictureOf(width, height, () => 120);
  const image = [smooth, smooth, smooth];
  const [results] = await runNode(filmGrain, { image, original: [flat, grainy], amount: 1, size: 3 });
  expect(await share(results[0]!)).toBeCloseTo(0, 2);
  expect(await levelsOf(results[1]!)).toEqual(await levelsOf(results[2]!));
  expect(await share(results[2]!)).toBeGreaterThan(0.8);
});
