import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { networkSize, roundModelSize } from "./size.ts";

const ANY = { multiple: 32, standard: 512 };
const side = fc.integer({ min: 1, max: 5000 });

describe("the network's input size", () => {
  it("is a multiple of 32 from 64 to 2048, as near as can be", () => {
    fc.assert(
      fc.property(side, (wished) => {
        const rounded = roundModelSize(wished);
        expect(rounded % 32).toBe(0);
        expect(rounded).toBeGreaterThanOrEqual(64);
        expect(rounded).toBeLessThanOrEqual(2048);
        if (wished >= 64 && wished <= 2048) expect(Math.abs(rounded - wished)).toBeLessThanOrEqual(16);
      }),
    );
    expect([460, 680, 1280].map(roundModelSize)).toEqual([448, 672, 1280]);
  });

  it("squeezes into a square as the official pipeline does", () => {
    expect(networkSize(ANY, { width: 3000, height: 1000 }, 512, false)).toEqual({ width: 512, height: 512 });
  });

  it("follows the photo's shape within half a step, at about the same area", () => {
    const dimension = fc.integer({ min: 1, max: 30000 });
    fc.assert(
      fc.property(dimension, dimension, fc.constantFrom(256, 384, 512), (width, height, wished) => {
        const size = networkSize(ANY, { width, height }, wished, true);
        for (const edge of [size.width, size.height]) {
          expect(edge % 32).toBe(0);
          expect(edge).toBeGreaterThanOrEqual(64);
          expect(edge).toBeLessThanOrEqual(2048);
        }
        const aspect = width / height;
        if (aspect > 1 / 4 && aspect < 4) {
          expect(size.width * size.height).toBeGreaterThan(0.7 * wished ** 2);
          expect(size.width * size.height).toBeLessThan(1.4 * wished ** 2);
          expect(Math.abs(size.width - wished * Math.sqrt(aspect))).toBeLessThanOrEqual(16);
        }
      }),
    );
  });
});
