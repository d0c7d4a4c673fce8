// A look at one file of an import: whether it is known, and if not, what it is. Copies it in where that is asked for.
//
// Owns: how little is read: nothing of an unchanged file, a hash where the size is known, else one decode.
// Must never: write to the database, or to a file of the user's.
import { mkdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type PixelWorkers, readMetadata } from "../imaging/index.ts";
import {
  AutochromeError,
  copyAtomically,
  type ErrorRecord,
  portableName,
  toErrorRecord,
} from "../kernel/index.ts";
import type { Library } from "./library.ts";
import { type Details, type FileRecord, findByFile, findByHash, isSizeKnown, type Known } from "./record.ts";
import { ingestWithThumbnail } from "./thumbnails.ts";
import { type FileState, type Found, fileState, isGone } from "./walk.ts";

export type Outcome =
  | { readonly kind: "known"; readonly path: string; readonly photo: Known; readonly isCopy: boolean }
  | { readonly kind: "looked"; readonly path: string; readonly record: FileRecord }
  | { readonly kind: "failed"; readonly path: string; readonly error: ErrorRecord };

/** What an import's looks share. */
export interface Looking {
  readonly library: Library;
  readonly workers: PixelWorkers;
  readonly copy: boolean;
  /** Copies under way by their content, so that two files with one content share one. */
  readonly copies: Map<string, Promise<FileState>>;
}

/** @throws only what concerns the library as a whole; a file's own failure is an outcome */
export async function lookAt(found: Found, looking: Looking): Promise<Outcome> {
  const { path } = found;
  if ("error" in found) return { kind: "failed", path, error: found.error };
  try {
    return (await lookUp(found, looking.library)) ?? (await look(found, looking));
  } catch (thrown) {
    const error = toErrorRecord(thrown, basename(path));
    if (error.code.startsWith("library-")) throw thrown; // no failure of this file
    return { kind: "failed", path, error };
  }
}

/** A file that is in the library and has not changed: nothing needs to be read. */
async function lookUp(file: FileState, library: Library): Promise<Outcome | undefined> {
  const found = findByFile(library.db, file);
  if (found === undefined) return undefined;
  const { photo, isCopy } = found;
  if (isCopy && (photo.isMissing || !(await isPresent(photo)))) return undefined; // this file may take its place
  return { kind: "known", path: file.path, photo, isCopy };
}

async function look(file: FileState, { library, workers, copy, copies }: Looking): Promise<Outcome> {
  const { db } = library;
  const { path } = file;
  // Decoding is what costs; a file that may be a duplicate is hashed first.
  const early = isSizeKnown(db, file.size) ? await workers.hash(path) : undefined;
  const known = early === undefined ? undefined : findByHash(db, early);
  const examined = known === undefined ? await examine(library, path, workers) : undefined;
  const hash = examined?.details.hash ?? early ?? "";
  const now = examined?.file ?? file; // it may have changed since the walk came by
  const photo = known ?? findByHash(db, hash); // another file with this content may have been recorded meanwhile
  const isLost = photo !== undefined && photo.path !== path && (photo.isMissing || !(await isPresent(photo)));
  let copied: FileState | undefined;
  if (copy && (photo === undefined || isLost)) {
    const underWay = copies.get(hash) ?? copyIn(library, path, hash, workers);
    copies.set(hash, underWay);
    underWay.catch(() => copies.delete(hash));
    copied = await underWay;
  }
  const record: FileRecord = {
    file: copied ?? now,
    name: basename(path),
    hash,
    details: examined?.details,
    gone: isLost ? photo.path : undefined,
    copiedFrom: copied === undefined ? undefined : now,
  };
  return { kind: "looked", path, record };
}

async function examine(
  library: Library,
  path: string,
  workers: PixelWorkers,
): Promise<{ readonly file: FileState; readonly details: Details }> {
  const { hash, size, mtime, facts, isMonochrome, blur, hasMetadata } = await ingestWithThumbnail(
    library,
    path,
    workers,
  );
  const metadata = hasMetadata ? await readMetadata(path) : { people: [], keywords: [] };
  const details = {
    hash,
    format: facts.format,
    width: facts.width,
    height: facts.height,
    bitDepth: facts.bitDepth,
    colour: facts.colour,
    hasAlpha: facts.hasAlpha,
    orientation: facts.orientation,
    pages: facts.pages,
    iccName: facts.iccName,
    isMono: isMonochrome,
    takenAt: metadata.date?.text,
    takenPrecision: metadata.date?.precision,
    title: metadata.title,
    caption: metadata.caption,
    place: metadata.place,
    people: metadata.people,
    keywords: metadata.keywords,
    rating: metadata.rating,
    notes: facts.notes,
    blur,
  };
  return { file: { path, size, mtime }, details };
}

/**
 * Copies a photo into the library's folder. The name tells the content, so that a copy which a killed import left is
 * used by the next.
 */
async function copyIn(
  library: Library,
  path: string,
  hash: string,
  workers: PixelWorkers,
): Promise<FileState> {
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(path)?.[0] ?? "";
  const name = portableName(basename(path, extension), `-${hash.slice(0, 16)}${extension}`);
  const target = join(library.originals, hash.slice(0, 2), name);
  await mkdir(dirname(target), { recursive: true });
  let isNew = true;
  await copyAtomically(path, target, { overwrite: false }).catch((thrown: unknown) => {
    if (!(thrown instanceof AutochromeError) || thrown.code !== "output-exists") throw thrown;
    isNew = false;
  });
  if ((await workers.hash(target)) !== hash) {
    if (isNew) await unlink(target);
    throw new AutochromeError(
      "unreadable-file",
      `${basename(path)} changed while it was copied.`,
      "Import it again when the program that writes it has finished.",
      { detail: target },
    );
  }
  return fileState(target, await stat(target));
}

/** Whether a photo's own file lies where it was, as it was; also where that cannot be told. */
async function isPresent(file: FileState): Promise<boolean> {
  try {
    const stats = await stat(file.path);
    const now = fileState(file.path, stats);
    return stats.isFile() && now.size === file.size && now.mtime === file.mtime;
  } catch (error) {
    return !isGone(error);
  }
}
