// Picture files as a browser is shown them: smaller, in another format, or one channel of them. Decoding runs in libvips'
// own threads, and what comes out is in memory.
// Must never: write a file.
import sharp, { type Sharp } from "sharp";
import { decoding, type Limits, openImage } from "./open.ts";

/** WebP is not larger. */
const WEBP_SIDE = 16_383;
/** Whole pictures are decoded for a channel; larger ones have to be fetched as they are. */
const CHANNEL_MEGAPIXELS = 100;

/**
 * A picture upright in sRGB, as JPEG or WebP.
 * @param wish `quality` 1–100; `isOpaque`: transparent parts become white, as they do in a JPEG anyhow
 * @throws AutochromeError for what is no picture, a damaged or too large one
 */
export async function previewOfFile(
  path: string,
  wish: { readonly format: "jpeg" | "webp"; readonly quality: number; readonly isOpaque: boolean },
  limits: Limits,
): Promise<Buffer> {
  const { format, quality, isOpaque } = wish;
  return decoded(path, limits, (picture) => {
    if (format === "jpeg" || isOpaque) picture.flatten({ background: "#ffffff" });
    if (format === "jpeg") return picture.jpeg({ quality }).toBuffer();
    return picture
      .resize(WEBP_SIDE, WEBP_SIDE, { fit: "inside", withoutEnlargement: true })
      .webp({ quality })
      .toBuffer();
  });
}

/** A picture's colours without its alpha, or its alpha over black, as PNG. @throws as {@link previewOfFile} */
export async function channelOfFile(path: string, channel: "rgb" | "a", limits: Limits): Promise<Buffer> {
  const bounds = { maxMegapixels: Math.min(limits.maxMegapixels, CHANNEL_MEGAPIXELS) };
  return decoded(path, bounds, async (picture) => {
    if (channel === "rgb") return picture.removeAlpha().png().toBuffer();
    const { data, info } = await picture
      .ensureAlpha()
      .extractChannel(3)
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    return sharp({ create: { width, height, channels: 3, background: "#000000" } })
      .joinChannel(data, { raw: { width, height, channels: 1 } })
      .png()
      .toBuffer();
  });
}

async function decoded(
  path: string,
  limits: Limits,
  use: (picture: Sharp) => Promise<Buffer>,
): Promise<Buffer> {
  const image = await openImage(path, limits);
  const options = { limitInputPixels: limits.maxMegapixels * 1e6, autoOrient: true, sequentialRead: true };
  return decoding(image, () => use(sharp(path, options).toColourspace("srgb")));
}
