// Keeps the original's lightness through a JPEG's rounding.
//
// A JPEG of quality 100 rounds three times: colours to whole Y, Cb, Cr, their cosine coefficients to whole numbers, and
// what comes back to whole Y, Cb, Cr. Each changes about every twelfth sample by a level, and together they move L* by
// up to 1. Which colour a pixel gets is free within what nobody can see of its chroma; so the colours are chosen for
// which the decoder arrives at the original's lightness. First each pixel takes, of the Y, Cb, Cr around its colour, those
// of the nearest lightness. Then Y's rounding is reckoned, and where it did harm, chroma is shifted against it. Last,
// chroma's own rounding is reckoned, and the few pixels that are still off are tried again.
//
// Owns: what libjpeg's encoder and decoder do to a block, to the last bit (ITU-T T.81, JFIF; the transform is the exact
// integer one, "islow", which libvips, browsers and most viewers use). Blocks of a JPEG without subsampled chroma
// depend on nothing outside them; so strips that begin at multiples of 8 rows give the whole photo.
// Must never: leave a colour's chroma by more than a few levels, nor depend on anything but the pixels.
import { type LevelTables, levelTablesFor, SRGB } from "./space.ts";

/** What levels add to luminance. */
export type Lights = Pick<LevelTables, "redY" | "greenY" | "blueY">;

/** Pixels further off than this (L*) are tried again. Below what is promised, 0.5: errors are reckoned to first order. */
const TOLERANCE = 0.46;
/** Pixels that Y's rounding left further off than this (L*) get other chroma, lest chroma's rounding adds to it. */
const HARM = 0.33;
/** Closer (L*) than this is as good as exact. */
const GOOD = 0.25;
/** What a level of Cb or Cr, squared, away from a pixel's colour costs: in levels of Y when it is chosen first … */
const LEAVING = 0.3;
/** … and in L* when it is shifted against an error. */
const SHIFTING = 0.003;
/** Tries per block; those after the first {@link PATIENCE} change Y as well. */
const TRIES = 9;
const PATIENCE = 3;

/** Shifts of (Cb, Cr) up to four levels, the smallest first. */
const SHIFTS = Array.from({ length: 81 }, (_, i) => [Math.floor(i / 9) - 4, (i % 9) - 4] as const)
  .map(([b, r]) => ({ b, r, size: b * b + r * r }))
  .sort((left, right) => left.size - right.size || left.b - right.b || left.r - right.r)
  .filter(({ size }) => size <= 16);
const SHIFT_B = Int32Array.from(SHIFTS, ({ b }) => b);
const SHIFT_R = Int32Array.from(SHIFTS, ({ r }) => r);
const SHIFT_COST = Float64Array.from(SHIFTS, ({ size }) => SHIFTING * size);

// JFIF's matrices in libjpeg's 16-bit fixed point. A decoded colour is Y plus offsets that chroma alone decides.
const HALF = 32768;
const MIDDLE = 128 << 16;
const RED_OF_CR = chromaTable((c) => (91881 * c + HALF) >> 16);
const BLUE_OF_CB = chromaTable((c) => (116130 * c + HALF) >> 16);
const GREEN_OF_CB = chromaTable((c) => -22554 * c + HALF);
const GREEN_OF_CR = chromaTable((c) => -46802 * c);

function chromaTable(of: (centred: number) => number): Int32Array {
  return Int32Array.from({ length: 257 }, (_, level) => of(level - 128));
}

/** Tables that depend on the result's colour space. */
interface Result {
  readonly lights: Lights;
  /** Luminance by level + {@link ZERO}, levels outside 0–255 clamped. */
  readonly padded: readonly [Float32Array, Float32Array, Float32Array];
  /** Luminance that one more level adds. */
  readonly slopes: readonly [Float32Array, Float32Array, Float32Array];
}
const ZERO = 256;
const results = new WeakMap<Float32Array, Result>();

function resultFor(lights: Lights): Result {
  let result = results.get(lights.redY);
  if (result === undefined) {
    const all = [lights.redY, lights.greenY, lights.blueY] as const;
    const pad = (table: Float32Array) =>
      Float32Array.from({ length: 768 }, (_, i) => table[clamp(i - ZERO)]!);
    const slope = (table: Float32Array) =>
      Float32Array.from({ length: 256 }, (_, i) => {
        const low = Math.max(0, i - 1);
        const high = Math.min(255, i + 1);
        return (table[high]! - table[low]!) / (high - low);
      });
    result = {
      lights,
      padded: [pad(all[0]), pad(all[1]), pad(all[2])],
      slopes: [slope(all[0]), slope(all[1]), slope(all[2])],
    };
    results.set(lights.redY, result);
  }
  return result;
}

