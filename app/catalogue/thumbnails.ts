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
 * The path of the thumbnail of a photo or a version, which is made again when it is missing.
 * @param photo where the picture lies, and sha256 of what it must be
 * @param signal aborted before its turn comes, nothing is made
 * @throws AutochromeError when the picture cannot be read, "not-found" when the file has another content by now
 */
export async function ensureThumbnail(
  library: Library,
  photo: { readonly path: string; readonly hash: string },
  workers: PixelWorkers,
  signal?: AbortSignal,
): Promise<string> {
  const path = thumbnailPath(library, photo.hash);
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined) return path;
  await mkdir(library.thumbnails, { recursive: true }); // the whole cache may have been thrown away
  const { hash, blur } = await ingestWithThumbnail(library, photo.path, workers, signal);
  keepBlur(library, hash, blur);
  if (hash === photo.hash) return path;
  throw new AutochromeError(
    "not-found",
    "The photo's file has been changed since it was imported.",
    "Import its folder again.",
    { detail: photo.path },
  );
}

/** Libraries that a blur is being made for: one at a time, since nobody waits for it. */
const busy = new WeakSet<Library>();

/**
 * Sees to it that a photo has a blur some time: those imported by former editions have none.
 * Where others are being made, it is left for the next time that the thumbnail is asked for.
 */
export async function ensureBlur(
  library: Library,
  photo: { readonly hash: string },
  thumbnail: string,
  workers: PixelWorkers,
): Promise<void> {
  const { db } = library;
  const { hash } = photo;
  if (busy.has(library)) return;
  const photos = db.build.selectFrom("photo").select("id").where("hash", "=", hash);
  if (db.get(photos.where("blur", "is", null)) === undefined) return;
  busy.add(library);
  try {
    keepBlur(library, hash, await workers.blur(thumbnail));
  } finally {
    busy.delete(library);
  }
}

function keepBlur({ db }: Library, hash: string, blur: Uint8Array): void {
  db.run(db.build.updateTable("photo").set({ blur }).where("hash", "=", hash).where("blur", "is", null));
}

/**
 * Looks at a photo and leaves its thumbnail in the cache, whose folder must be there.
 * @throws AutochromeError when it cannot be read
 */
export async function ingestWithThumbnail(
  library: Library,
  path: string,
  workers: PixelWorkers,
  signal?: AbortSignal,
): Promise<Ingested> {
  // The content's hash, and with it the name, is known only afterwards; the sweep knows this folder.
  const temporary = temporaryBeside(join(library.thumbnails, "thumbnail"), ".webp");
  try {
    const ingested = await workers.ingest(path, temporary, signal);
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
