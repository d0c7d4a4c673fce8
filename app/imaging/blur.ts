// A photo in some twenty bytes (thumbhash), to be shown before its thumbnail is there.
// Must never: be taken for a picture.
import sharp from "sharp";
import { rgbaToThumbHash } from "thumbhash";

/** Pixels a side that the bytes are made of: they cannot say more than a few. */
const SIDE = 32;

/** @param pixels RGB, 8 bit, row by row */
export async function blurOf(pixels: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const { data, info } = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true, kernel: "linear" })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return rgbaToThumbHash(info.width, info.height, data);
}

/** The same of a thumbnail's file. */
export async function blurOfFile(thumbnail: string): Promise<Uint8Array> {
  const { data, info } = await sharp(thumbnail)
    .resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true })
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return blurOf(data, info.width, info.height);
}
