// Keeps the original's lightness through a JPEG's rounding.
//
// A JPEG of quality 100 rounds three times: colours to whole Y, Cb, Cr, their cosine coefficients to whole numbers, and
// what comes back to whole Y, Cb, Cr. Each changes about every twelfth sample by a level, and together they move L* by
// up to 1. Which colour a pixel gets is free within what nobody can see of its chroma; so the colours are chosen for
// which the decoder arrives at the original's lightness. First each pixel takes, of the Y, Cb, Cr around its colour, those
// of the nearest lightness. Then Y's rounding is reckoned, and where it did harm, chroma is shifted against it. Last,
// chroma's own rounding is reckoned, and the few pixels that are still off are tried again.
//
// Owns: the choice. What a JPEG does to a block is jpeg-block.ts's. Blocks of a JPEG without subsampled chroma depend on
// nothing outside them; so strips that begin at multiples of 8 rows give the whole photo.
// Must never: leave a colour's chroma by more than a few levels, nor depend on anything but the pixels.
import {
  type Bench,
  BLUE_OF_CB,
  createBench,
  FROM_RGB,
  GREEN_OF_CB,
  GREEN_OF_CR,
  HALF,
  MIDDLE,
  OFF,
  RED_OF_CR,
  TOLERANCE,
  ZERO,
} from "./jpeg-block.ts";
import { type LevelTables, levelTablesFor, SRGB } from "./space.ts";

/** What levels add to luminance. */
export type Lights = Pick<LevelTables, "redY" | "greenY" | "blueY">;

/** Pixels that Y's rounding left further off than this (L*) get other chroma, lest chroma's rounding adds to it. */
const HARM = 0.4;
/** Closer (L*) than this is as good as exact. */
const GOOD = 0.3;
/** What a level of Cb or Cr, squared, away from what it was costs in L* when it is shifted against an error. */
const SHIFTING = 0.005;
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

/** How far (levels of Cb or Cr) repeated shifts may lead from what was chosen first. */
const FARTHEST = 6;

/** Chroma that was chosen first for a block. */
const firstCb = new Int32Array(64);
const firstCr = new Int32Array(64);
/** The best try so far at a block. */
const best = [new Int32Array(64), new Int32Array(64), new Int32Array(64)] as const;

/** Kept from photo to photo, for the widest yet. */
let bench: { readonly width: number; readonly tools: Bench } | undefined;

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
  if (bench === undefined || bench.width < width) bench = { width, tools: createBench(width) };
  const { tools } = bench;
  setLights(tools, from, to);
  let unsettled = 0;
  for (let y = 0; y < rows; y += 8) {
    const high = Math.min(8, rows - y);
    const start = y * width * 3;
    copyRows(original, start, width, high, tools.original);
    copyRows(coloured, start, width, high, tools.coloured);
    for (let x = 0; x < width; x += 8) {
      const wide = Math.min(8, width - x);
      tools.choose(x);
      unsettled += settle(tools, wide, high);
      write(tools, coloured, start + x * 3, width * 3, wide, high);
    }
  }
  return unsettled;
}

function setLights({ from, to, slopes }: Bench, original: Lights, result: Lights): void {
  const originals = [original.redY, original.greenY, original.blueY];
  const results = [result.redY, result.greenY, result.blueY];
  for (const channel of [0, 1, 2] as const) {
    from[channel].set(originals[channel]!);
    const light = (level: number) => results[channel]![clamp(level)]!;
    for (let i = 0; i < to[channel].length; i++) to[channel][i] = light(i - ZERO);
    for (let level = 0; level < 256; level++) {
      slopes[channel][level] = (light(level + 1) - light(level - 1)) / (clamp(level + 1) - clamp(level - 1));
    }
  }
}

/** Copies up to eight rows and pads them to whole blocks as the encoder does: with the last column and row. */
function copyRows(samples: Uint8Array, start: number, width: number, high: number, into: Uint8Array): void {
  const stride = into.length / 8;
  const end = 24 * Math.ceil(width / 8);
  for (let row = 0; row < 8; row++) {
    const at = start + Math.min(row, high - 1) * width * 3;
    into.set(samples.subarray(at, at + width * 3), row * stride);
    for (let i = row * stride + width * 3; i < row * stride + end; i++) into[i] = into[i - 3]!;
  }
}

/** Settles the block on the bench; leaves its colours there. @returns pixels that stay off */
function settle(tools: Bench, wide: number, high: number): number {
  const { rgb, ycc, error, gain } = tools;
  if (wide < 8 || high < 8) {
    for (let i = 0; i < 64; i++) if (i >> 3 >= wide || (i & 7) >= high) gain[i] = 0;
  }
  firstCb.set(ycc[1]);
  firstCr.set(ycc[2]);
  tools.round(0);
  tools.measure();
  // Chroma that is the same everywhere survives the transform.
  let limit = isFlat(ycc[1]) && isFlat(ycc[2]) ? TOLERANCE : HARM;
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 1; ; tries++) {
    for (let i = 0; i < 64; i++) if (Math.abs(error[i]!) > limit) shiftChroma(tools, i);
    pad(tools, wide, high);
    tools.round(1);
    tools.round(2);
    const cost = tools.measure();
    if (cost < OFF) return 0;
    if (cost < least) {
      least = cost;
      for (const channel of [0, 1, 2] as const) best[channel].set(rgb[channel]);
    }
    if (tries === TRIES) break;
    limit = TOLERANCE;
    if (tries >= PATIENCE) {
      for (let i = 0; i < 64; i++) {
        const off = error[i]!;
        if (Math.abs(off) > TOLERANCE)
          put(tools, i, clamp(ycc[0][i]! - Math.sign(off)), ycc[1][i]!, ycc[2][i]!);
      }
      pad(tools, wide, high);
      tools.round(0);
      tools.measure();
      limit = HARM;
    }
  }
  for (const channel of [0, 1, 2] as const) rgb[channel].set(best[channel]);
  return Math.floor(least / OFF);
}