/** L* per luminance at (i / {@link GAINS})². */
const GAINS = 4096;
const GAIN = Float32Array.from({ length: GAINS + 2 }, (_, i) => {
  const luminance = (i / GAINS) ** 2;
  return luminance > 0.008856 ? (116 / 3) * luminance ** (-2 / 3) : 903.3;
});

// The block at hand, row by row. One for all, as nothing here waits.
const plane = () => new Int32Array(64);
/** Colours for the encoder, and the Y, Cb, Cr that it makes of them. */
const red = plane();
const green = plane();
const blue = plane();
const luma = plane();
const cb = plane();
const cr = plane();
/** What the decoder gets, clamped. */
const gotLuma = plane();
const gotCb = plane();
const gotCr = plane();
/** The best try so far. */
const bestRed = plane();
const bestGreen = plane();
const bestBlue = plane();
/** Luminance of the original, L* per luminance there (0: not a pixel of the photo), error in L*. */
const target = new Float64Array(64);
const gain = new Float64Array(64);
const error = new Float64Array(64);

/**
 * Changes a coloured strip in place so that, encoded as a JPEG of quality 100 and 4:4:4, its lightness is the original's.
 * @param original 8 bits, red, green and blue interleaved
 * @param coloured the same pixels with their chroma; changed by a level or two
 * @param rows a multiple of 8, but for a photo's last strip; the strip begins at a multiple of 8
 * @param from what the original's levels mean
 * @param to what the coloured levels mean
 * @returns pixels that stay more than {@link TOLERANCE} off
 */
export function settleForJpeg(
  original: Uint8Array,
  coloured: Uint8Array,
  width: number,
  rows: number,
  from: Lights = levelTablesFor(SRGB, 8),
  to: Lights = levelTablesFor(SRGB, 8),
): number {
  const result = resultFor(to);
  let unsettled = 0;
  for (let y = 0; y < rows; y += 8) {
    const high = Math.min(8, rows - y);
    for (let x = 0; x < width; x += 8) {
      const wide = Math.min(8, width - x);
      const at = (y * width + x) * 3;
      if (wide < 8 || high < 8) gain.fill(0);
      const flat = choose(original, coloured, at, width * 3, wide, high, from, result);
      unsettled += settle(wide, high, flat, result);
      for (let row = 0; row < high; row++) {
        let sample = at + row * width * 3;
        for (let i = row * 8; i < row * 8 + wide; i++, sample += 3) {
          coloured[sample] = red[i]!;
          coloured[sample + 1] = green[i]!;
          coloured[sample + 2] = blue[i]!;
        }
      }
    }
  }
  return unsettled;
}

/**
 * Reads a block and takes, for each pixel, of the four whole (Cb, Cr) around its colour the one under which a whole Y
 * comes nearest to the original's luminance: to first order, as no colour is far from the pixel's own.
 * @returns whether chroma is the same everywhere: then it survives the transform
 */
