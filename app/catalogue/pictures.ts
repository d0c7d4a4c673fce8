// Thumbnails, previews and tiles of photos and versions, as files: made when they are asked for, kept for the next time.
//
// Owns: the folder cache/pictures, which has a limit: the oldest in it go first. All can be thrown away at any time.
// Must never: let a half-made picture be seen, or touch an original.
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { levelSize, type PixelWorkers, TILE_SIDE, tileGroup, tileLevels } from "../imaging/index.ts";
import { AutochromeError, temporaryBeside } from "../kernel/index.ts";
import type { Library } from "./library.ts";
import { shareWork } from "./shared-work.ts";
import { ensureThumbnail } from "./thumbnails.ts";

/** A photo or a version. */
export interface PictureSource {
  /** Absolute. */
  readonly path: string;
  /** sha256 of the file, hex. */
  readonly hash: string;
  /** Pixels, upright. */
  readonly width: number;
  /** Pixels, upright. */
  readonly height: number;
  /** What the file was when its content was known, where it may change: bytes, and milliseconds since 1970. */
  readonly file?: { readonly size: number; readonly mtime: number };
}

/**
 * All give the path of a file. Requests that are aborted before their turn cost nothing.
 * @throws AutochromeError "not-found" where the source is gone or has another content by now, and what reading it throws
 */
export interface Pictures {
  /** WebP, at most 512 pixels a side. */
  thumbnail(source: PictureSource, signal?: AbortSignal): Promise<string>;
  /** JPEG in sRGB, at most `side` pixels wide and high. */
  preview(source: PictureSource, side: number, signal?: AbortSignal): Promise<string>;
  /** JPEG; see {@link tilesOf}. @returns undefined where there is no such tile */
  tile(
    source: PictureSource,
    place: { readonly level: number; readonly column: number; readonly row: number },
    signal?: AbortSignal,
  ): Promise<string | undefined>;
}

/** The pyramid of a picture: level 0 is the whole in one tile, each next one twice as large, the last at full size. */
export function tilesOf({ width, height }: { readonly width: number; readonly height: number }) {
  return { width, height, tileSize: TILE_SIDE, levels: tileLevels(width, height) };
}

const MAX_BYTES = 4 * 2 ** 30;
/** What is left after clearing: not every new picture is to clear again. */
const KEPT = 0.9;
/** A temporary file or folder so old belongs to nobody any more. */
const ABANDONED_MS = 60 * 60_000;

/** @param maxBytes of previews and tiles together; thumbnails are not counted */
export function createPictures(library: Library, workers: PixelWorkers, maxBytes = MAX_BYTES): Pictures {
  const share = shareWork<string>();
  const cache = createCache(library.pictures, maxBytes);

  /** The path of a file or folder in the cache. @param make makes it under a temporary name */
  async function ensure(
    source: PictureSource,
    name: string,
    make: (temporary: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const target = join(library.pictures, source.hash.slice(0, 2), name);
    if (await isThere(target)) return target;
    return share(
      name,
      async (stop) => {
        await checkSource(source, workers, stop);
        await mkdir(dirname(target), { recursive: true });
        const temporary = temporaryBeside(target, /\.[a-z]+$/.exec(name)?.[0] ?? "");
        try {
          await make(temporary, stop);
          await rename(temporary, target).catch(async (error: unknown) => {
            if (!(await isThere(target))) throw error; // another process made it
          });
        } finally {
          await rm(temporary, { recursive: true, force: true });
        }
        await cache.added(target);
        return target;
      },
      signal,
    );
  }

  return {
    thumbnail: (source, signal) =>
      share(`${source.hash} thumbnail`, (stop) => ensureThumbnail(library, source, workers, stop), signal),
    preview(source, wanted, signal) {
      const side = Math.min(wanted, Math.max(source.width, source.height)); // never larger than it is
      return ensure(
        source,
        `${source.hash}-${side}.jpg`,
        (temporary, stop) => workers.writePreview(source.path, temporary, side, stop),
        signal,
      );
    },
    async tile(source, { level, column, row }, signal) {
      if (level < 0 || level >= tileLevels(source.width, source.height)) return undefined;
      const { width, height } = levelSize(source.width, source.height, level);
      if (column < 0 || column >= Math.ceil(width / TILE_SIDE)) return undefined;
      if (row < 0 || row >= Math.ceil(height / TILE_SIDE)) return undefined;
      const group = tileGroup(level);
      const folder = await ensure(
        source,
        `${source.hash}-${group}`,
        (temporary, stop) => workers.writeTiles(source.path, temporary, group, stop),
        signal,
      );
      return join(folder, String(level), `${column}_${row}.jpeg`);
    },
  };
}

/** A picture is named by the content it shows: the file must still have that. */
async function checkSource(source: PictureSource, workers: PixelWorkers, signal: AbortSignal): Promise<void> {
  if (source.file === undefined) return;
  const now = await stat(source.path).catch(() => undefined);
  if (now === undefined) return; // whoever opens it says so better
  if (now.size === source.file.size) {
    if (Math.floor(now.mtimeMs) === source.file.mtime) return;
    if ((await workers.hash(source.path, signal)) === source.hash) return;
  }
  throw new AutochromeError(
    "not-found",
    "The photo's file has been changed since it was imported.",
    "Import its folder again.",
    { detail: source.path },
  );
}

/** Keeps what is in a folder below a limit. */
function createCache(folder: string, maxBytes: number): { added(path: string): Promise<void> } {
  let known: Promise<Map<string, number>> | undefined;

  async function add(path: string): Promise<void> {
    known ??= entriesOf(folder);
    const entries = await known;
    entries.delete(path);
    entries.set(path, await bytesOf(path));
    let bytes = [...entries.values()].reduce((sum, each) => sum + each, 0);
    if (bytes <= maxBytes) return;
    for (const [each, size] of entries) {
      if (bytes <= maxBytes * KEPT || each === path) break; // somebody waits for the newest
      entries.delete(each);
      await rm(each, { recursive: true, force: true });
      bytes -= size;
    }
  }

  let last: Promise<void> = Promise.resolve();
  return {
    added(path) {
      last = last.then(() => add(path)); // one after the other: two at once would both clear
      return last;
    },
  };
}

/** What is in the cache, oldest first, with its bytes. Clears away what was left half-made. */
async function entriesOf(folder: string): Promise<Map<string, number>> {
  const found: { readonly path: string; readonly bytes: number; readonly time: number }[] = [];
  for (const part of await readdir(folder).catch(() => [])) {
    for (const name of await readdir(join(folder, part)).catch(() => [])) {
      const path = join(folder, part, name);
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined) continue;
      if (!name.startsWith(".")) {
        found.push({ path, bytes: await bytesOf(path), time: facts.mtimeMs });
      } else if (Date.now() - facts.mtimeMs > ABANDONED_MS) {
        await rm(path, { recursive: true, force: true });
      }
    }
  }
  found.sort((a, b) => a.time - b.time);
  return new Map(found.map(({ path, bytes }) => [path, bytes]));
}

/** Bytes of a file, or of all files below a folder; 0 where it is gone. */
async function bytesOf(path: string): Promise<number> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) return 0;
  if (!facts.isDirectory()) return facts.size;
  let bytes = 0;
  for (const name of await readdir(path).catch(() => [])) bytes += await bytesOf(join(path, name));
  return bytes;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
