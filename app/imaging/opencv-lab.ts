// L as OpenCV's float conversion gives it: interpolated between the colours of a coarse table, up to 0.23 L off the formula.
// The official pipeline has its lightness from there. Reproduced within 0.01 L; only parity mode wants it.
// Must never: know about files.
import { LUMINANCE, lightnessOf, toLinear } from "./lab.ts";

/** Levels of a channel in the table. */
const SIDE = 33;
/** Steps from one of them to the next. */
const STEPS = 16;
/** Levels and L are reckoned in so many parts of their range. */
const PARTS = 1 << 14;

let table: Uint16Array | undefined;

/** L 0–100 of an sRGB colour 0–1, as cv2.cvtColor(…, COLOR_RGB2Lab) gives it for float32. */
export function opencvLightness(red: number, green: number, blue: number): number {
  table ??= makeTable();
  const [r, g, b] = [place(red), place(green), place(blue)];
  let sum = 0;
  for (let corner = 0; corner < 8; corner++) {
    const [i, j, k] = [corner >> 2, (corner >> 1) & 1, corner & 1];
    const weight = share(r, i) * share(g, j) * share(b, k);
    if (weight > 0) sum += weight * table[(at(r, i) * SIDE + at(g, j)) * SIDE + at(b, k)]!;
  }
  return (Math.round(sum / STEPS ** 3) * 100) / PARTS;
}

/** A level in steps of the table. */
function place(level: number): number {
  return Math.floor((Math.round(level * PARTS) * STEPS * (SIDE - 1)) / PARTS);
}

/** The table's level below (0) or above (1). */
function at(place: number, side: number): number {
  return Math.floor(place / STEPS) + side;
}

/** How much it counts, in steps. */
function share(place: number, side: number): number {
  const above = place % STEPS;
  return side === 1 ? above : STEPS - above;
}

function makeTable(): Uint16Array {
  const light = Float64Array.from({ length: SIDE }, (_, i) => toLinear(i / (SIDE - 1)));
  const [y0, y1, y2] = LUMINANCE;
  return Uint16Array.from({ length: SIDE ** 3 }, (_, index) => {
    const r = Math.floor(index / SIDE ** 2);
    const g = Math.floor(index / SIDE) % SIDE;
    const luminance = y0 * light[r]! + y1 * light[g]! + y2 * light[index % SIDE]!;
    return Math.round((lightnessOf(luminance) * PARTS) / 100);
  });
}