function choose(
  original: Uint8Array,
  coloured: Uint8Array,
  start: number,
  stride: number,
  wide: number,
  high: number,
  from: Lights,
  result: Result,
): boolean {
  const { redY: redFrom, greenY: greenFrom, blueY: blueFrom } = from;
  const { redY, greenY, blueY } = result.lights;
  const [redSlopes, greenSlopes, blueSlopes] = result.slopes;
  let differences = 0;
  for (let row = 0; row < high; row++) {
    let at = start + row * stride;
    for (let i = row * 8; i < row * 8 + wide; i++, at += 3) {
      const luminance =
        redFrom[original[at]!]! + greenFrom[original[at + 1]!]! + blueFrom[original[at + 2]!]!;
      target[i] = luminance;
      gain[i] = GAIN[(Math.sqrt(luminance) * GAINS + 0.5) | 0]!;

      const r = coloured[at]!;
      const g = coloured[at + 1]!;
      const b = coloured[at + 2]!;
      // Shares of the three levels in what a level of Y does; the Y that is wanted if chroma's offsets were 0.
      const perLevel = 1 / (redSlopes[r]! + greenSlopes[g]! + blueSlopes[b]!);
      const redShare = redSlopes[r]! * perLevel;
      const greenShare = greenSlopes[g]! * perLevel;
      const blueShare = blueSlopes[b]! * perLevel;
      const missing = (luminance - redY[r]! - greenY[g]! - blueY[b]!) * perLevel;
      const wanted = missing + redShare * r + greenShare * g + blueShare * b;

      const exactCb = Math.imul(-11059, r) - Math.imul(21709, g) + (b << 15) + MIDDLE;
      const exactCr = (r << 15) - Math.imul(27439, g) - Math.imul(5329, b) + MIDDLE;
      const lowCb = exactCb >> 16;
      const lowCr = exactCr >> 16;
      const aboveCb = (exactCb & 65535) / 65536;
      const aboveCr = (exactCr & 65535) / 65536;
      // Written out and without branches, as which one wins cannot be predicted.
      const forLow = wanted - blueShare * BLUE_OF_CB[lowCb]!;
      const forHigh = wanted - blueShare * BLUE_OF_CB[lowCb + 1]!;
      const byLow = redShare * RED_OF_CR[lowCr]!;
      const byHigh = redShare * RED_OF_CR[lowCr + 1]!;
      const greenLow = GREEN_OF_CB[lowCb]!;
      const greenHigh = GREEN_OF_CB[lowCb + 1]!;
      const y0 = forLow - byLow - greenShare * ((greenLow + GREEN_OF_CR[lowCr]!) >> 16);
      const y1 = forLow - byHigh - greenShare * ((greenLow + GREEN_OF_CR[lowCr + 1]!) >> 16);
      const y2 = forHigh - byLow - greenShare * ((greenHigh + GREEN_OF_CR[lowCr]!) >> 16);
      const y3 = forHigh - byHigh - greenShare * ((greenHigh + GREEN_OF_CR[lowCr + 1]!) >> 16);
      const costLow = LEAVING * aboveCb * aboveCb;
      const costHigh = LEAVING * (1 - aboveCb) * (1 - aboveCb);
      const moreLow = LEAVING * aboveCr * aboveCr;
      const moreHigh = LEAVING * (1 - aboveCr) * (1 - aboveCr);
      const cost0 = ((Math.abs(y0 - ((y0 + 0.5) | 0)) + costLow + moreLow) * 65536) << 2;
      const cost1 = (((Math.abs(y1 - ((y1 + 0.5) | 0)) + costLow + moreHigh) * 65536) << 2) | 1;
      const cost2 = (((Math.abs(y2 - ((y2 + 0.5) | 0)) + costHigh + moreLow) * 65536) << 2) | 2;
      const cost3 = (((Math.abs(y3 - ((y3 + 0.5) | 0)) + costHigh + moreHigh) * 65536) << 2) | 3;
      const least = Math.min(Math.min(cost0, cost1), Math.min(cost2, cost3));
      const newCb = lowCb + ((least >> 1) & 1);
      const newCr = lowCr + (least & 1);
      const newY =
        wanted -
        blueShare * BLUE_OF_CB[newCb]! -
        redShare * RED_OF_CR[newCr]! -
        greenShare * ((GREEN_OF_CB[newCb]! + GREEN_OF_CR[newCr]!) >> 16);
      put(i, clamp((newY + 0.5) | 0), newCb, newCr);
      differences |= (cb[i]! ^ cb[0]!) | (cr[i]! ^ cr[0]!);
    }
  }
  return differences === 0;
}

/** Settles the block that {@link choose} read; leaves the colours to encode. @returns pixels that stay off */
function settle(wide: number, high: number, flat: boolean, result: Result): number {
  pad(wide, high);
  transform(luma, gotLuma);
  gotCb.set(cb);
  gotCr.set(cr);
  measure(result);
  let limit = flat ? TOLERANCE : HARM;
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 1; ; tries++) {
    for (let i = 0; i < 64; i++) if (Math.abs(error[i]!) > limit) shiftChroma(i, result);
    pad(wide, high);
    transform(cb, gotCb);
    transform(cr, gotCr);
    const cost = measure(result);
    if (cost < OFF) return 0;
    if (cost < least) {
      least = cost;
      bestRed.set(red);
      bestGreen.set(green);
      bestBlue.set(blue);
    }
    if (tries === TRIES) break;
    limit = TOLERANCE;
    if (tries >= PATIENCE) {
      for (let i = 0; i < 64; i++) {
        if (Math.abs(error[i]!) > TOLERANCE) put(i, clamp(luma[i]! - Math.sign(error[i]!)), cb[i]!, cr[i]!);
      }
      pad(wide, high);
      transform(luma, gotLuma);
      measure(result);
      limit = HARM;
    }
  }
  red.set(bestRed);
  green.set(bestGreen);
  blue.set(bestBlue);
  return Math.floor(least / OFF);
}