function isFlat(plane: Int32Array): boolean {
  for (let i = 1; i < 64; i++) if (plane[i] !== plane[0]) return false;
  return true;
}

/** Shifts a pixel's chroma so that its lightness would be right if all else came out as it did. */
function shiftChroma(tools: Bench, i: number): void {
  const { ycc, got } = tools;
  const redY = tools.to[0];
  const greenY = tools.to[1];
  const blueY = tools.to[2];
  const y = got[0][i]! + ZERO;
  const nowCb = got[1][i]!;
  const nowCr = got[2][i]!;
  const sameY = ycc[0][i]!;
  const inCb = ycc[1][i]!;
  const inCr = ycc[2][i]!;
  const wanted = tools.target[i]!;
  const factor = tools.gain[i]!;
  let least = Number.POSITIVE_INFINITY;
  let chosen = 0;
  for (let shift = 0; shift < SHIFT_COST.length && SHIFT_COST[shift]! < least; shift++) {
    const b = clamp(nowCb + SHIFT_B[shift]!) - 128;
    const r = clamp(nowCr + SHIFT_R[shift]!) - 128;
    const luminance = redY[y + redOffset(r)]! + greenY[y + greenOffset(b, r)]! + blueY[y + blueOffset(b)]!;
    const cost = Math.max(0, Math.abs(luminance - wanted) * factor - GOOD) + SHIFT_COST[shift]!;
    if (cost < least && (shift === 0 || mayBe(i, sameY, inCb + SHIFT_B[shift]!, inCr + SHIFT_R[shift]!))) {
      least = cost;
      chosen = shift;
    }
  }
  if (chosen !== 0) put(tools, i, sameY, inCb + SHIFT_B[chosen]!, inCr + SHIFT_R[chosen]!);
}

/** Whether some RGB stands for Y, Cb, Cr (then the encoder makes just these of it), and it is near the pixel's colour. */
function mayBe(i: number, y: number, cb: number, cr: number): boolean {
  if (Math.abs(cb - firstCb[i]!) > FARTHEST || Math.abs(cr - firstCr[i]!) > FARTHEST) return false;
  const red = y + redOffset(cr - 128);
  const green = y + greenOffset(cb - 128, cr - 128);
  const blue = y + blueOffset(cb - 128);
  return red >= 0 && red <= 255 && green >= 0 && green <= 255 && blue >= 0 && blue <= 255;
}

/** Gives a pixel the colour of Y, Cb, Cr, and the Y, Cb, Cr that the encoder makes of this colour: mostly the same. */
function put({ rgb, ycc }: Bench, i: number, y: number, cb: number, cr: number): void {
  const b = cb - 128;
  const r = cr - 128;
  const red = clamp(y + redOffset(r));
  const green = clamp(y + greenOffset(b, r));
  const blue = clamp(y + blueOffset(b));
  rgb[0][i] = red;
  rgb[1][i] = green;
  rgb[2][i] = blue;
  ycc[0][i] = rounded(FROM_RGB[0], red, green, blue, HALF);
  ycc[1][i] = rounded(FROM_RGB[1], red, green, blue, MIDDLE + HALF - 1);
  ycc[2][i] = rounded(FROM_RGB[2], red, green, blue, MIDDLE + HALF - 1);
}

type Row = readonly [number, number, number];

function rounded(row: Row, red: number, green: number, blue: number, shift: number): number {
  return (Math.imul(row[0], red) + Math.imul(row[1], green) + Math.imul(row[2], blue) + shift) >> 16;
}

function redOffset(cr: number): number {
  return (Math.imul(RED_OF_CR, cr) + HALF) >> 16;
}

function greenOffset(cb: number, cr: number): number {
  return (Math.imul(GREEN_OF_CB, cb) + Math.imul(GREEN_OF_CR, cr) + HALF) >> 16;
}

function blueOffset(cb: number): number {
  return (Math.imul(BLUE_OF_CB, cb) + HALF) >> 16;
}

function clamp(level: number): number {
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

/** Fills a block over the photo's edge again after its pixels have changed. */
function pad({ ycc }: Bench, wide: number, high: number): void {
  if (wide === 8 && high === 8) return;
  for (const plane of ycc) {
    for (let i = 0; i < 64; i++) {
      plane[i] = plane[Math.min(i >> 3, wide - 1) * 8 + Math.min(i & 7, high - 1)]!;
    }
  }
}

function write(
  { rgb }: Bench,
  to: Uint8Array,
  start: number,
  stride: number,
  wide: number,
  high: number,
): void {
  const red = rgb[0];
  const green = rgb[1];
  const blue = rgb[2];
  for (let row = 0; row < high; row++) {
    let sample = start + row * stride;
    for (let i = row; i < wide * 8; i += 8, sample += 3) {
      to[sample] = red[i]!;
      to[sample + 1] = green[i]!;
      to[sample + 2] = blue[i]!;
    }
  }
}
