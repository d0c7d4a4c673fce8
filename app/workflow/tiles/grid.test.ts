import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settledBy, shareOf, tilesAlong } from "./grid.ts";

const sides = fc.record({
  length: fc.integer({ min: 1, max: 5000 }),
  tile: fc.integer({ min: 1, max: 700 }),
  overlap: fc.integer({ min: 0, max: 600 }),
  scale: fc.integer({ min: 1, max: 8 }),
});

describe("tiles along a side", () => {
  it("cover the picture, lie inside it and overlap as wished, at most by half", () => {
    fc.assert(
      fc.property(sides, ({ length, tile, overlap }) => {
        const { starts } = tilesAlong(length, tile, overlap);
        expect(starts[0]).toBe(0);
        if (starts.length === 1) expect(tile).toBeGreaterThanOrEqual(length);
        else expect(starts.at(-1)! + tile).toBe(length);
        for (const [i, start] of starts.slice(1).entries()) {
          expect(starts[i]! + tile - start).toBeGreaterThanOrEqual(Math.min(overlap, Math.floor(tile / 2)));
          expect(start).toBeGreaterThan(starts[i]!);
        }
      }),
    );
  });

  it("count for 1 together at every pixel of the result", () => {
    fc.assert(
      fc.property(sides, ({ length, tile, overlap, scale }) => {
        const side = tilesAlong(length, tile, overlap);
        const sum = new Float64Array(length * scale);
        for (const index of side.starts.keys()) {
          const { from, weights } = shareOf(side, index, scale);
          expect(weights.every((weight) => weight >= 0)).toBe(true);
          for (const [i, weight] of weights.entries()) sum[from + i]! += weight;
        }
        expect(sum.every((weight) => Math.abs(weight - 1) < 1e-9)).toBe(true);
      }),
    );
  });

  it("never count near an edge that another tile covers", () => {
    const side = tilesAlong(1000, 128, 32);
    for (const [index, start] of side.starts.entries()) {
      const { from, weights } = shareOf(side, index, 2);
      if (index > 0) expect(from).toBeGreaterThanOrEqual((start + 8) * 2);
      if (index < side.starts.length - 1)
        expect(from + weights.length).toBeLessThanOrEqual((start + 128 - 8) * 2);
    }
  });

  it("settle what no later tile has a share in", () => {
    fc.assert(
      fc.property(sides, ({ length, tile, overlap, scale }) => {
        const side = tilesAlong(length, tile, overlap);
        for (const index of side.starts.keys()) {
          const settled = settledBy(side, index, scale);
          if (index + 1 < side.starts.length)
            expect(shareOf(side, index + 1, scale).from).toBeGreaterThanOrEqual(settled);
          else expect(settled).toBe(length * scale);
          // Only the tile before this one may have a share in what it settles anew.
          if (index > 1) {
            const { from, weights } = shareOf(side, index - 2, scale);
            expect(from + weights.length).toBeLessThanOrEqual(settledBy(side, index - 1, scale));
          }
        }
      }),
    );
  });
});
