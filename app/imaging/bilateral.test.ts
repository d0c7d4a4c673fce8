import { expect, test } from "vitest";
import { filterAlong } from "./bilateral.ts";
import { distance, randomNumbers } from "./testing.ts";

const LIKENESS = { narrowness: 1 / 14 ** 2, floor: 0.02 };

function planes(width: number, height: number, seed: number): [Float32Array, Float32Array, Float32Array] {
  const random = randomNumbers(seed);
  const plane = (reach: number) => new Float32Array(width * height).map(() => random(1000) * (reach / 1000));
  return [plane(60), plane(1), plane(1)];
}

test.each([
  [1, 1],
  [3, 2],
  [32, 32],
  [37, 21],
])("%i × %i: what the formula says", (width, height) => {
  const [guide, a, b] = planes(width, height, 7);
  const filtered = filterAlong([guide, a, b], width, height, LIKENESS);
  for (const [i, plane] of [a, b].entries()) {
    const expected = plane.map((_, index) => {
      const [x, y] = [index % width, Math.floor(index / width)];
      let total = 0;
      let sum = 0;
      for (let v = -2; v <= 2; v++) {
        for (let u = -2; u <= 2; u++) {
          const row = Math.min(height - 1, Math.max(0, y + v));
          const column = Math.min(width - 1, Math.max(0, x + u));
          const at = row * width + column;
          const bell = Math.max(0, 1 - ((guide[at]! - guide[index]!) / 14) ** 2) ** 2;
          const weight = Math.exp(-(u * u + v * v) / 4) * (0.02 + bell);
          total += weight;
          sum += weight * plane[at]!;
        }
      }
      return sum / total;
    });
    expect(distance(filtered[i]!, expected).most).toBeLessThan(1e-5);
  }
});

test("an even colour stays, and no colour appears that was not there", () => {
  const [guide, a] = planes(40, 30, 3);
  const even = new Float32Array(40 * 30).fill(0.25);
  const [filteredA, filteredEven] = filterAlong([guide, a, even], 40, 30, LIKENESS);
  expect(distance(filteredEven, even).most).toBeLessThan(1e-6);
  expect(Math.min(...filteredA)).toBeGreaterThanOrEqual(Math.min(...a));
  expect(Math.max(...filteredA)).toBeLessThanOrEqual(Math.max(...a));
});
