import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFaces, distinctFaces, type Face, isSame, within } from "./faces.ts";

const face: fc.Arbitrary<Face> = fc.record({
  x: fc.integer({ min: -50, max: 500 }),
  y: fc.integer({ min: -50, max: 500 }),
  width: fc.integer({ min: 1, max: 300 }),
  height: fc.integer({ min: 1, max: 300 }),
  score: fc.float({ min: 0, max: 1, noNaN: true }),
});

describe("boxes of the face network", () => {
  it("lie where its numbers say: offsets from the cell's centre, sizes, in pixels of the photograph", () => {
    // Two cells in a row; the second is sure of a face 8 wide and 12 high, 1 right and 2 below its centre.
    const boxes = new Float32Array(2 * 16);
    boxes.set([1, 2, 8, 12], 16);
    const scores = Float32Array.from([-9, 9]);
    const [found, ...others] = decodeFaces({ boxes, scores }, 2, 10, 0.5);
    expect(others).toEqual([]);
    // Cell 1 has its centre at 6, 2.
    expect(found).toMatchObject({ x: (6 + 1) * 10 - 40, y: (2 + 2) * 10 - 60, width: 80, height: 120 });
    expect(found?.score).toBeCloseTo(1, 3);
  });

  it("are dropped where they are unsure, or no box at all", () => {
    const boxes = new Float32Array(3 * 16);
    boxes.set([0, 0, 8, -3], 0);
    boxes.set([0, 0, Number.NaN, 8], 16);
    boxes.set([0, 0, 8, 8], 32);
    expect(decodeFaces({ boxes, scores: Float32Array.from([9, 9, -9]) }, 3, 1, 0.5)).toEqual([]);
  });
});

describe("one box for each face", () => {
  it("keeps the surest of those that lie over one another, and all that do not", () => {
    fc.assert(
      fc.property(fc.array(face, { maxLength: 30 }), (faces) => {
        const kept = distinctFaces(faces);
        for (const [place, one] of kept.entries()) {
          for (const other of kept.slice(place + 1)) {
            expect(isSame(one, other)).toBe(false);
            expect(one.score).toBeGreaterThanOrEqual(other.score);
          }
        }
        for (const one of faces) {
          expect(
            kept.some((other) => other === one || (isSame(one, other) && other.score >= one.score)),
          ).toBe(true);
        }
      }),
    );
  });

  it("is the part that is in the picture", () => {
    fc.assert(
      fc.property(
        face,
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 400 }),
        (one, width, height) => {
          const inside = within(one, width, height);
          if (inside === undefined) {
            expect(
              one.x + one.width <= 0 || one.y + one.height <= 0 || one.x >= width || one.y >= height,
            ).toBe(true);
            return;
          }
          expect(inside.x).toBeGreaterThanOrEqual(0);
          expect(inside.x + inside.width).toBeLessThanOrEqual(width);
          expect(inside.y + inside.height).toBeLessThanOrEqual(height);
          expect(inside.width).toBeGreaterThan(0);
        },
      ),
    );
  });
});
