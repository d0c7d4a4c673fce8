// The network's chroma made ready for laying under a photo's lightness.
// Owns: clamping, color_factor, pulling leaked colour back over contours. Must never: see full-size pixels.
import { filterAlong } from "./bilateral.ts";
import { lightnessOf, toLinear } from "./lab.ts";
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

/** Chroma ready to be laid under full-size lightness. Planes have the network's size. */
export interface ChromaSource {
  readonly width: number;
  readonly height: number;
  /** a/500 and b/200: what is added to f(Y) for f(X) and taken from it for f(Z). */
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** L 0–100 of what the network saw, same size; guides the edges. */
  readonly guide: Float32Array;
}

/**
 * Clamps, multiplies by color_factor, and (edge-aware) cleans the chroma at the network's size with a joint bilateral
 * filter: colour that leaked over a contour there is pulled back before it is enlarged (Petschnigg et al. 2004;
 * Kopf et al. 2007 for the upsampling that follows).
 * @param grey sRGB level 0–1 of what the network saw, one plane
 */
export function prepareChroma(chroma: Chroma, grey: Float32Array, options: MergeOptions): ChromaSource {
  const { width, height } = chroma;
  const size = width * height;
  const [low, high] = options.gamut === "clip" ? [-Infinity, Infinity] : [AB_MIN, AB_MAX];
  const guide = grey.map((level) => LIGHTNESS[Math.round(Math.min(1, Math.max(0, level)) * LEVELS)]!);
  const plane = (offset: number, unit: number) =>
    chroma.data
      .subarray(offset, offset + size)
      .map((value) => (Math.min(high, Math.max(low, value)) * options.colorFactor) / unit);
  const [a, b] = [plane(0, 500), plane(size, 200)];
  if (options.upsample === "nearest") return { width, height, a, b, guide };
  if (options.upsample === "bilinear") return { width, height, a, b, guide: guide.fill(UNLIKE) };
  const [cleanA, cleanB] = filterAlong([guide, a, b], width, height, {
    narrowness: NARROWNESS,
    floor: FLOOR,
  });
  return { width, height, a: cleanA, b: cleanB, guide };
}

/** L* of grey levels in steps that are finer than any edge. */
const LEVELS = 8192;
const LIGHTNESS = Float32Array.from({ length: LEVELS + 1 }, (_, i) => lightnessOf(toLinear(i / LEVELS)));
