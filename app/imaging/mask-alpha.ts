// A drawn mask as the alpha of a picture, as ComfyUI's mask editor sends it.
// Owns: that merge. Must never: write onto a picture that is there.
import sharp from "sharp";
import { AutochromeError } from "../kernel/index.ts";
import { inspectImage, type Limits } from "./open.ts";
import { addPngText, readPngText } from "./png-text.ts";

/** Both pictures are in memory while they are merged. */
const MAX_MEGAPIXELS = 100;

/**
 * Writes the original with the mask's alpha into a new PNG. Text chunks (prompt, workflow) and the profile stay.
 * @param original @param mask checked paths
 * @throws AutochromeError "usage" where the two differ in size, others where one cannot be read
 */
export async function applyMask(
  original: string,
  mask: string,
  target: string,
  limits: Limits,
): Promise<void> {
  const bounds = { maxMegapixels: Math.min(limits.maxMegapixels, MAX_MEGAPIXELS) };
  const [picture, cover] = [await inspectImage(original, bounds), await inspectImage(mask, bounds)];
  if (picture.width !== cover.width || picture.height !== cover.height) {
    throw new AutochromeError(
      "usage",
      `The mask is ${cover.width} × ${cover.height} pixels, the picture ${picture.width} × ${picture.height}.`,
      "Send a mask of the picture's size.",
    );
  }
  const options = { limitInputPixels: bounds.maxMegapixels * 1e6, autoOrient: true } as const;
  const alpha = await sharp(mask, options).ensureAlpha().extractChannel("alpha").raw().toBuffer();
  // sharp removes alpha after it has joined one, whatever the order of the calls: two steps where there is one already
  const opaque = picture.hasAlpha
    ? await sharp(original, options).removeAlpha().keepMetadata().png({ compressionLevel: 0 }).toBuffer()
    : original;
  await sharp(opaque, options)
    .toColourspace("srgb")
    .joinChannel(alpha, { raw: { width: picture.width, height: picture.height, channels: 1 } })
    .keepMetadata()
    .png({ compressionLevel: 4 })
    .toFile(target);
  await addPngText(target, await jsonTexts(original));
}

/** What ComfyUI writes into PNGs is JSON: the prompt, the workflow. */
async function jsonTexts(file: string): Promise<Record<string, unknown>> {
  const parsed = Object.entries(await readPngText(file)).flatMap(([keyword, text]) => {
    try {
      return [[keyword, JSON.parse(text)] as const];
    } catch {
      return []; // another program's remark, not the graph
    }
  });
  return Object.fromEntries(parsed);
}
