// Any number of the library's photos as items of a batch, without keeping anybody waiting.
// Must never: look at a photo twice.
import {
  type Batch,
  fillBatch,
  getPhoto,
  type Library,
  type NewItem,
  type Photo,
} from "../catalogue/index.ts";
import type { Plan } from "./run.ts";

/**
 * Queues photos, each with every variant of the plan. The batch may be worked on once all are in it.
 * @param choose the variants of a photo, where it is not all of them
 * @throws AutochromeError "not-found" for unknown ids, "usage" for none; an abort rejects with the signal's reason. There
 *   is no batch then
 */
export function queueMany(
  library: Library,
  photos: readonly string[],
  plan: Plan,
  how: { readonly executor: string; readonly priority: number; readonly workflow?: string },
  choose?: (photo: Photo, signal: AbortSignal) => Promise<Iterable<number>>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Batch> {
  async function* items(): AsyncGenerator<NewItem> {
    for (const id of photos) {
      const photo = getPhoto(library, id);
      for (const variant of (await choose?.(photo, signal)) ?? plan.variants.keys()) {
        yield {
          photoId: photo.id,
          source: photo.path,
          sourceHash: photo.hash,
          target: (itemId) => `versions/${itemId.slice(-2)}/${itemId}`,
          variant,
        };
      }
    }
  }
  return fillBatch(library.db, { recipe: plan, ...how }, items(), signal);
}
