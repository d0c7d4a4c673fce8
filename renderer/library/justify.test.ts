import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boxOf, justify, type Measures, photoBeside, photosIn, type Rows, rowAt } from "./justify.ts";

const measures: Measures = { width: 1000, rowHeight: 190, gap: 4, headingHeight: 44 };
const ratios = fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 300 });
const sections = (count: number) =>
  fc.uniqueArray(fc.nat(Math.max(0, count - 1)), { maxLength: 12 }).map((all) => all.sort((a, b) => a - b));
const anything = ratios.chain((all) =>
  fc.record({
    shapes: fc.record({
      ratios: fc.constant(all),
      headings: all.length === 0 ? fc.constant<number[]>([]) : sections(all.length),
    }),
    measures: fc.record({
      width: fc.integer({ min: 60, max: 4000 }),
      rowHeight: fc.integer({ min: 80, max: 500 }),
      gap: fc.integer({ min: 0, max: 12 }),
      headingHeight: fc.integer({ min: 20, max: 60 }),
    }),
  }),
);
/** Rows of photos, as lists of photos. */
function photoRows(rows: Rows): number[][] {
  return [...rows.heading].flatMap((heading, row) =>
    heading === -1 ? [Array.from({ length: rows.photos[row]! }, (_, at) => rows.first[row]! + at)] : [],
  );
}
const clamped = (ratio: number) => Math.min(6, Math.max(0.3, ratio / 1000));

describe("justified rows", () => {
  test("hold every photo once, in order, and every heading before its section", () => {
    fc.assert(
      fc.property(anything, ({ shapes, measures }) => {
        const rows = justify(shapes, measures);
        expect(photoRows(rows).flat()).toEqual(shapes.ratios.map((_, at) => at));
        for (const [at, start] of shapes.headings.entries()) {
          const row = rows.heading.indexOf(at);
          expect(rows.first[row]).toBe(start);
          expect(rows.row[start]).toBe(row + 1);
        }
      }),
    );
  });

  test("fill the width to the pixel, but for the last of a section, and lie below each other", () => {
    fc.assert(
      fc.property(anything, ({ shapes, measures }) => {
        const rows = justify(shapes, measures);
        const ends = new Set([...shapes.headings, shapes.ratios.length].map((start) => start - 1));
        for (const photos of photoRows(rows)) {
          // Where even one pixel a photo is too much, nothing can fill the width.
          if (photos.length > measures.width / (measures.gap + 2)) continue;
          photos.forEach((photo, at) => {
            const box = boxOf(rows, photo);
            const before = at === 0 ? undefined : boxOf(rows, photos[at - 1]!);
            expect(box.left).toBe(before === undefined ? 0 : before.left + before.width + measures.gap);
          });
          const last = boxOf(rows, photos.at(-1)!);
          if (ends.has(photos.at(-1)!))
            expect(last.left + last.width).toBeLessThanOrEqual(measures.width + 1);
          else expect(last.left + last.width).toBe(measures.width);
        }
        for (let row = 1; row < rows.count; row++) {
          const gap = rows.heading[row - 1] === -1 ? measures.gap : 0;
          expect(rows.top[row]).toBe(rows.top[row - 1]! + rows.rowHeight[row - 1]! + gap);
        }
      }),
    );
  });

  test("keep the photos' proportions within the rounding of a pixel", () => {
    fc.assert(
      fc.property(anything, ({ shapes, measures }) => {
        const rows = justify(shapes, measures);
        shapes.ratios.forEach((ratio, photo) => {
          const { width, height } = boxOf(rows, photo);
          if (height < 3) return;
          expect(Math.abs(width - clamped(ratio) * height)).toBeLessThanOrEqual(1.01 + clamped(ratio) / 2);
        });
      }),
    );
  });

  test("are near the height that was wished for usual photos", () => {
    const usual = fc.array(fc.integer({ min: 600, max: 1800 }), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(usual, fc.integer({ min: 900, max: 3000 }), (all, width) => {
        const rows = justify({ ratios: all, headings: [] }, { ...measures, width });
        for (const height of rows.rowHeight) {
          expect(height).toBeGreaterThan(190 / 1.5);
          expect(height).toBeLessThan(190 * 1.5);
        }
      }),
    );
  });

  test("stay where they are when photos are added at the end, and come back after a resize", () => {
    fc.assert(
      fc.property(ratios, ratios, (some, more) => {
        const before = justify({ ratios: some, headings: [] }, measures);
        const after = justify({ ratios: [...some, ...more], headings: [] }, measures);
        const settled = Math.max(0, before.count - 1);
        expect([...after.top.subarray(0, settled)]).toEqual([...before.top.subarray(0, settled)]);
        expect([...after.first.subarray(0, settled)]).toEqual([...before.first.subarray(0, settled)]);
        justify({ ratios: some, headings: [] }, { ...measures, width: 733 });
        expect(justify({ ratios: some, headings: [] }, measures)).toEqual(before);
      }),
    );
  });

  test("never become higher than a browser can scroll", () => {
    const rows = justify(
      { ratios: new Uint16Array(300_000).fill(1000), headings: [] },
      { width: 640, rowHeight: 500, gap: 4, headingHeight: 44 },
    );
    expect(rows.height).toBeLessThanOrEqual(30_000_000);
    expect(rows.row.at(-1)).toBe(rows.count - 1);
  });

  test("no photos, no rows", () => {
    expect(justify({ ratios: [], headings: [] }, measures)).toMatchObject({ count: 0, height: 0 });
  });
});

