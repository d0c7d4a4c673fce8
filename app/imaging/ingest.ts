// One decode for all that the catalogue wants of a new photo: facts, black-and-white or not, a thumbnail.
// Must never: decode a photo twice.
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import sharp from "sharp";
import { AutochromeError, hashFile } from "../kernel/index.ts";
import { blurOf } from "./blur.ts";
import { isMonochromePixels } from "./monochrome.ts";
import { decoding, type Limits, openImage } from "./open.ts";
import type { Ingested } from "./types.ts";

/** Longest side of a thumbnail, in pixels. */
export const THUMBNAIL_SIDE = 512;
const LOOK_SIDE = 96;

/**
 * Reads a photo and writes its thumbnail (WebP, sRGB, upright).
 * @param thumbnail where to; undefined for none
 * @throws AutochromeError "unreadable-file" when the file changes meanwhile: hash and pixels must be of one content
 */
export async function ingest(path: string, thumbnail: string | undefined, limits: Limits): Promise<Ingested> {
  const image = await openImage(path, limits);
  const before = await stat(path);
  const hash = await hashFile(path);
  const { data, info } = await decoding(image, () =>
    image
      .display()
      .flatten({ background: "#ffffff" })
      .resize(THUMBNAIL_SIDE, THUMBNAIL_SIDE, { fit: "inside", withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true }),
  );
  const raw = { raw: { width: info.width, height: info.height, channels: 3 as const } };
  if (thumbnail !== undefined) await sharp(data, raw).webp({ quality: 80, effort: 2 }).toFile(thumbnail);
  const look = await sharp(data, raw)
    .resize(LOOK_SIDE, LOOK_SIDE, { fit: "inside", withoutEnlargement: true, kernel: "linear" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const after = await stat(path);
  if (after.mtimeMs !== before.mtimeMs || after.size !== before.size || after.ino !== before.ino) {
    throw new AutochromeError(
      "unreadable-file",
      `${basename(path)} changed while it was read.`,
      "Try again when the program that writes it has finished.",
    );
  }
  return {
    hash,
    size: after.size,
    mtime: Math.floor(after.mtimeMs),
    facts: image.facts,
    isMonochrome: isMonochromePixels(look.data),
    blur: await blurOf(look.data, look.info.width, look.info.height),
    hasMetadata: image.hasMetadata,
  };
}
