import { expect, test } from "vitest";
import { boxMean, gaussian, smoothKeepingEdges } from "./planes.ts";

const plane = (width: number, height: number, at: (x: number, y: number) => number) =>
  Float32Array.from({ length: width * height }, (_, i) => at(i % width, Math.floor(i / width)));

test.each([1, 2, 9])(
  "a mean within %i is the mean that plain counting gives, also at the edges",
  (radius) => {
    const [width, height] = [7, 5];
    const values = plane(width, height, (x, y) => (x * 31 + y * 17) % 11);
    const expected = plane(width, height, (x, y) => {
      const near = [...values].filter(
        (_, i) => Math.abs((i % width) - x) <= radius && Math.abs(Math.floor(i / width) - y) <= radius,
      );
      return near.reduce((sum, value) => sum + value, 0) / near.length;
    });
    const means = boxMean(values, width, radius);
    for (const [i, value] of expected.entries()) expect(means[i]).toBeCloseTo(value, 4);
  },
);

test("a blur keeps a flat plane, and spreads a point by its sigma", () => {
  const flat = gaussian(new Float32Array(30).fill(40), 6, 2);
  for (const value of flat) expect(value).toBeCloseTo(40, 3);
  const point = gaussian(
    plane(31, 31, (x, y) => (x === 15 && y === 15 ? 1 : 0)),
    31,
    2,
  );
  const variance = point.reduce((sum, value, i) => sum + value * ((i % 31) - 15) ** 2, 0);
  expect(Math.sqrt(variance)).toBeCloseTo(2, 1);
  expect(point.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
});

test("small variation is smoothed away, an edge stays", () => {
  const values = plane(40, 10, (x, y) => (x < 20 ? 20 : 80) + ((x + y) % 2));
  const smooth = smoothKeepingEdges(values, 40, 2, 4);
  expect(Math.abs(smooth[5 * 40 + 5]! - smooth[5 * 40 + 6]!)).toBeLessThan(0.15);
  expect(smooth[5 * 40 + 20]! - smooth[5 * 40 + 19]!).toBeGreaterThan(57);
});
