// The network's chroma made ready for laying under a photo's lightness.
// Owns: clamping, pulling leaked colour back over contours, when tuning takes place, color_factor.
// Must never: see full-size pixels.
import { filterAlong } from "./bilateral.ts";
import { lightnessOf, toLinear } from "./lab.ts";
import { isTuned, tune } from "./tuning.ts";
import type { Chroma, MergeOptions } from "./types.ts";

/** Lightness difference (L units) from which on a neighbour is another surface and its colour does not count. */
const REACH = 14;
/** For (1 − (d/REACH)²)²: Tukey's biweight, a bell that needs no exponential. */
export const NARROWNESS = 1 / (REACH * REACH);
/** Weight that a neighbour of any lightness keeps: what interpolation falls back to where none is alike. */
export const FLOOR = 0.02;
/** A guide that no pixel is like: all neighbours count by distance alone. */
const UNLIKE = -1000;
/**
 * The network's chroma is trusted within these bounds (Lab units); beyond, it is known to make blotches. The official
 * pipeline does not clamp, and neither do we when following it.
 */
const AB_MIN = -128;
const AB_MAX = 127;

/** Chroma ready to be laid under full-size lightness. Planes have the network's size, or some of its rows. */
export interface ChromaSource {
  /** Of the whole. */
  readonly width: number;
  readonly height: number;
  /** The row that the planes begin with. */
  readonly top: number;
  /** a/500 and b/200: what is added to f(Y) for f(X) and taken from it for f(Z). */
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** L 0–100 of what the network saw; guides the edges. */
  readonly guide: Float32Array;
}

/**
 * Clamps chroma, and pulls colour that leaked over a contour back, before it is enlarged: a joint bilateral filter at the
 * network's size (Petschnigg et al. 2004; Kopf et al. 2007 for the upsampling that follows). It depends on nothing that a
 * user may change, so whoever looks at many changes does it once.
 * @param grey sRGB level 0–1 of what the network saw, one plane
 */
export function cleanChroma(chroma: Chroma, grey: Float32Array): Chroma {
  if (chroma.isClean === true) return chroma;
  const { width, height } = chroma;
  const size = width * height;
  const a = clamped(chroma.data.subarray(0, size), AB_MIN, AB_MAX);
  const b = clamped(chroma.data.subarray(size, 2 * size), AB_MIN, AB_MAX);
  const likeness = { narrowness: NARROWNESS, floor: FLOOR };
  // Shared: whoever looks at many changes sends it to the workers each time.
  const data = new Float32Array(new SharedArrayBuffer(2 * size * Float32Array.BYTES_PER_ELEMENT));
  for (const [plane, clean] of filterAlong([guideOf(grey), a, b], width, height, likeness).entries()) {
    data.set(clean, plane * size);
  }
  return { width, height, data, isClean: true };
}

/**
 * Makes chroma ready: clean where colour is to follow edges, then tuned and multiplied by color_factor.
 * @param grey sRGB level 0–1 of what the network saw, one plane
 * @param mask the tuning's, 0–1, as large as the chroma
 * @param rows of the chroma that are needed
 */
export function prepareChroma(
  chroma: Chroma,
  grey: Float32Array,
  options: MergeOptions,
  mask?: Float32Array,
  rows: { readonly first: number; readonly last: number } = { first: 0, last: chroma.height - 1 },
): ChromaSource {
  const { width, height } = chroma;
  const size = width * height;
  if (options.tuning?.mask !== undefined && mask?.length !== size) throw new Error("the mask was not fitted");
  const { data } = options.upsample === "edge-aware" ? cleanChroma(chroma, grey) : chroma;
  const [low, high] = options.gamut === "clip" ? [-Infinity, Infinity] : [AB_MIN, AB_MAX];
  const [start, end] = [rows.first * width, (rows.last + 1) * width];
  const a = clamped(data.subarray(start, end), low, high);
  const b = clamped(data.subarray(size + start, size + end), low, high);
  const guide = guideOf(grey.subarray(start, end));
  const isChanged = isTuned(options);
  if (isChanged) {
    const planes = { width, height: rows.last + 1 - rows.first, L: guide, a, b };
    tune(planes, options, mask?.subarray(start, end));
  }
  const factor = isChanged ? 1 : options.colorFactor;
  for (let i = 0; i < a.length; i++) {
    a[i] = (a[i]! * factor) / 500;
    b[i] = (b[i]! * factor) / 200;
  }
  if (options.upsample === "bilinear") guide.fill(UNLIKE);
  return { width, height, top: rows.first, a, b, guide };
}

// Loops, not map(): a callback per value takes three times as long, and a preview waits for it.
function clamped(values: Float32Array, low: number, high: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = Math.min(high, Math.max(low, values[i]!));
  return result;
}

function guideOf(grey: Float32Array): Float32Array {
  const guide = new Float32Array(grey.length);
  for (let i = 0; i < grey.length; i++) {
    guide[i] = LIGHTNESS[Math.round(Math.min(1, Math.max(0, grey[i]!)) * LEVELS)]!;
  }
  return guide;
}

/** L* of grey levels in steps that are finer than any edge. */
const LEVELS = 8192;
const LIGHTNESS = Float32Array.from({ length: LEVELS + 1 }, (_, i) => lightnessOf(toLinear(i / LEVELS)));
