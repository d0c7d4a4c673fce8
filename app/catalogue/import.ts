// Import: files and folders become photos of the library. Running it again changes nothing that is already right.
//
// Owns: the order of the steps (walk, look, record, find what is gone) and how many files are under way.
// Must never: write, move or delete a photo of the user's, or let one bad file stop the others.
import { mkdir } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { PixelWorkers } from "../imaging/index.ts";
import type { ErrorRecord } from "../kernel/index.ts";
import { ensureAlbum, place } from "./albums.ts";
import type { Library } from "./library.ts";
import { type Looking, lookAt, type Outcome } from "./look.ts";
import { settleMissing } from "./missing.ts";
import { readAhead } from "./readahead.ts";
import { type Known, type Recorded, recordFile, recordUnchanged } from "./record.ts";
import { indexPhotos } from "./search.ts";
import { resolveSources, walk } from "./walk.ts";

export interface ImportOptions {
  readonly workers: PixelWorkers;
  /** Name of the album that all photos found are put into; made where there is none. */
  readonly album?: string | undefined;
  /** Copy the photos into the library's folder, so that the originals may go. */
  readonly copy?: boolean | undefined;
  /** Aborted: files under way are finished and recorded, no other is begun, nothing is marked as missing. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: ImportEvent) => void) | undefined;
}

/**
 * What became of a file. "duplicate": its content is in the library already, from another file. "unchanged": it was
 * in the library as it is. "moved": its content was known under a path where it is no more. "missing": a photo of
 * the library whose file is gone.
 */
export interface ImportEvent {
  readonly path: string;
  readonly status: "imported" | "duplicate" | "unchanged" | "moved" | "failed" | "missing";
  readonly photoId?: string;
  readonly error?: ErrorRecord;
  /** Files dealt with, and files found so far. */
  readonly progress: { readonly done: number; readonly total: number };
}

export interface ImportResult {
  readonly imported: number;
  readonly duplicates: number;
  readonly unchanged: number;
  readonly moved: number;
  readonly failed: number;
  readonly missing: number;
  readonly seconds: number;
}

/** Files per transaction: about 5 ms of the engine's time. */
const BATCH = 16;
/** Longest wait until a finished file is recorded while others finish, in milliseconds. */
const DELAY = 100;
/** Files that the walk may be ahead, so that the total is known early. */
const AHEAD = 20_000;

/**
 * Brings photos into the library.
 * @param sources files, and folders that are walked
 * @throws AutochromeError "usage" for an album name that makes no sense, "disk-full", "library-busy"; what was
 * recorded until then stays. Failures of single files are events.
 */
export async function importPhotos(
  library: Library,
  sources: readonly string[],
  options: ImportOptions,
): Promise<ImportResult> {
  const started = performance.now();
  const { db } = library;
  const album = options.album === undefined ? undefined : ensureAlbum(library, options.album);
  await mkdir(library.thumbnails, { recursive: true });
  const { roots, failed } = await resolveSources(sources, library.folder);
  const looking: Looking = {
    library,
    workers: options.workers,
    copy: options.copy === true,
    copies: new Map(),
  };
  const files = readAhead(walk(roots, library.folder), AHEAD);
  const counts = { imported: 0, duplicate: 0, unchanged: 0, moved: 0, failed: 0, missing: 0 };
  const seen = new Set<number>();
  const displaced: Known[] = [];
  let done = 0;

  const tell = (
    path: string,
    status: ImportEvent["status"],
    rest: { photoId?: string; error?: ErrorRecord },
  ) => {
    counts[status]++;
    if (status !== "missing") done++;
    options.onEvent?.({ path, status, ...rest, progress: { done, total: failed.length + files.total() } });
  };

  // Files finish out of order; they are recorded in the walk's.
  const finished = new Map<number, Outcome>();
  let next = 0;
  let lastFlush = performance.now();
  // Known files need no waiting for anything: without this, thousands of them would be one turn of the event loop.
  let breath: Promise<unknown> = Promise.resolve();
  const flush = () => {
    lastFlush = performance.now();
    const batch: { outcome: Outcome; recorded: Recorded | undefined }[] = [];
    for (
      let outcome = finished.get(next);
      outcome !== undefined && batch.length < BATCH;
      outcome = finished.get(next)
    ) {
      finished.delete(next++);
      batch.push({ outcome, recorded: undefined });
    }
    if (batch.length === 0) return;
    breath = setImmediate();
    db.transaction(() => {
      for (const entry of batch) {
        entry.recorded = record(library, entry.outcome);
        if (album !== undefined && entry.recorded !== undefined) place(library, album, entry.recorded.number);
      }
      indexPhotos(
        db,
        batch.flatMap(({ recorded }) => (recorded?.isChanged === true ? [recorded.number] : [])),
      );
    });
    for (const { outcome, recorded } of batch) {
      if (recorded === undefined)
        tell(outcome.path, "failed", outcome.kind === "failed" ? { error: outcome.error } : {});
      else {
        if (outcome.kind === "looked") looking.copies.delete(outcome.record.hash); // the database knows it now
        seen.add(recorded.number);
        displaced.push(...recorded.displaced);
        tell(outcome.path, recorded.status, { photoId: recorded.id });
      }
    }
  };

  for (const failure of failed) tell(failure.path, "failed", { error: failure.error });
  const work = async () => {
    while (options.signal?.aborted !== true) {
      const file = await files.next();
      if (file === undefined) break;
      finished.set(file.turn, await lookAt(file.item, looking));
      if (finished.size >= BATCH || performance.now() - lastFlush > DELAY) flush();
      await breath;
    }
  };
  // A little more than one per core: while one photo waits for exiftool or the disk, another is decoded.
  const workers = Array.from({ length: options.workers.threads + 2 }, work);
  try {
    await Promise.all(workers);
    while (finished.size > 0) {
      flush();
      await breath;
    }
  } finally {
    await files.close();
    await Promise.allSettled(workers);
  }

  if (options.signal?.aborted !== true) {
    for await (const photo of settleMissing(library, roots, seen, displaced)) {
      tell(photo.path, "missing", { photoId: photo.id });
    }
  }
  return {
    imported: counts.imported,
    duplicates: counts.duplicate,
    unchanged: counts.unchanged,
    moved: counts.moved,
    failed: counts.failed,
    missing: counts.missing,
    seconds: (performance.now() - started) / 1000,
  };
}

function record(library: Library, outcome: Outcome): Recorded | undefined {
  switch (outcome.kind) {
    case "failed":
      return undefined;
    case "looked":
      return recordFile(library.db, outcome.record);
    case "known": {
      const { photo } = outcome;
      if (!outcome.isCopy) return recordUnchanged(library.db, photo);
      return { status: "duplicate", number: photo.number, id: photo.id, isChanged: false, displaced: [] };
    }
  }
}
