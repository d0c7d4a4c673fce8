// Finished pictures into other forms: another format, or original and version side by side.
// Must never: change the colours of what it converts.
import sharp from "sharp";
import { checkSize, depthIn, settings } from "./encode.ts";
import { markFor } from "./mark.ts";
import { decoding, type Limits, openImage } from "./open.ts";
import type { OutputFormat } from "./types.ts";

/** Height of a side-by-side picture, in pixels, where the photo is at least as high. */
const PAIR_HEIGHT = 1600;

/**
 * Re-encodes a picture of ours; metadata and profile come along.
 * @param target must not exist
 * @param isMarked with "colourised / 上色" in a corner, where the picture is large enough
 */
export async function convert(
  source: string,
  target: string,
  format: OutputFormat,
  quality: number,
  limits: Limits,
  isMarked = false,
): Promise<void> {
  const opened = await openImage(source, limits);
  const { facts } = opened;
  checkSize(format, facts.width, facts.height);
  const space = depthIn(format, facts.bitDepth) === 16 ? "rgb16" : "srgb";
  // With its profile kept, sharp converts nothing.
  let image = opened.native("upright").keepMetadata().pipelineColourspace(space).toColourspace(space);
  if (format === "jpeg" && facts.hasAlpha) image = image.flatten({ background: "#ffffff" });
  const mark = isMarked ? markFor(facts.width, facts.height) : undefined;
  if (mark !== undefined) {
    image = image.composite([mark]);
    if (!facts.hasAlpha || format === "jpeg") image = image.removeAlpha(); // laying it on adds one
  }
  const bytes = facts.width * facts.height * 4 * (facts.bitDepth / 8);
  await decoding(opened, () => settings(image, format, quality, bytes).toFile(target));
}

/** Original left, version right, equally high, in sRGB. A mark is on the version. @param target must not exist */
export async function pairUp(
  original: string,
  version: string,
  target: string,
  format: OutputFormat,
  quality: number,
  limits: Limits,
  isMarked = false,
): Promise<void> {
  const [left, right] = await Promise.all([openImage(original, limits), openImage(version, limits)]);
  const height = Math.min(PAIR_HEIGHT, right.facts.height);
  const half = async (image: typeof left) =>
    decoding(image, () =>
      image
        .display()
        .flatten({ background: "#ffffff" })
        .resize({ height, withoutEnlargement: false })
        .raw()
        .toBuffer({ resolveWithObject: true }),
    );
  const [before, after] = [await half(left), await half(right)];
  const gap = Math.max(2, Math.round(height / 100));
  const raw = (part: typeof before) => ({
    input: part.data,
    raw: { width: part.info.width, height: part.info.height, channels: 3 as const },
  });
  const width = before.info.width + gap + after.info.width;
  checkSize(format, width, height);
  const mark = isMarked ? markFor(after.info.width, height) : undefined;
  const start = before.info.width + gap;
  const canvas = sharp({
    create: { width, height, channels: 3, background: "#ffffff" },
  }).composite([
    { ...raw(before), left: 0, top: 0 },
    { ...raw(after), left: start, top: 0 },
    ...(mark === undefined ? [] : [{ ...mark, left: start + (mark.left ?? 0) }]),
  ]);
  await settings(canvas.removeAlpha(), format, quality, 0).toFile(target);
}
