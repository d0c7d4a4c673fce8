// A photo and its chroma into a coloured file: the pixel half of colouring.
// Owns: the order read → orientation → sRGB → L → chroma → encode. Must never: keep a whole large photo in memory.
import { temporaryBeside } from "../kernel/index.ts";
import { depthIn, encodeRaster } from "./encode.ts";
import { createMerge, prepareChroma } from "./merge.ts";
import { type Limits, openImage, openRaster, prepareInput, prepareParityInput } from "./open.ts";
import type { Chroma, ImageFacts, NetworkInput, RenderOptions, RenderResult } from "./types.ts";

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
 */
export async function render(
  source: string,
  chroma: Chroma,
  grey: Float32Array,
  target: string,
  options: RenderOptions,
  limits: Limits,
): Promise<RenderResult> {
  const image = await openImage(source, limits);
  const raster = await openRaster(image, temporaryBeside(target, ".v"));
  try {
    const merge = createMerge(raster, prepareChroma(chroma, grey, options), options);
    const rows = Math.max(1, Math.floor(STRIP_SAMPLES / (raster.width * raster.channels)));
    for (let y = 0; y < raster.height; y += rows) {
      const count = Math.min(rows, raster.height - y);
      const strip = await raster.read(y, count);
      merge(strip, y, count);
      await raster.write(y, strip);
    }
    const notes = await encodeRaster(raster, target, options.format, options.quality, image.profile);
    return {
      width: raster.width,
      height: raster.height,
      format: options.format,
      bitDepth: depthIn(options.format, raster.bitDepth),
      standardProfile: image.standardProfile,
      notes: [...image.facts.notes, ...notes],
    };
  } finally {
    await raster.dispose();
  }
}
