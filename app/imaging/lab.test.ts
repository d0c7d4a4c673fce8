import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fromLinear,
  gamutFactor,
  invert,
  labToLinear,
  labToRgb,
  multiply,
  rgbToLab,
  toLinear,
} from "./lab.ts";

const component = fc.double({ min: 0, max: 1, noNaN: true });
const lightness = fc.double({ min: 0, max: 100, noNaN: true });
const chroma = fc.double({ min: -128, max: 127, noNaN: true });

test("Lab and back gives the same RGB", () => {
  fc.assert(
    fc.property(component, component, component, (red, green, blue) => {
      const back = labToRgb(...rgbToLab(red, green, blue));
      // CIE's curve is given with rounded constants: its two parts miss each other by some millionths.
      for (const [i, value] of [red, green, blue].entries()) expect(back[i]).toBeCloseTo(value, 4);
    }),
  );
});

test("a Lab colour inside of sRGB keeps its L, a and b", () => {
  fc.assert(
    fc.property(component, component, component, (red, green, blue) => {
      const lab = rgbToLab(red, green, blue);
      const again = rgbToLab(...labToRgb(...lab));
      for (const i of [0, 1, 2] as const) expect(Math.abs(again[i] - lab[i])).toBeLessThan(0.01);
    }),
  );
});

test("sRGB's gamma and its inverse agree", () => {
  fc.assert(
    fc.property(component, (value) => {
      expect(fromLinear(toLinear(value))).toBeCloseTo(value, 6);
    }),
  );
});

// Published values for D65 (two decimals), within what the rounded matrix allows.
test.each([
  ["white", [1, 1, 1], [100, 0, 0]],
  ["black", [0, 0, 0], [0, 0, 0]],
  ["red", [1, 0, 0], [53.24, 80.09, 67.2]],
  ["green", [0, 1, 0], [87.73, -86.18, 83.18]],
  ["blue", [0, 0, 1], [32.3, 79.19, -107.86]],
  ["yellow", [1, 1, 0], [97.14, -21.55, 94.48]],
  ["cyan", [0, 1, 1], [91.11, -48.09, -14.13]],
  ["magenta", [1, 0, 1], [60.32, 98.23, -60.82]],
] as const)("%s has the published Lab values", (_, rgb, lab) => {
  const found = rgbToLab(rgb[0], rgb[1], rgb[2]);
  for (const i of [0, 1, 2] as const) expect(Math.abs(found[i] - lab[i])).toBeLessThan(0.02);
});

// OpenCV's float conversion reads an interpolated table: up to 0.23 L, 0.30 a, 0.32 b from the formula.
test.each([
  ["red", [1, 0, 0], [53.24, 80.09, 67.2]],
  ["blue", [0, 0, 1], [32.29, 79.19, -107.86]],
  ["grey", [0.5, 0.5, 0.5], [53.387, 0, 0]],
] as const)("%s is as OpenCV has it, within OpenCV's own error", (_, rgb, lab) => {
  const found = rgbToLab(rgb[0], rgb[1], rgb[2]);
  for (const [i, tolerance] of [0.23, 0.3, 0.32].entries()) {
    expect(Math.abs(found[i]! - lab[i]!)).toBeLessThan(tolerance);
  }
});

test("greys are neutral to a millionth", () => {
  fc.assert(
    fc.property(component, (level) => {
      const [, a, b] = rgbToLab(level, level, level);
      expect(Math.hypot(a, b)).toBeLessThan(1e-3);
    }),
  );
});

test("the gamut factor gives a colour that exists, of the same lightness and hue", () => {
  fc.assert(
    fc.property(lightness, chroma, chroma, (L, a, b) => {
      const factor = gamutFactor(L, a, b);
      expect(factor).toBeGreaterThanOrEqual(0);
      expect(factor).toBeLessThanOrEqual(1);
      for (const light of labToLinear(L, a * factor, b * factor)) {
        expect(light).toBeGreaterThan(-1.01e-5);
        expect(light).toBeLessThan(1 + 1.01e-5);
      }
      const [newL, newA, newB] = rgbToLab(...labToRgb(L, a * factor, b * factor));
      expect(Math.abs(newL - L)).toBeLessThan(0.02);
      // Across the direction of (a, b): hue stays, up to what the slack of half a level lets through.
      const across = (newA * b - newB * a) / Math.max(1, Math.hypot(a, b));
      expect(Math.abs(across)).toBeLessThan(0.2);
    }),
    { numRuns: 1000 },
  );
});

test("the gamut factor leaves alone what exists, and takes no more than it must", () => {
  fc.assert(
    fc.property(component, component, component, (red, green, blue) => {
      const [L, a, b] = rgbToLab(red, green, blue);
      expect(gamutFactor(L, a, b)).toBe(1);
    }),
  );
  fc.assert(
    fc.property(lightness, chroma, chroma, (L, a, b) => {
      const factor = gamutFactor(L, a, b);
      if (factor === 1) return;
      const more = labToLinear(L, a * (factor + 1 / 1024), b * (factor + 1 / 1024));
      expect(more.some((light) => light < 0 || light > 1)).toBe(true);
    }),
  );
});

test("a matrix times its inverse is the identity", () => {
  const m = [0.4, 0.36, 0.18, 0.21, 0.72, 0.07, 0.02, 0.12, 0.95];
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  for (const [i, value] of multiply(m, invert(m)).entries()) expect(value).toBeCloseTo(identity[i]!, 12);
});
