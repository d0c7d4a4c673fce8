// Photos as the eye sees them, in any size: upright, sRGB, 8 bit, white behind transparent parts. Previews and the tiles of
// a deep zoom are made here.
//
// Owns: how that is done without holding a large photo in memory. Must never: enlarge, or write to a source.
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Sharp } from "sharp";
import { decoding, type Limits, type OpenImage, openImage } from "./open.ts";
import { fromSharp, type Picture, toSharp, type Workplace } from "./picture.ts";
import { turnPicture } from "./turn.ts";

/** Pixels a side of a tile. */
export const TILE_SIDE = 512;
const PREVIEW_QUALITY = 88;
const TILE_QUALITY = 85;
/** Levels of a pyramid that are made together by one quick decode; those above come by another. */
const OVERVIEW_LEVELS = 3;

/** Which levels of a pyramid are made together. */
export type TileGroup = "overview" | "deep";

/** Levels of the pyramid: 0 is the whole in one tile, each next one twice as large. */
export function tileLevels(width: number, height: number): number {
  return 1 + Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / TILE_SIDE)));
}

/** With which levels a level is made. */
export function tileGroup(level: number): TileGroup {
  return level < OVERVIEW_LEVELS ? "overview" : "deep";
}

/** Width and height of a level, in pixels. */
export function levelSize(width: number, height: number, level: number): { width: number; height: number } {
  const scale = 2 ** (tileLevels(width, height) - 1 - level);
  return { width: Math.ceil(width / scale), height: Math.ceil(height / scale) };
}

/**
 * Writes a JPEG of a photo, at most `side` pixels wide and high, never larger than the photo.
 * @throws AutochromeError for what is no picture, a damaged or too large one
 */
export async function writePreview(
  path: string,
  target: string,
  side: number,
  limits: Limits,
  place: Workplace,
): Promise<void> {
  const image = await openImage(path, limits);
  const { width, height } = image.facts;
  const scale = Math.min(1, side / Math.max(width, height));
  const size = { width: rounded(width * scale), height: rounded(height * scale) };
  await decoding(image, async () => {
    const shown = await displayed(image, size, place);
    await shown
      .jpeg({ quality: PREVIEW_QUALITY, chromaSubsampling: "4:4:4", optimiseCoding: false })
      .toFile(target);
  });
}

/**
 * Writes levels of a photo's pyramid into a new folder: LEVEL/COLUMN_ROW.jpeg. Tiles do not overlap; those at the right and
 * lower edge are smaller.
 * @param folder does not exist yet
 * @throws as {@link writePreview}
 */
export async function writeTiles(
  path: string,
  folder: string,
  group: TileGroup,
  limits: Limits,
  place: Workplace,
): Promise<void> {
  const image = await openImage(path, limits);
  const { width, height } = image.facts;
  const levels = tileLevels(width, height);
  const top = group === "deep" ? levels - 1 : Math.min(levels, OVERVIEW_LEVELS) - 1;
  const made = `${folder}_files`; // as libvips calls it
  try {
    await decoding(image, async () => {
      const shown = await displayed(image, levelSize(width, height, top), place);
      await shown
        .jpeg({ quality: TILE_QUALITY, chromaSubsampling: "4:4:4", optimiseCoding: false })
        .tile({ size: TILE_SIDE, overlap: 0, layout: "dz", depth: "onetile", skipBlanks: -1 })
        .toFile(`${folder}.dz`);
    });
    place.throwIfStopped();
    for (const level of await readdir(made)) {
      const isWanted = group === "overview" ? /^\d+$/.test(level) : Number(level) >= OVERVIEW_LEVELS;
      if (!isWanted) await rm(join(made, level), { recursive: true });
    }
    await rename(made, folder);
  } finally {
    await rm(made, { recursive: true, force: true });
    await rm(`${folder}.dzi`, { force: true });
  }
}

/** A pipeline of just this size, upright. What has to be turned is made small first: sharp would hold all its pixels. */
async function displayed(
  image: OpenImage,
  size: { readonly width: number; readonly height: number },
  place: Workplace,
): Promise<Sharp> {
  const { orientation } = image.facts;
  const [width, height] = orientation >= 5 ? [size.height, size.width] : [size.width, size.height];
  const stored = image
    .display("stored")
    .flatten({ background: "#ffffff" })
    .resize(width, height, { fit: "fill" });
  if (orientation === 1) return stored;
  const shape = { width, height, channels: 3 as const, bitDepth: 8 as const };
  const pixels = await fromSharp<Picture>(stored, shape, place);
  place.throwIfStopped();
  return toSharp(await turnPicture(pixels, orientation, place));
}

const rounded = (length: number) => Math.max(1, Math.round(length));
