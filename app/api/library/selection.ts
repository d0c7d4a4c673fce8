// Which photos are meant: those that are named, or all that a query finds. Must never: take an empty wish for all photos.
import type { z } from "zod";
import { findPhotos, type Library } from "../../catalogue/index.ts";
import { badRequest } from "../answers.ts";
import type { photoQuerySchema } from "./contract.ts";

export interface Wish {
  readonly photos?: readonly string[] | undefined;
  readonly query?: z.infer<typeof photoQuerySchema> | undefined;
}

/**
 * Ids of the photos, each once, in the wish's or the query's order. Whether photos that are named exist is not looked at.
 * @throws 400 where neither or both are given; AutochromeError "not-found" for an unknown album
 */
export async function chosenPhotos(
  library: Library,
  { photos, query }: Wish,
  signal?: AbortSignal,
): Promise<string[]> {
  if (photos !== undefined && query === undefined) return [...new Set(photos)];
  if (query === undefined || photos !== undefined) {
    throw badRequest("It must be said which photos: their ids, or a query.", 'Give "photos" or "query".');
  }
  return findPhotos(library, query, signal);
}
