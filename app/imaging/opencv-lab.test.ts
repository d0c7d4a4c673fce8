import { expect, test } from "vitest";
import { LUMINANCE, lightnessOf, toLinear } from "./lab.ts";
import { opencvLightness } from "./opencv-lab.ts";
import { randomNumbers } from "./testing.ts";

/** Levels of 255, and what cv2.cvtColor of OpenCV 5.0 gave for them as float32. */
const GIVEN: readonly (readonly [readonly [number, number, number], number])[] = [
  [[241, 160, 175], 74.072],
  [[229, 148, 198], 70.752],
  [[213, 57, 14], 48.315],
  [[76, 72, 223], 40.302],
  [[233, 1, 127], 50.47],
  [[210, 33, 204], 50.793],
  [[30, 119, 209], 49.432],
  [[77, 87, 71], 35.565],
  [[184, 65, 253], 52.93],
  [[113, 122, 129], 50.537],
  [[149, 141, 130], 59.009],
  [[254, 206, 202], 86.67],
  [[179, 159, 87], 65.753],
  [[253, 119, 55], 65.094],
  [[216, 41, 219], 53.198],
  [[156, 29, 11], 33.917],
  [[113, 9, 36], 23.022],
  [[131, 248, 119], 88.446],
  [[0, 0, 0], 0],
  [[255, 255, 255], 100],
  [[255, 0, 0], 53.241],
  [[0, 0, 255], 32.294],
  [[0, 255, 0], 87.738],
  [[1, 1, 1], 0.275],
  [[3, 2, 5], 0.665],
  [[128, 128, 128], 53.583],
  [[200, 200, 200], 80.505],
  [[12, 12, 12], 3.424],
];

test.each(GIVEN)("L of %o is OpenCV's", (levels, L) => {
  const [r, g, b] = levels;
  expect(Math.abs(opencvLightness(r / 255, g / 255, b / 255) - L)).toBeLessThan(0.01);
});

test("it stays near the formula, and the formula would not do", () => {
  const random = randomNumbers(5);
  const distances = Array.from({ length: 3000 }, () => {
    const rgb = [random(256) / 255, random(256) / 255, random(256) / 255] as const;
    const [r, g, b] = rgb.map(toLinear) as [number, number, number];
    const formula = lightnessOf(LUMINANCE[0] * r + LUMINANCE[1] * g + LUMINANCE[2] * b);
    return Math.abs(opencvLightness(...rgb) - formula);
  });
  expect(Math.max(...distances)).toBeLessThan(0.25);
  expect(Math.max(...distances)).toBeGreaterThan(0.1);
});
