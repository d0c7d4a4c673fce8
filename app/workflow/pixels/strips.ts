// What pixel nodes share: the run over a batch, and pictures made strip by strip from others.
// Must never: know a particular node, or hold more than strips of a large picture.
import {
  type Making,
  type Picture,
  type PixelReader,
  type Pixels,
  readPixels,
  type Samples,
  stripRows,
  writePixels,
} from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import type { PixelContext } from "../node.ts";

/** ComfyUI's largest side of a picture, and of an offset in one, pixels. */
export const MAX_RESOLUTION = 16_384;
/** The most pictures that nodes put into one batch: a chain of nodes that double it must come to an end. */
const MAX_BATCH = 4096;

/** @throws AutochromeError when a batch would become so long */
export function checkBatch(length: number): void {
  if (length <= MAX_BATCH) return;
  throw new AutochromeError(
    "workflow-invalid",
    `The batch would have ${length} pictures, more than the limit of ${MAX_BATCH}.`,
    "Repeat or join fewer pictures.",
  );
}

/** Does something with each of a batch, one after another, and reports progress over all of it. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  context: PixelContext,
  work: (item: Item, context: PixelContext, index: number) => Promise<Result>,
): Promise<Result[]> {
  const parts = 1000;
  const results: Result[] = [];
  for (const [index, item] of items.entries()) {
    context.throwIfStopped();
    const progress = (value: number, max: number) =>
      context.progress(index * parts + Math.round((value / max) * parts), items.length * parts);
    results.push(await work(item, { ...context, progress }, index));
  }
  return results;
}

/** Two batches side by side: as many as the longer one has, the last of the shorter one is used again. */
export function pairs<One, Two>(one: readonly One[], two: readonly Two[]): [One, Two][] {
  return Array.from({ length: Math.max(one.length, two.length) }, (_, index) => [
    one[Math.min(index, one.length - 1)]!,
    two[Math.min(index, two.length - 1)]!,
  ]);
}

/** The highest level. */
export const topOf = ({ bitDepth }: Pick<Pixels, "bitDepth">): number => (bitDepth === 16 ? 65_535 : 255);

/** All that is known of a picture but its pixels, and but the picture whose lightness those had. */
export function descriptionOf(picture: Picture): Omit<Picture, "data" | "lightnessOf"> {
  const { data: _data, lightnessOf: _lightnessOf, ...description } = picture;
  return description;
}

/** What networks did in a picture that is made of several: each step once. */
export function makingOf(pictures: readonly Picture[]): Pick<Picture, "making"> {
  const steps = new Map<string, Making>();
  for (const step of pictures.flatMap(({ making = [] }) => making)) steps.set(JSON.stringify(step), step);
  return steps.size === 0 ? {} : { making: [...steps.values()] };
}

/** Reads pixels while something is done. */
export async function reading<Result>(
  pixels: readonly Pixels[],
  work: (...readers: PixelReader[]) => Promise<Result>,
): Promise<Result> {
  const readers: PixelReader[] = [];
  try {
    for (const each of pixels) readers.push(await readPixels(each));
    return await work(...readers);
  } finally {
    for (const reader of readers) await reader.close();
  }
}

/**
 * New pixels, strip by strip.
 * @param shape what they are; all of it is taken over
 * @param fill gets rows y … y+count−1, all 0, and fills them
 * @throws AutochromeError "image-too-large" when they would be more than the limit
 */
export async function makePixels<Kind extends Pixels>(
  shape: Omit<Kind, "data">,
  context: PixelContext,
  fill: (rows: Samples, y: number, count: number) => void | Promise<void>,
): Promise<Kind> {
  const { width, height, channels, bitDepth } = shape as unknown as Omit<Pixels, "data">;
  const { maxMegapixels } = context.limits;
  if (width * height > maxMegapixels * 1e6) {
    throw new AutochromeError(
      "image-too-large",
      `The picture would become ${width} × ${height} pixels, more than the limit of ${maxMegapixels} megapixels.`,
      "Choose a smaller size, or raise the setting maxMegapixels.",
    );
  }
  const writer = await writePixels<Kind>(shape, context);
  try {
    const step = stripRows({ width, channels });
    for (let y = 0; y < height; y += step) {
      context.throwIfStopped();
      const count = Math.min(step, height - y);
      const samples = width * channels * count;
      const rows = bitDepth === 16 ? new Uint16Array(samples) : new Uint8Array(samples);
      await fill(rows, y, count);
      await writer.write(y, rows);
      context.progress(y + count, height);
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
