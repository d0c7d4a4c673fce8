// Thumbnails: files in the cache, named by the content they show. They can be thrown away at any time.
// Owns: the folder cache/thumbnails. Must never: let a half-written one be seen.
import { mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Ingested, PixelWorkers } from "../imaging/index.ts";
import { AutochromeError, temporaryBeside } from "../kernel/index.ts";
import type { Library } from "./library.ts";
import { isGone } from "./walk.ts";

/** Where the thumbnail (WebP) of a content lies, when it is there. @param hash sha256 of the photo, hex */
export function thumbnailPath(library: Library, hash: string): string {
  return join(library.thumbnails, hash.slice(0, 2), `${hash}.webp`);
}

/**
 * The path of a photo's thumbnail, which is made again when it is missing.
 * @throws AutochromeError when the photo cannot be read, "not-found" when the file has another content by now
 */
export async function ensureThumbnail(
  library: Library,
  photo: { readonly path: string; readonly hash: string },
  workers: PixelWorkers,
): Promise<string> {
  const path = thumbnailPath(library, photo.hash);
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined) return path;
  await mkdir(library.thumbnails, { recursive: true }); // the whole cache may have been thrown away
  const { hash } = await ingestWithThumbnail(library, photo.path, workers);
  if (hash === photo.hash) return path;
  throw new AutochromeError(
    "not-found",
    "The photo's file has been changed since it was imported.",
    "Import its folder again.",
    { detail: photo.path },
  );
}

/**
 * Looks at a photo and leaves its thumbnail in the cache, whose folder must be there.
 * @throws AutochromeError when it cannot be read
 */
export async function ingestWithThumbnail(
  library: Library,
  path: string,
  workers: PixelWorkers,
): Promise<Ingested> {
  // The content's hash, and with it the name, is known only afterwards; the sweep knows this folder.
  const temporary = temporaryBeside(join(library.thumbnails, "thumbnail"), ".webp");
  try {
    const ingested = await workers.ingest(path, temporary);
    const target = thumbnailPath(library, ingested.hash);
    const file = await open(temporary, "r+");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target).catch(async (error: unknown) => {
      if (!isGone(error)) throw error;
      await mkdir(dirname(target), { recursive: true }); // the first one whose hash begins so
      await rename(temporary, target);
    });
    return ingested;
  } finally {
    await unlink(temporary).catch(() => undefined); // gone when all went well
  }
}
