// Puts colour onto lightness: the chroma that the network gave, brought up to full size, under the photo's own L.
//
// Owns: where in the chroma each pixel lies; photos strip by strip, so that the result does not depend on how a photo is
// cut into strips. The arithmetic of a pixel is merge-kernel.ts's.
// Must never: change lightness on purpose, nor alpha at all.
import type { ChromaSource } from "./chroma.ts";
import { luminanceOf } from "./lab.ts";
import { CELL, kernelFor, LANES, layoutFor, spreadRow } from "./merge-kernel.ts";
import { opencvLightness } from "./opencv-lab.ts";
import type { Samples } from "./picture.ts";
import { type ColourSpace, isLikeSrgb, levelTablesFor } from "./space.ts";
import type { MergeOptions } from "./types.ts";
import { bind, createMemory } from "./wasm.ts";

/** Maps photo columns or rows onto the chroma plane: two neighbours and the share of the second. */
export interface Axis {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly share: Float32Array;
}

export function bilinearAxis(from: number, to: number): Axis {
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

/**
 * As torch's interpolate does it: floor(i · from / to) in single precision, which is off by a pixel at the borders of some
 * cells; twice the size and the same size are exact.
 */
function nearestAxis(from: number, to: number): Axis {
  const isExact = to === from || to === 2 * from;
  const scale = isExact ? from / to : Math.fround(from / to);
  const place = (i: number) => Math.floor(isExact ? i * scale : Math.fround(i * scale));
  const first = Int32Array.from({ length: to }, (_, i) => Math.min(from - 1, place(i)));
  return { first, second: first, share: new Float32Array(to) };
}

/** Rows of a photo, and what their levels mean before and after. */
export interface MergeShape {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly bitDepth: 8 | 16;
  readonly space: ColourSpace;
  readonly resultSpace: ColourSpace;
}

/** Colours rows in place. `y` is the first row's place in the photo. */
export type MergeStrip = (samples: Samples, y: number, rows: number) => void;

/** A function that colours any strip of a photo of this shape; strips may come in any order and height. */
export function createMerge(
  shape: MergeShape,
  source: ChromaSource,
  options: Pick<MergeOptions, "upsample" | "gamut">,
): MergeStrip {
  const { width, channels, bitDepth } = shape;
  // A bilinear source has a guide that makes the edge-aware kernel weigh by place alone.
  const edgeAware = options.upsample !== "nearest";
  const axis = edgeAware ? bilinearAxis : nearestAxis;
  const lines = axis(source.height, shape.height);
  const columns = axis(source.width, width);
  const matrix = shape.resultSpace.fromSrgb;
  // The official pipeline's lightness is OpenCV's; without edges to follow, the kernel's place for shares is free for it.
  const isOfficial = options.gamut === "clip" && !edgeAware && isLikeSrgb(shape.space);

  // The kernels' memory: tables; for each column its neighbours' places and shares; a row of pixels; a row of chroma as
  // it is, and two rows spread to the photo's width.
  const layout = layoutFor(bitDepth);
  const blocks = Math.ceil(width / LANES);
  const cellBytes = blocks * CELL * 4;
  const [places, shares, pixels, pixelsEnd, row, cells, end] = offsets(layout.end, [
    blocks * 2 * LANES * 4,
    blocks * LANES * 4,
    blocks * LANES * channels * (bitDepth / 8),
    0,
    source.width * 3 * 4,
    2 * cellBytes,
  ]);
  const memory = createMemory(end);
  const { buffer } = memory;
  const from = levelTablesFor(shape.space, bitDepth);
  const to = levelTablesFor(shape.resultSpace, bitDepth);
  for (const [i, table] of [from.redY, from.greenY, from.blueY].entries()) {
    new Float32Array(buffer, layout.lights[i]).set(table);
  }
  for (const [i, table] of [to.red, to.green, to.blue].entries()) {
    if (bitDepth === 16) new Float32Array(buffer, layout.levels[i]).set(table);
    else new Uint8Array(buffer, layout.levels[i]).set(table.map((level) => level + 0.5));
  }
  if (matrix !== undefined) new Float32Array(buffer, layout.matrix).set(matrix);
  new Float32Array(buffer, shares).set(columns.share);
  const placeOf = new Int32Array(buffer, places);
  for (let x = 0; x < width; x++) {
    const at = (x - (x % LANES)) * 2 + (x % LANES);
    placeOf[at] = columns.first[x]! * 4;
    placeOf[at + LANES] = columns.second[x]! * 4;
  }

  const kernel = bind(
    kernelFor({
      bitDepth,
      channels,
      edgeAware,
      clip: options.gamut === "clip",
      lit: isOfficial,
      converts: matrix !== undefined,
    }),
    memory,
  );
  const spread = bind(spreadRow, memory);
  const chromaRow = new Float32Array(buffer, row, source.width * 3);
  const held = [-1, -1];
  /** Where a row of chroma lies spread; the row `other` stays where it is. */
  const spreadOut = (index: number, other: number): number => {
    let slot = held.indexOf(index);
    if (slot < 0) {
      slot = held[0] === other ? 1 : 0;
      held[slot] = index;
      for (const [part, plane] of [source.guide, source.a, source.b].entries()) {
        chromaRow.set(
          plane.subarray((index - source.top) * source.width, (index - source.top + 1) * source.width),
          part * source.width,
        );
      }
      const step = source.width * 4;
      spread(places, shares, row, row + step, row + 2 * step, cells + slot * cellBytes);
    }
    return cells + slot * cellBytes;
  };

  const lights = new Float32Array(buffer, shares, width);
  const top = bitDepth === 8 ? 255 : 65535;
  const light = (strip: Samples) => {
    for (let x = 0; x < width; x++) {
      const at = x * channels;
      lights[x] = luminanceOf(opencvLightness(strip[at]! / top, strip[at + 1]! / top, strip[at + 2]! / top));
    }
  };

  const stride = width * channels;
  const line = new (bitDepth === 8 ? Uint8Array : Uint16Array)(buffer, pixels, stride);
  return (samples, y0, rows) => {
    for (let i = 0; i < rows; i++) {
      const y = y0 + i;
      const upper = lines.first[y]!;
      const lower = lines.second[y]!;
      const above = spreadOut(upper, lower);
      const below = spreadOut(lower, upper);
      const strip = samples.subarray(i * stride, (i + 1) * stride);
      line.set(strip);
      if (isOfficial) light(strip);
      kernel(pixels, pixelsEnd, above, below, shares, lines.share[y]!);
      strip.set(line);
    }
  };
}

/** Where parts of these sizes begin if laid one after the other, at multiples of 4; the last is the end. */
function offsets(start: number, sizes: readonly number[]): number[] {
  const result = [start];
  for (const size of sizes) result.push(result.at(-1)! + 4 * Math.ceil(size / 4));
  return result;
}