/** What a pixel that is off costs: more than all squared errors of a block. */
const OFF = 2 ** 20;

/** Errors of all pixels. @returns their cost: {@link OFF} for each that is off, and the sum of squares */
function measure({ padded: [redY, greenY, blueY] }: Result): number {
  let cost = 0;
  for (let i = 0; i < 64; i++) {
    const y = gotLuma[i]! + ZERO;
    const b = gotCb[i]!;
    const r = gotCr[i]!;
    const luminance =
      redY[y + RED_OF_CR[r]!]! +
      greenY[y + ((GREEN_OF_CB[b]! + GREEN_OF_CR[r]!) >> 16)]! +
      blueY[y + BLUE_OF_CB[b]!]!;
    const off = (luminance - target[i]!) * gain[i]!;
    error[i] = off;
    cost += off * off;
    if (Math.abs(off) > TOLERANCE) cost += OFF;
  }
  return cost;
}

/** Shifts a pixel's chroma so that its lightness would be right if all else came out as it did. */
function shiftChroma(i: number, { padded: [redY, greenY, blueY] }: Result): void {
  const y = gotLuma[i]! + ZERO;
  const wanted = target[i]!;
  const factor = gain[i]!;
  let least = Number.POSITIVE_INFINITY;
  let best = 0;
  for (let shift = 0; shift < SHIFT_COST.length && SHIFT_COST[shift]! < least; shift++) {
    const b = clamp(gotCb[i]! + SHIFT_B[shift]!);
    const r = clamp(gotCr[i]! + SHIFT_R[shift]!);
    const luminance =
      redY[y + RED_OF_CR[r]!]! +
      greenY[y + ((GREEN_OF_CB[b]! + GREEN_OF_CR[r]!) >> 16)]! +
      blueY[y + BLUE_OF_CB[b]!]!;
    const cost = Math.max(0, Math.abs(luminance - wanted) * factor - GOOD) + SHIFT_COST[shift]!;
    if (cost < least) {
      least = cost;
      best = shift;
    }
  }
  const before = luma[i]!;
  const [oldRed, oldGreen, oldBlue, oldCb, oldCr] = [red[i]!, green[i]!, blue[i]!, cb[i]!, cr[i]!];
  put(i, before, clamp(oldCb + SHIFT_B[best]!), clamp(oldCr + SHIFT_R[best]!));
  if (luma[i] === before) return;
  // At the edge of the gamut, where no RGB stands for this: Y must stay, as its rounding was reckoned.
  red[i] = oldRed;
  green[i] = oldGreen;
  blue[i] = oldBlue;
  luma[i] = before;
  cb[i] = oldCb;
  cr[i] = oldCr;
}

/** Gives a pixel the colour of Y, Cb, Cr, and the Y, Cb, Cr that the encoder makes of this colour: mostly the same. */
function put(i: number, y: number, b: number, r: number): void {
  const newRed = clamp(y + RED_OF_CR[r]!);
  const newGreen = clamp(y + ((GREEN_OF_CB[b]! + GREEN_OF_CR[r]!) >> 16));
  const newBlue = clamp(y + BLUE_OF_CB[b]!);
  red[i] = newRed;
  green[i] = newGreen;
  blue[i] = newBlue;
  luma[i] = (Math.imul(19595, newRed) + Math.imul(38470, newGreen) + Math.imul(7471, newBlue) + HALF) >> 16;
  cb[i] =
    (Math.imul(-11059, newRed) - Math.imul(21709, newGreen) + (newBlue << 15) + MIDDLE + HALF - 1) >> 16;
  cr[i] = ((newRed << 15) - Math.imul(27439, newGreen) - Math.imul(5329, newBlue) + MIDDLE + HALF - 1) >> 16;
}

