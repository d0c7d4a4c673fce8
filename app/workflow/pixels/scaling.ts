// Pictures and masks in another size, row by row, by ComfyUI's methods.
//
// Not by libvips: with 16 bits it shrinks by weights of 12 bits (white came out as 65407 of 65535), it has no mean over an
// area, and its nearest pixel is up to half a new pixel away.
// Owns: what the methods mean. Must never: know a particular node, or hold more of a large picture than it needs at once.
import {
  descriptionOf,
  type PixelReader,
  type Pixels,
  reading,
  type Samples,
  topOf,
} from "../../imaging/index.ts";
import { choice, type PixelContext } from "../node.ts";
import { makePixels } from "./strips.ts";

const METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"] as const;
export type ScaleMethod = (typeof METHODS)[number];

export const methodInput = () =>
  choice({
    label: { en: "Method", zh: "缩放方法" },
    tooltip: {
      en: "lanczos is sharpest, area is best for much smaller pictures, nearest-exact keeps hard pixel edges.",
      zh: "lanczos 最清晰，area 适合大幅缩小，nearest-exact 保留硬边像素。",
    },
    choices: METHODS,
  });

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Half goes to the even number, as in Python: sizes are then ComfyUI's. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** A size times a factor, at least 1 × 1. */
export const timesFactor = ({ width, height }: Size, factor: number): Size => ({
  width: Math.max(1, roundHalfEven(width * factor)),
  height: Math.max(1, roundHalfEven(height * factor)),
});

/**
 * Kernels of the methods that have one, and how far they reach. When a picture shrinks they widen, so that fine patterns do
 * not turn into coarse ones; ComfyUI does this with lanczos only. Without it bilinear and bicubic are what PyTorch has.
 */
const KERNELS = {
  bilinear: { reach: 1, weight: (x: number) => 1 - x },
  bicubic: {
    reach: 2,
    // Keys 1981, "Cubic convolution interpolation", with a = −0.75.
    weight: (x: number) => (x < 1 ? (1.25 * x - 2.25) * x * x + 1 : ((-0.75 * x + 3.75) * x - 6) * x + 3),
  },
  lanczos: { reach: 3, weight: (x: number) => (x === 0 ? 1 : sinc(x) * sinc(x / 3)) },
} as const;

