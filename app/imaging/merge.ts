// Puts colour onto lightness: the chroma that the network gave, brought up to full size, under the photo's own L.
//
// Owns: edge-aware and nearest upsampling, clamping, color_factor, gamut mapping by chroma, strip by strip, so that
// the result does not depend on how the photo is cut into strips.
// Must never: change lightness on purpose, nor alpha at all.
import {
  GAMMA,
  GAMMA_8,
  gamutFactorAt,
  LIGHTNESS,
  levelTablesFor,
  lightnessOf,
  SRGB_TO_P3,
  STEPS,
  toLinear,
  XYZ_TO_RGB,
} from "./lab.ts";
import type { RasterShape, Samples } from "./raster.ts";
import type { Chroma, RenderOptions } from "./types.ts";

/** Lightness difference (L units) at which a neighbour's colour counts 1/e: the width of "the same surface". */
const RANGE = 9;
/** Weight that bilinear interpolation keeps where no neighbour has a similar lightness. */
const FLOOR = 0.02;
/** The network's chroma is trusted within these bounds (Lab units); beyond, it is known to make blotches. */
const AB_MIN = -128;
const AB_MAX = 127;

// exp(−d²/RANGE²) over whole-number-ish differences 0–100, eight steps per L unit.
const KERNEL_STEPS = 8;
const KERNEL = Float32Array.from(
  { length: 100 * KERNEL_STEPS + 2 },
  (_, index) => FLOOR + (1 - FLOOR) * Math.exp(-((index / KERNEL_STEPS / RANGE) ** 2)),
);

/** Chroma ready to be laid under full-size lightness. Planes have the network's size. */
export interface ChromaSource {
  readonly width: number;
  readonly height: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
  /** L 0–100 of what the network saw, same size; guides the edges. */
  readonly guide: Float32Array;
}

/**
 * Clamps, multiplies by color_factor, and (edge-aware) cleans the chroma at the network's size with a joint bilateral
 * filter: colour that leaked over a contour there is pulled back before it is enlarged (Petschnigg et al. 2004;
 * Kopf et al. 2007 for the upsampling below).
 * @param grey sRGB level 0–1 of what the network saw, one plane
 */
export function prepareChroma(chroma: Chroma, grey: Float32Array, options: RenderOptions): ChromaSource {
  const { width, height } = chroma;
  const size = width * height;
  const guide = Float32Array.from(grey, (level) => lightnessOf(toLinear(Math.min(1, Math.max(0, level)))));
  const scaled = (offset: number) => {
    const plane = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const value = Math.min(AB_MAX, Math.max(AB_MIN, chroma.data[offset + i]!));
      plane[i] = value * options.colorFactor;
    }
    return plane;
  };
  const source = { width, height, a: scaled(0), b: scaled(size), guide };
  return options.upsample === "nearest" ? source : pullBack(source);
}

function pullBack(source: ChromaSource): ChromaSource {
  const { width, height, guide } = source;
  const radius = 2;
  const a = new Float32Array(width * height);
  const b = new Float32Array(width * height);
  const near = Float32Array.from({ length: radius * radius * 2 + 1 }, (_, d2) =>
    Math.exp(-d2 / (radius * radius)),
  );
  for (let y = 0; y < height; y++) {
    const top = Math.max(0, y - radius);
    const bottom = Math.min(height - 1, y + radius);
    for (let x = 0; x < width; x++) {
      const here = guide[y * width + x]!;
      const left = Math.max(0, x - radius);
      const right = Math.min(width - 1, x + radius);
      let sum = 0;
      let sumA = 0;
      let sumB = 0;
      for (let v = top; v <= bottom; v++) {
        for (let u = left; u <= right; u++) {
          const index = v * width + u;
          const difference = Math.abs(guide[index]! - here);
          const weight =
            near[(v - y) * (v - y) + (u - x) * (u - x)]! * KERNEL[(difference * KERNEL_STEPS) | 0]!;
          sum += weight;
          sumA += weight * source.a[index]!;
          sumB += weight * source.b[index]!;
        }
      }
      a[y * width + x] = sumA / sum;
      b[y * width + x] = sumB / sum;
    }
  }
  return { width, height, a, b, guide };
}

/** Maps photo columns or rows onto the chroma plane: two neighbours and the share of the second. */
interface Axis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly share: Float32Array;
}

function bilinearAxis(from: number, to: number): Axis {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const share = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const place = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    first[i] = Math.floor(place);
    second[i] = Math.min(from - 1, first[i]! + 1);
    share[i] = place - first[i]!;
  }
  return { first, second, share };
}

/** As torch's interpolate does it: floor(i · from / to). */
function nearestAxis(from: number, to: number): Axis {
  const first = Int32Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor((i * from) / to)));
  return { first, second: first, share: new Float32Array(to) };
}

/** Colours rows in place. `y` is the first row's place in the photo. */
export type MergeStrip = (samples: Samples, y: number, rows: number) => void;