function clamp(level: number): number {
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

/** Fills a block over the photo's edge as the encoder does: with its last column and row. */
function pad(wide: number, high: number): void {
  if (wide === 8 && high === 8) return;
  for (let i = 0; i < 64; i++) {
    const from = Math.min(i >> 3, high - 1) * 8 + Math.min(i & 7, wide - 1);
    luma[i] = luma[from]!;
    cb[i] = cb[from]!;
    cr[i] = cr[from]!;
  }
}

const work = plane();

/** What becomes of a plane of a block: cosine transform, coefficients rounded to whole numbers, and back. */
function transform(from: Int32Array, to: Int32Array): void {
  for (let i = 0; i < 64; i++) work[i] = from[i]! - 128;
  for (let row = 0; row < 64; row += 8) forward(row, 1, 11);
  for (let column = 0; column < 8; column++) forward(column, 8, 15);
  // Coefficients come eight times as large; halves are rounded away from zero.
  for (let i = 0; i < 64; i++) work[i] = (work[i]! + 4 + (work[i]! >> 31)) >> 3;
  for (let column = 0; column < 8; column++) backward(column, 8, 11);
  for (let row = 0; row < 64; row += 8) backward(row, 1, 18);
  for (let i = 0; i < 64; i++) to[i] = clamp(work[i]! + 128);
}

// One dimension of the transform: √8 · cos(kπ/16) in 13-bit fixed point, as one matrix. libjpeg reckons it in steps whose
// constants are rounded one by one; that is why some of the numbers differ by one.

/** Eight samples, `step` apart, to eight coefficients, shifted right by `shift`. */
function forward(at: number, step: number, shift: number): void {
  const half = 1 << (shift - 1);
  const x0 = work[at]!;
  const x1 = work[at + step]!;
  const x2 = work[at + 2 * step]!;
  const x3 = work[at + 3 * step]!;
  const x4 = work[at + 4 * step]!;
  const x5 = work[at + 5 * step]!;
  const x6 = work[at + 6 * step]!;
  const x7 = work[at + 7 * step]!;
  const outer = x0 + x7 + x3 + x4;
  const inner = x1 + x6 + x2 + x5;
  const outerSlope = x0 + x7 - x3 - x4;
  const innerSlope = x1 + x6 - x2 - x5;
  const d0 = x0 - x7;
  const d1 = x1 - x6;
  const d2 = x2 - x5;
  const d3 = x3 - x4;
  work[at] = (((outer + inner) << 13) + half) >> shift;
  work[at + 4 * step] = (((outer - inner) << 13) + half) >> shift;
  work[at + 2 * step] = (10703 * outerSlope + 4433 * innerSlope + half) >> shift;
  work[at + 6 * step] = (4433 * outerSlope - 10704 * innerSlope + half) >> shift;
  work[at + step] = (11363 * d0 + 9633 * d1 + 6437 * d2 + 2260 * d3 + half) >> shift;
  work[at + 3 * step] = (9633 * d0 - 2259 * d1 - 11362 * d2 - 6436 * d3 + half) >> shift;
  work[at + 5 * step] = (6437 * d0 - 11362 * d1 + 2261 * d2 + 9633 * d3 + half) >> shift;
  work[at + 7 * step] = (2260 * d0 - 6436 * d1 + 9633 * d2 - 11363 * d3 + half) >> shift;
}

/** Eight coefficients, `step` apart, to eight samples, shifted right by `shift`. */
function backward(at: number, step: number, shift: number): void {
  const half = 1 << (shift - 1);
  const c0 = work[at]!;
  const c1 = work[at + step]!;
  const c2 = work[at + 2 * step]!;
  const c3 = work[at + 3 * step]!;
  const c4 = work[at + 4 * step]!;
  const c5 = work[at + 5 * step]!;
  const c6 = work[at + 6 * step]!;
  const c7 = work[at + 7 * step]!;
  const sum = ((c0 + c4) << 13) + half;
  const difference = ((c0 - c4) << 13) + half;
  const outerSlope = 10703 * c2 + 4433 * c6;
  const innerSlope = 4433 * c2 - 10704 * c6;
  const d0 = 11363 * c1 + 9633 * c3 + 6437 * c5 + 2260 * c7;
  const d1 = 9633 * c1 - 2259 * c3 - 11362 * c5 - 6436 * c7;
  const d2 = 6437 * c1 - 11362 * c3 + 2261 * c5 + 9633 * c7;
  const d3 = 2260 * c1 - 6436 * c3 + 9633 * c5 - 11363 * c7;
  work[at] = (sum + outerSlope + d0) >> shift;
  work[at + step] = (difference + innerSlope + d1) >> shift;
  work[at + 2 * step] = (difference - innerSlope + d2) >> shift;
  work[at + 3 * step] = (sum - outerSlope + d3) >> shift;
  work[at + 4 * step] = (sum - outerSlope - d3) >> shift;
  work[at + 5 * step] = (difference - innerSlope - d2) >> shift;
  work[at + 6 * step] = (difference + innerSlope - d1) >> shift;
  work[at + 7 * step] = (sum + outerSlope - d0) >> shift;
}
