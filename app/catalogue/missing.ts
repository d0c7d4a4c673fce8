// What is gone: photos of imported places whose file is no more, or has become another photo.
//
// Owns: when a photo counts as missing. A photo with another file of the same content is not: that file takes over.
// Must never: delete a photo from the catalogue.
import { stat } from "node:fs/promises";
import { sep } from "node:path";
import { sql } from "kysely";
import type { Library } from "./library.ts";
import { copiesOf, type Known, markMissing, removeCopy, setFile } from "./record.ts";
import { indexPhotos } from "./search.ts";
import { type FileState, fileState, isGone, type Root } from "./walk.ts";

/** Files that are looked for at the same time. */
const CHUNK = 64;

/**
 * Looks for what the catalogue has in the imported places and the import has not come by.
 * @param seen numbers of photos that are known to be there
 * @param displaced photos that the import marked as missing because another photo has taken their path
 * @returns the photos that are missing now and were not before the import
 */
export async function* settleMissing(
  library: Library,
  roots: readonly Root[],
  seen: ReadonlySet<number>,
  displaced: readonly Known[],
): AsyncGenerator<{ readonly id: string; readonly path: string }> {
  const ranges = roots.flatMap(rangesOf);
  for (const range of ranges) await forgetCopies(library, range);
  for (const range of ranges) {
    for await (const photos of chunksOf(library, range)) {
      const unseen = photos.filter((photo) => !seen.has(photo.number));
      const gone = await goneOf(unseen);
      yield* await settle(library, gone);
    }
  }
  yield* await settle(
    library,
    displaced.filter((photo) => !seen.has(photo.number)),
  );
}

/** Gives each photo another file of its content, or marks it as missing. @returns the missing ones */
async function settle(library: Library, photos: readonly Lost[]): Promise<Lost[]> {
  const { db } = library;
  const found = new Map<number, FileState>();
  for (const photo of photos) {
    for (const copy of copiesOf(db, photo.id)) {
      const now = await stat(copy.path).then(
        (stats) => fileState(copy.path, stats),
        () => undefined,
      );
      if (now?.size !== copy.size || now.mtime !== copy.mtime) continue;
      found.set(photo.number, copy);
      break;
    }
  }
  if (photos.length > 0) {
    db.transaction(() => {
      for (const { number } of photos) {
        const copy = found.get(number);
        if (copy === undefined) markMissing(db, number);
        else setFile(db, number, copy);
      }
      indexPhotos(db, found.keys());
    });
  }
  return photos.filter((photo) => !found.has(photo.number));
}

interface Lost {
  readonly number: number;
  readonly id: string;
  readonly path: string;
}

async function* chunksOf(library: Library, range: Range): AsyncGenerator<Lost[]> {
  const { db } = library;
  let after = { path: range.from, number: 0 };
  for (;;) {
    const photos = db.all(
      db.build
        .selectFrom("photo")
        .select(["number", "id", "path"])
        .where("path", "<", range.to)
        .where(sql<boolean>`(path, tie) > (${after.path}, ${after.number})`)
        .where("missing_since", "is", null)
        .orderBy("path")
        .orderBy("tie")
        .limit(CHUNK),
    );
    if (photos.length === 0) return;
    yield photos;
    after = photos.at(-1) ?? after;
  }
}

async function forgetCopies(library: Library, range: Range): Promise<void> {
  const { db } = library;
  let from = range.from;
  for (;;) {
    const copies = db.all(
      db.build
        .selectFrom("photo_copy")
        .select("path")
        .where("path", ">=", from)
        .where("path", "<", range.to)
        .orderBy("path")
        .limit(CHUNK),
    );
    if (copies.length === 0) return;
    const gone = await goneOf(copies);
    if (gone.length > 0) {
      db.transaction(() => {
        for (const { path } of gone) removeCopy(db, path);
      });
    }
    from = `${copies.at(-1)?.path ?? ""}\0`;
  }
}

/** Paths from `from` up to but without `to`, in the order of their bytes. */
interface Range {
  readonly from: string;
  readonly to: string;
}

/** The paths that a root stands for, so that an index finds them. */
function rangesOf({ path, kind }: Root): Range[] {
  const itself = { from: path, to: `${path}\0` };
  const start = path.endsWith(sep) ? path : path + sep;
  const below = { from: start, to: start.slice(0, -1) + String.fromCharCode(sep.charCodeAt(0) + 1) };
  return kind === "file" ? [itself] : kind === "folder" ? [below] : [itself, below];
}

async function goneOf<T extends { readonly path: string }>(files: readonly T[]): Promise<T[]> {
  const states = await Promise.all(
    files.map(({ path }) =>
      stat(path).then(
        () => false,
        (error: unknown) => isGone(error),
      ),
    ),
  );
  return files.filter((_, index) => states[index]);
}
