// The network's chroma made ready for laying under a photo's lightness.
// Owns: clamping, color_factor, pulling leaked colour back over contours. Must never: see full-size pixels.
import { lightnessOf, toLinear } from "./lab.ts";
import type { Chroma, RenderOptions } from "./types.ts";

/** Lightness difference (L units) from which on a neighbour is another surface and its colour does not count. */
const REACH = 14;
/** For (1 − (d/REACH)²)²: Tukey's biweight, a bell that needs no exponential. */
export const NARROWNESS = 1 / (REACH * REACH);
/** Weight that a neighbour of any lightness keeps: what interpolation falls back to where none is alike. */
export const FLOOR = 0.02;
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
export function prepareChroma(
  chroma: Chroma,
  grey: Float32Array,
  options: Pick<RenderOptions, "colorFactor" | "upsample" | "gamut">,
): ChromaSource {
  const { width, height } = chroma;
  const size = width * height;
  const [low, high] = options.gamut === "clip" ? [-Infinity, Infinity] : [AB_MIN, AB_MAX];
  const guide = grey.map((level) => lightnessOf(toLinear(Math.min(1, Math.max(0, level)))));
  const plane = (offset: number, unit: number) =>
    chroma.data
      .subarray(offset, offset + size)
      .map((value) => (Math.min(high, Math.max(low, value)) * options.colorFactor) / unit);
  const source = { width, height, a: plane(0, 500), b: plane(size, 200), guide };
  return options.upsample === "nearest" ? source : pullBack(source);
}

/** Neighbours on each side that the bilateral filter looks at, and what distance makes them count (squared pixels). */
const RADIUS = 2;
const CLOSENESS = Float32Array.from({ length: 2 * RADIUS * RADIUS + 1 }, (_, d2) =>
  Math.exp(-d2 / RADIUS ** 2),
);

function pullBack(source: ChromaSource): ChromaSource {
  const a = new Float32Array(source.a.length);
  const b = new Float32Array(source.b.length);
  for (let y = 0; y < source.height; y++) pullBackRow(source, y, a, b);
  return { ...source, a, b };
}

function pullBackRow(source: ChromaSource, y: number, a: Float32Array, b: Float32Array): void {
  const { width, height, guide } = source;
  const top = Math.max(0, y - RADIUS);
  const bottom = Math.min(height - 1, y + RADIUS);
  for (let x = 0; x < width; x++) {
    const here = guide[y * width + x]!;
    const left = Math.max(0, x - RADIUS);
    const right = Math.min(width - 1, x + RADIUS);
    let sum = 0;
    let sumA = 0;
    let sumB = 0;
    for (let v = top; v <= bottom; v++) {
      for (let u = left; u <= right; u++) {
        const index = v * width + u;
        const distance = (v - y) * (v - y) + (u - x) * (u - x);
        const weight = CLOSENESS[distance]! * likeness(guide[index]! - here);
        sum += weight;
        sumA += weight * source.a[index]!;
        sumB += weight * source.b[index]!;
      }
    }
    a[y * width + x] = sumA / sum;
    b[y * width + x] = sumB / sum;
  }
}

/** How much the colour of a place counts at another whose lightness differs by this much (L units). */
export function likeness(difference: number): number {
  const near = 1 - difference * difference * NARROWNESS;
  return near > 0 ? FLOOR + near * near : FLOOR;
}
