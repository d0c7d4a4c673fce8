// What pixel nodes share: the run over a batch, and pictures made strip by strip from others.
// Must never: know a particular node, or hold more than strips of a large picture.
import { buildPixels, type Making, type Picture, type Pixels, type Samples } from "../../imaging/index.ts";
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

/** What networks did in a picture that is made of several: each step once. */
export function makingOf(pictures: readonly Picture[]): Pick<Picture, "making"> {
  const steps = new Map<string, Making>();
  for (const step of pictures.flatMap(({ making = [] }) => making)) steps.set(JSON.stringify(step), step);
  return steps.size === 0 ? {} : { making: [...steps.values()] };
}

/**
 * New pixels within the limit, strip by strip, with progress.
 * @param shape what they are; all of it is taken over
 * @param fill gets rows y … y+count−1, all 0, and fills them
 * @throws AutochromeError "image-too-large" when they would be more than the limit
 */
export async function makePixels<Kind extends Pixels>(
  shape: Omit<Kind, "data">,
  context: PixelContext,
  fill: (rows: Samples, y: number, count: number) => void | Promise<void>,
): Promise<Kind> {
  const { width, height } = shape as unknown as Omit<Pixels, "data">;
  const { maxMegapixels } = context.limits;
  if (width * height > maxMegapixels * 1e6) {
    throw new AutochromeError(
      "image-too-large",
      `The picture would become ${width} × ${height} pixels, more than the limit of ${maxMegapixels} megapixels.`,
      "Choose a smaller size, or raise the setting maxMegapixels.",
    );
  }
  return buildPixels<Kind>(shape, context, async (rows, y, count) => {
    await fill(rows, y, count);
    context.progress(y + count, height);
  });
}