describe("finding one's way in rows", () => {
  test("the row at a height is the one that is there", () => {
    fc.assert(
      fc.property(anything, fc.double({ min: 0, max: 1, noNaN: true }), ({ shapes, measures }, share) => {
        const rows = justify(shapes, measures);
        if (rows.count === 0) return;
        const y = Math.floor(share * (rows.height - 1));
        const row = rowAt(rows, y);
        expect(rows.top[row]).toBeLessThanOrEqual(y);
        if (row < rows.count - 1) expect(rows.top[row + 1]).toBeGreaterThan(y);
      }),
    );
  });

  test("down and up go a row of photos further, over headings, and stop at the borders", () => {
    const rows = justify({ ratios: new Array(40).fill(1000), headings: [0, 12] }, measures);
    const below = photoBeside(rows, 2, 1);
    expect(rows.row[below]).toBe(rows.row[2]! + 1);
    expect(boxOf(rows, below).left).toBe(boxOf(rows, 2).left);
    expect(photoBeside(rows, below, -1)).toBe(2);
    expect(photoBeside(rows, 2, -1)).toBe(2);
    expect(rows.row[photoBeside(rows, 0, 1000)]).toBe(rows.count - 1);
    const overHeading = photoBeside(rows, 11, 1);
    expect(overHeading).toBeGreaterThanOrEqual(12);
  });

  test("a rectangle finds what it touches and nothing else", () => {
    const box = fc.record({
      left: fc.integer({ min: 0, max: 900 }),
      top: fc.integer({ min: 0, max: 5000 }),
      width: fc.integer({ min: 0, max: 900 }),
      height: fc.integer({ min: 0, max: 3000 }),
    });
    fc.assert(
      fc.property(anything, box, ({ shapes, measures }, rect) => {
        const rows = justify(shapes, measures);
        const touched = shapes.ratios.flatMap((_, photo) => {
          const one = boxOf(rows, photo);
          const isTouched =
            one.left <= rect.left + rect.width &&
            one.left + one.width >= rect.left &&
            one.top <= rect.top + rect.height &&
            one.top + one.height >= rect.top;
          return isTouched ? [photo] : [];
        });
        expect(photosIn(rows, rect)).toEqual(touched);
      }),
    );
  });
});
