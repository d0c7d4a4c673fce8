// What the catalogue's tests share: folders, pictures, imports. Must never: be imported by anything but tests.
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { createPixelWorkers, type PixelWorkers } from "../imaging/index.ts";
import { type ImportEvent, type ImportOptions, type ImportResult, importPhotos } from "./import.ts";
import { type Library, openLibrary } from "./library.ts";
import type { Photo } from "./photos.ts";

export interface Scene {
  /** A temporary folder; photos and the library lie below it. */
  readonly folder: string;
  /** Where the user's photos are. */
  readonly photos: string;
  readonly library: Library;
  readonly workers: PixelWorkers;
  /** Writes a small JPEG below `photos`; the same shade gives the same bytes. @returns its path */
  picture(name: string, shade: number): Promise<string>;
  /** Imports and keeps the events. */
  import(
    sources?: readonly string[],
    options?: Partial<ImportOptions>,
  ): Promise<{ readonly result: Omit<ImportResult, "seconds">; readonly events: readonly ImportEvent[] }>;
  close(): Promise<void>;
}

/** Two threads; starting them takes longer than most tests. */
export function createTestWorkers(): PixelWorkers {
  return createPixelWorkers({ threads: 2, limits: { maxMegapixels: 100 } });
}

/** A library and an empty folder for photos. */
export async function createScene(workers: PixelWorkers): Promise<Scene> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-catalogue-")));
  const photos = join(folder, "photos");
  await mkdir(photos);
  const library = await openLibrary(join(folder, "library"));
  return {
    folder,
    photos,
    library,
    workers,
    async picture(name, shade) {
      const path = join(photos, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, await pictureBytes(shade));
      return path;
    },
    async import(sources = [photos], options = {}) {
      const events: ImportEvent[] = [];
      const { seconds, ...result } = await importPhotos(library, sources, {
        workers,
        ...options,
        onEvent: (event) => {
          events.push(event);
          options.onEvent?.(event);
        },
      });
      if (!(seconds >= 0)) throw new Error("no time was taken");
      return { result, events };
    },
    async close() {
      library.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A small JPEG. @param shade 0–255; other values give other bytes */
export async function pictureBytes(shade: number): Promise<Buffer> {
  const background = { r: shade, g: shade, b: shade };
  return sharp({ create: { width: 8 + (shade % 7), height: 6, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

/** A photo for tests that need no file. */
export function photoOf(number: number, fields: Partial<Photo> = {}): Photo {
  const digits = String(number).padStart(4, "0");
  return {
    id: `0000000000000000000000${digits}`,
    hash: digits.padStart(64, "0"),
    path: `/photos/${digits}.jpg`,
    name: `${digits}.jpg`,
    size: 1000 + number,
    mtime: 1_600_000_000_000 + number,
    format: "jpeg",
    width: 40,
    height: 30,
    bitDepth: 8,
    colour: "grey",
    hasAlpha: false,
    orientation: 1,
    pages: 1,
    iccName: undefined,
    isMono: true,
    takenAt: undefined,
    takenPrecision: undefined,
    title: undefined,
    caption: undefined,
    place: undefined,
    people: [],
    keywords: [],
    rating: undefined,
    notes: [],
    importedAt: "2026-01-01T00:00:00.000Z",
    missingSince: undefined,
    ...fields,
  };
}
