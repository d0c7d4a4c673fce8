// A photo and its chroma into a coloured file: the pixel half of colouring.
// Owns: the order read → orientation → sRGB → L → chroma → encode. Must never: keep a whole large photo in memory.
import { temporaryBeside } from "../kernel/index.ts";
import { prepareChroma } from "./chroma.ts";
import { depthIn, encodeRaster } from "./encode.ts";
import { settleForJpeg } from "./jpeg-lightness.ts";
import { createMerge } from "./merge.ts";
import {
  type Limits,
  type OpenImage,
  openImage,
  openRaster,
  prepareInput,
  prepareParityInput,
} from "./open.ts";
import { marksOf, xmpPacket } from "./provenance.ts";
import type { Raster, Samples } from "./raster.ts";
import { levelTablesFor } from "./space.ts";
import type { Chroma, ImageFacts, NetworkInput, RenderOptions, RenderResult } from "./types.ts";

/** Rows of a JPEG's blocks: strips begin at multiples of it. */
const BLOCK = 8;
/** Samples per strip: large enough that reading a file is quick, small enough to stay out of the way. */
const STRIP_SAMPLES = 4_000_000;

/**
 * Reads a photo for the network.
 * @param width of the network's input, like height a size that the network takes
 * @param parity follow the official pipeline's reduction
 * @param scratch a path in a folder with room, beside which a large photo's pixels may lie meanwhile
 */
export async function prepare(
  path: string,
  width: number,
  height: number,
  parity: boolean,
  scratch: string,
  limits: Limits,
): Promise<{ facts: ImageFacts; input: NetworkInput }> {
  const image = await openImage(path, limits);
  if (!parity) return { facts: image.facts, input: await prepareInput(image, width, height) };
  const raster = await openRaster(image, temporaryBeside(scratch, ".v"));
  try {
    return { facts: image.facts, input: await prepareParityInput(raster, width, height) };
  } finally {
    await raster.dispose();
  }
}

/**
 * Colours a photo into a new file. The source is only read.
 * @param grey one plane of what the network saw, sRGB 0–1, as large as the chroma
 * @param target must not exist; the caller gives it its final name
 * @param throwIfStopped asked between the steps; whatever it throws ends the work, and nothing is left but `target`
 */
export async function render(
  source: string,
  chroma: Chroma,
  grey: Float32Array,
  target: string,
  options: RenderOptions,
  limits: Limits,
  throwIfStopped: () => void,
): Promise<RenderResult> {
  const image = await openImage(source, limits);
  const raster = await openRaster(image, temporaryBeside(target, ".v"));
  try {
    throwIfStopped();
    const merge = createMerge(raster, prepareChroma(chroma, grey, options), options);
    const rows = BLOCK * Math.max(1, Math.floor(STRIP_SAMPLES / (raster.width * raster.channels * BLOCK)));
    const settle = settlerFor(raster, options, image.resultProfile);
    for (let y = 0; y < raster.height; y += rows) {
      const count = Math.min(rows, raster.height - y);
      const strip = await raster.read(y, count);
      const before = settle === undefined ? undefined : strip.slice();
      merge(strip, y, count);
      if (settle !== undefined && before !== undefined) settle(before, strip, count);
      await raster.write(y, strip);
      throwIfStopped();
    }
    const marks = image.isBare && options.provenance !== undefined ? marksOf(options.provenance) : undefined;
    const notes = await encodeRaster(raster, target, {
      format: options.format,
      quality: options.quality,
      profile: image.resultProfile,
      xmp: marks && xmpPacket(marks),
    });
    return {
      width: raster.width,
      height: raster.height,
      format: options.format,
      bitDepth: depthIn(options.format, raster.bitDepth),
      isMarked: marks !== undefined,
      notes: [...image.facts.notes, ...notes],
    };
  } finally {
    await raster.dispose();
  }
}

/** What keeps lightness through a JPEG's rounding, where nothing but the rounding stands between pixels and file. */
function settlerFor(
  raster: Raster,
  options: RenderOptions,
  profile: OpenImage["resultProfile"],
): ((before: Samples, coloured: Samples, rows: number) => void) | undefined {
  const exact = options.format === "jpeg" && options.quality === 100 && options.gamut === "chroma";
  if (!exact || raster.bitDepth !== 8 || raster.channels !== 3 || profile?.convert === true) return undefined;
  const from = levelTablesFor(raster.space, 8);
  const to = levelTablesFor(raster.resultSpace, 8);
  return (before, coloured, rows) => {
    if (!(before instanceof Uint8Array) || !(coloured instanceof Uint8Array)) return;
    settleForJpeg(before, coloured, raster.width, rows, from, to);
  };
}
