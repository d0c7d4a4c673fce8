import fc from "fast-check";
import { expect, it } from "vitest";
import { levelSize, TILE_SIDE, tileGroup, tileLevels } from "./displayed.ts";

const side = fc.integer({ min: 1, max: 60_000 });

it("a pyramid ends at full size, each level twice the one below, the lowest in one tile", () => {
  fc.assert(
    fc.property(side, side, (width, height) => {
      const levels = tileLevels(width, height);
      expect(levelSize(width, height, levels - 1)).toEqual({ width, height });
      for (let level = levels - 1; level > 0; level--) {
        const above = levelSize(width, height, level);
        expect(Math.max(above.width, above.height)).toBeGreaterThan(TILE_SIDE);
        // As libvips halves: rounded up.
        expect(levelSize(width, height, level - 1)).toEqual({
          width: Math.ceil(above.width / 2),
          height: Math.ceil(above.height / 2),
        });
      }
      const whole = levelSize(width, height, 0);
      expect(Math.max(whole.width, whole.height)).toBeLessThanOrEqual(TILE_SIDE);
    }),
  );
});

it("levels that are made apart from the others are the large ones", () => {
  const groups = [0, 1, 2, 3, 4, 9].map(tileGroup);
  expect(groups).toEqual(["overview", "overview", "overview", "deep", "deep", "deep"]);
});
