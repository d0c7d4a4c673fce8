import { expect, test } from "vitest";
import { type Picture, readLab } from "../../imaging/index.ts";
import { pictureOf, runNode } from "../testing.ts";
import { lightDenoise } from "./light-denoise.ts";

const [width, height] = [120, 80];
/** Numbers that look like noise, the same every time: −1 to 1. */
const noiseAt = (x: number, y: number) => {
  const value = Math.sin(x * 12.9898 + y * 78.233) * 43758.5453;
  return 2 * (value - Math.floor(value)) - 1;
};
/** Two tones with an edge at 60, and noise of so many levels. */
const noisy = (levels: number, bitDepth: 8 | 16 = 8, tint = 0) =>
  pictureOf(
    width,
    height,
    (x, y, channel) =>
      Math.round(
        (bitDepth === 8 ? 1 : 257) *
          ((x < 60 ? 80 : 170) + levels * noiseAt(x, y) + tint * noiseAt(x + 500 * channel, y)),
      ),
    { bitDepth },
  );

async function planesOf(picture: Picture) {
  return readLab(picture, 0, picture.height);
}

function statistics(plane: Float32Array, left: number, right: number) {
  const values = [...plane].filter((_, i) => i % width >= left && i % width < right);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

test.each([8, 16] as const)(
  "%i bit: noise falls, the edge keeps its contrast and place",
  async (bitDepth) => {
    const picture = noisy(12, bitDepth);
    const [[result]] = await runNode(lightDenoise, { image: [picture], strength: 1 });
    const [before, after] = [await planesOf(picture), await planesOf(result!)];
    for (const [left, right] of [
      [5, 50],
      [70, 115],
    ] as const) {
      const [was, is] = [statistics(before.L, left, right), statistics(after.L, left, right)];
      expect(is.deviation).toBeLessThan(0.45 * was.deviation);
      expect(is.mean).toBeCloseTo(was.mean, 0);
    }
    const contrast = ({ L }: typeof before) => statistics(L, 64, 110).mean - statistics(L, 10, 56).mean;
    expect(contrast(after) / contrast(before)).toBeCloseTo(1, 2);
    // Between two neighbouring columns; a mean over as many pixels would leave a seventh.
    const step = ({ L }: typeof before) => statistics(L, 60, 61).mean - statistics(L, 59, 60).mean;
    expect(step(after) / step(before)).toBeGreaterThan(0.9);
  },
);

test("by default about half of the grain stays, in its place", async () => {
  const picture = noisy(12);
  const [[result]] = await runNode(lightDenoise, { image: [picture], strength: 0.5 });
  const [before, after] = [(await planesOf(picture)).L, (await planesOf(result!)).L];
  const [was, is] = [statistics(before, 5, 50), statistics(after, 5, 50)];
  expect(is.deviation / was.deviation).toBeGreaterThan(0.5);
  expect(is.deviation / was.deviation).toBeLessThan(0.8);
  let together = 0;
  let count = 0;
  for (let i = 0; i < before.length; i++) {
    if (i % width < 5 || i % width >= 50) continue;
    together += (before[i]! - was.mean) * (after[i]! - is.mean);
    count++;
  }
  expect(together / count / (was.deviation * is.deviation)).toBeGreaterThan(0.9);
});

test("noise in the colours falls, too, and grey stays grey", async () => {
  const picture = noisy(0, 8, 10);
  const [[result]] = await runNode(lightDenoise, { image: [picture], strength: 1 });
  const [before, after] = [await planesOf(picture), await planesOf(result!)];
  for (const channel of ["a", "b"] as const) {
    const [was, is] = [statistics(before[channel], 5, 50), statistics(after[channel], 5, 50)];
    expect(is.deviation).toBeLessThan(0.5 * was.deviation);
  }
  const [[grey]] = await runNode(lightDenoise, { image: [noisy(12)], strength: 1 });
  const { a, b } = await planesOf(grey!);
  expect(a.every((value) => value === 0) && b.every((value) => value === 0)).toBe(true);
});

test("a picture smaller than its windows comes through", async () => {
  const [[result]] = await runNode(lightDenoise, {
    image: [pictureOf(2, 1, (x) => 90 + 20 * x)],
    strength: 1,
  });
  expect([result?.width, result?.height]).toEqual([2, 1]);
});