function sinc(x: number): number {
  return Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The old places that a new place is made of. Weights add up to 1. */
interface Mix {
  readonly first: number;
  readonly weights: Float64Array;
}

/** How `to` new places are mixed from the old places `start` … `start` + `from` − 1. */
function mixesFor(method: ScaleMethod, start: number, from: number, to: number): Mix[] {
  const step = from / to;
  const stretch = Math.max(1, step);
  return Array.from({ length: to }, (_, place) => {
    if (method === "nearest-exact") {
      return { first: start + Math.floor(((2 * place + 1) * from) / (2 * to)), weights: Float64Array.of(1) };
    }
    const middle = (place + 0.5) * step;
    const reach = method === "area" ? step / 2 : KERNELS[method].reach * stretch;
    const first = Math.max(0, Math.floor(middle - reach));
    const end = Math.min(from, Math.ceil(middle + reach));
    const weights = Float64Array.from({ length: end - first }, (_, i) => {
      const old = first + i;
      if (method === "area") {
        return Math.max(0, Math.min(old + 1, middle + reach) - Math.max(old, middle - reach));
      }
      const distance = Math.abs(old + 0.5 - middle) / stretch;
      return distance < KERNELS[method].reach ? KERNELS[method].weight(distance) : 0;
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first: start + first, weights: weights.map((weight) => weight / total) };
  });
}

/** What is left when a picture is cut to the shape of another size, from both sides alike, as ComfyUI's "center" does. */
function centred(from: Size, to: Size): { left: number; top: number } & Size {
  const [aspect, wanted] = [from.width / from.height, to.width / to.height];
  const cut = (side: number, share: number) =>
    Math.min(Math.floor((side - 1) / 2), roundHalfEven((side - side * share) / 2));
  const left = aspect > wanted ? cut(from.width, wanted / aspect) : 0;
  const top = aspect < wanted ? cut(from.height, aspect / wanted) : 0;
  return { left, top, width: from.width - 2 * left, height: from.height - 2 * top };
}

/** Mixed rows are kept for the next ones up to this many bytes; beyond, they are made again. */
const KEPT_BYTES = 64 * 1024 * 1024;

/**
 * Pixels in another size. Colours count as much as they are opaque, so that hidden ones do not show at edges.
 * @param crop "center": cut to the new size's shape first, instead of distorting
 * @returns the same pixels when the size is theirs already
 */
export async function scaled<Kind extends Pixels>(
  pixels: Kind,
  size: Size,
  method: ScaleMethod,
  context: PixelContext,
  crop: "disabled" | "center" = "disabled",
): Promise<Kind> {
  const { width, height } = size;
  if (pixels.width === width && pixels.height === height) return pixels;
  const { channels } = pixels;
  const area = crop === "center" ? centred(pixels, size) : { left: 0, top: 0, ...pixels };
  const across = mixesFor(method, area.left, area.width, width);
  const down = mixesFor(method, area.top, area.height, height);
  return reading([pixels], (reader) => {
    const sourceRow = rowsOf(pixels, reader, context);
    const kept = new Map<number, Float32Array>();
    const mixedRow = async (y: number): Promise<Float32Array> => {
      const known = kept.get(y);
      if (known !== undefined) return known;
      const row = mixAcross(await sourceRow(y), across, channels);
      if ((kept.size + 1) * row.byteLength <= KEPT_BYTES) kept.set(y, row);
      return row;
    };
    const sums = new Float64Array(width * channels);
    return makePixels<Kind>(
      { ...descriptionOf(pixels), width, height } as unknown as Kind,
      context,
      async (rows, y, count) => {
        for (let i = 0; i < count; i++) {
          const { first, weights } = down[y + i]!;
          for (const old of kept.keys()) if (old < first) kept.delete(old);
          sums.fill(0);
          for (const [k, weight] of weights.entries()) {
            if (weight === 0) continue;
            const row = await mixedRow(first + k);
            for (let at = 0; at < sums.length; at++) sums[at]! += weight * row[at]!;
          }
          finishRow(sums, rows, i * sums.length, pixels);
        }
      },
    );
  });
}

/** Rows as numbers, colours times their opacity; read in larger pieces. */
function rowsOf(
  pixels: Pixels,
  reader: PixelReader,
  context: PixelContext,
): (y: number) => Promise<Float32Array> {
  const { width, height, channels } = pixels;
  const stride = width * channels;
  const piece = Math.max(1, Math.floor(1_000_000 / stride));
  const row = new Float32Array(stride);
  const top = topOf(pixels);
  let from = 0;
  let strip: Samples | undefined;
  return async (y) => {
    if (strip === undefined || y < from || (y - from) * stride >= strip.length) {
      context.throwIfStopped();
      from = y;
      strip = await reader.read(from, Math.min(piece, height - from));
    }
    row.set(strip.subarray((y - from) * stride, (y - from + 1) * stride));
    if (channels === 4) {
      for (let at = 0; at < stride; at += 4) {
        const opacity = row[at + 3]! / top;
        for (let c = 0; c < 3; c++) row[at + c]! *= opacity;
      }
    }
    return row;
  };
}

function mixAcross(row: Float32Array, mixes: readonly Mix[], channels: number): Float32Array {
  const mixed = new Float32Array(mixes.length * channels);
  let at = 0;
  for (const { first, weights } of mixes) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      let from = first * channels + c;
      for (let k = 0; k < weights.length; k++, from += channels) sum += weights[k]! * row[from]!;
      mixed[at++] = sum;
    }
  }
  return mixed;
}

function finishRow(sums: Float64Array, rows: Samples, start: number, pixels: Pixels): void {
  const top = topOf(pixels);
  const level = (value: number) => Math.round(Math.min(top, Math.max(0, value)));
  if (pixels.channels !== 4) {
    for (let at = 0; at < sums.length; at++) rows[start + at] = level(sums[at]!);
    return;
  }
  for (let at = 0; at < sums.length; at += 4) {
    const opacity = sums[at + 3]! / top;
    for (let c = 0; c < 3; c++) rows[start + at + c] = opacity > 0 ? level(sums[at + c]! / opacity) : 0;
    rows[start + at + 3] = level(sums[at + 3]!);
  }
}