/** A function that colours any strip of a photo of this shape; strips may come in any order and height. */
export function createMerge(shape: RasterShape, source: ChromaSource, options: RenderOptions): MergeStrip {
  const { width, channels } = shape;
  const edgeAware = options.upsample === "edge-aware";
  const axis = edgeAware ? bilinearAxis : nearestAxis;
  const columns = axis(source.width, width);
  const lines = axis(source.height, shape.height);
  const clip = options.gamut === "clip";
  const deep = shape.bitDepth === 16;
  const wide = shape.primaries === "p3";
  const { redY, greenY, blueY } = levelTablesFor(shape.bitDepth, shape.primaries);
  const { a: planeA, b: planeB, guide } = source;
  const [t0, t1, t2, t3, t4, t5, t6, t7, t8] = XYZ_TO_RGB as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const pivotEnd = 0.20689303442;
  const offset = 16 / 116;

  return (samples, y0, rows) => {
    let at = 0;
    for (let row = 0; row < rows; row++) {
      const upper = lines.first[y0 + row]! * source.width;
      const lower = lines.second[y0 + row]! * source.width;
      const down = lines.share[y0 + row]!;
      for (let x = 0; x < width; x++, at += channels) {
        const luminance = redY[samples[at]!]! + greenY[samples[at + 1]!]! + blueY[samples[at + 2]!]!;
        const place = luminance * STEPS;
        const index = place | 0;
        const lightness = LIGHTNESS[index]! + (LIGHTNESS[index + 1]! - LIGHTNESS[index]!) * (place - index);

        let a: number;
        let b: number;
        const left = columns.first[x]!;
        if (edgeAware) {
          const right = columns.second[x]!;
          const across = columns.share[x]!;
          const i0 = upper + left;
          const i1 = upper + right;
          const i2 = lower + left;
          const i3 = lower + right;
          const w0 =
            (1 - across) * (1 - down) * KERNEL[(Math.abs(guide[i0]! - lightness) * KERNEL_STEPS) | 0]!;
          const w1 = across * (1 - down) * KERNEL[(Math.abs(guide[i1]! - lightness) * KERNEL_STEPS) | 0]!;
          const w2 = (1 - across) * down * KERNEL[(Math.abs(guide[i2]! - lightness) * KERNEL_STEPS) | 0]!;
          const w3 = across * down * KERNEL[(Math.abs(guide[i3]! - lightness) * KERNEL_STEPS) | 0]!;
          const scale = 1 / (w0 + w1 + w2 + w3);
          a = (w0 * planeA[i0]! + w1 * planeA[i1]! + w2 * planeA[i2]! + w3 * planeA[i3]!) * scale;
          b = (w0 * planeB[i0]! + w1 * planeB[i1]! + w2 * planeB[i2]! + w3 * planeB[i3]!) * scale;
        } else {
          a = planeA[upper + left]!;
          b = planeB[upper + left]!;
        }

        const fy = luminance > 0.008856 ? (lightness + 16) / 116 : 7.787 * luminance + offset;
        let fx = fy + a / 500;
        let fz = fy - b / 200;
        let X = fx > pivotEnd ? fx * fx * fx : (fx - offset) / 7.787;
        let Z = fz > pivotEnd ? fz * fz * fz : (fz - offset) / 7.787;
        let red = t0 * X + t1 * luminance + t2 * Z;
        let green = t3 * X + t4 * luminance + t5 * Z;
        let blue = t6 * X + t7 * luminance + t8 * Z;
        if (red < 0 || red > 1 || green < 0 || green > 1 || blue < 0 || blue > 1) {
          if (!clip) {
            const factor = gamutFactorAt(luminance, fy, a / 500, b / 200);
            if (factor < 1) {
              fx = fy + (a * factor) / 500;
              fz = fy - (b * factor) / 200;
              X = fx > pivotEnd ? fx * fx * fx : (fx - offset) / 7.787;
              Z = fz > pivotEnd ? fz * fz * fz : (fz - offset) / 7.787;
              red = t0 * X + t1 * luminance + t2 * Z;
              green = t3 * X + t4 * luminance + t5 * Z;
              blue = t6 * X + t7 * luminance + t8 * Z;
            }
          }
          red = red < 0 ? 0 : red > 1 ? 1 : red;
          green = green < 0 ? 0 : green > 1 ? 1 : green;
          blue = blue < 0 ? 0 : blue > 1 ? 1 : blue;
        }
        if (wide) {
          const [p0, p1, , p3, p4, , p6, p7, p8] = SRGB_TO_P3;
          const r = p0 * red + p1 * green;
          const g = p3 * red + p4 * green;
          blue = p6 * red + p7 * green + p8 * blue;
          red = r;
          green = g;
        }
        if (deep) {
          const r = red * STEPS;
          const g = green * STEPS;
          const l = blue * STEPS;
          const ri = r | 0;
          const gi = g | 0;
          const li = l | 0;
          samples[at] = ((GAMMA[ri]! + (GAMMA[ri + 1]! - GAMMA[ri]!) * (r - ri)) * 65535 + 0.5) | 0;
          samples[at + 1] = ((GAMMA[gi]! + (GAMMA[gi + 1]! - GAMMA[gi]!) * (g - gi)) * 65535 + 0.5) | 0;
          samples[at + 2] = ((GAMMA[li]! + (GAMMA[li + 1]! - GAMMA[li]!) * (l - li)) * 65535 + 0.5) | 0;
        } else {
          samples[at] = GAMMA_8[(red * STEPS + 0.5) | 0]!;
          samples[at + 1] = GAMMA_8[(green * STEPS + 0.5) | 0]!;
          samples[at + 2] = GAMMA_8[(blue * STEPS + 0.5) | 0]!;
        }
      }
    }
  };
}
