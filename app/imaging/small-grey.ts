// Small grey pictures for looking at what a photograph shows. Decoding runs in libvips' own threads, and what comes out is
// in memory. Must never: be taken for a result.
import sharp from "sharp";
import { decoding, type Limits, openImage } from "./open.ts";

/** One plane of levels 0–255, row by row. */
export interface GreyPicture {
  readonly width: number;
  readonly height: number;
  readonly levels: Uint8Array;
}

/**
 * A photograph upright and grey, at most `side` pixels wide and high; a smaller one as it is. Transparent parts are white.
 * @returns the picture, and the upright photograph's own width and height
 * @throws AutochromeError for what is no picture, a damaged or too large one
 */
export async function smallGreyOfFile(
  path: string,
  side: number,
  limits: Limits,
): Promise<{ readonly grey: GreyPicture; readonly width: number; readonly height: number }> {
  const image = await openImage(path, limits);
  const { data, info } = await decoding(image, () =>
    image
      .display()
      .resize(side, side, { fit: "inside", withoutEnlargement: true })
      .flatten({ background: "#ffffff" })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true }),
  );
  const levels = new Uint8Array(info.width * info.height);
  for (let at = 0; at < levels.length; at++) {
    const from = at * info.channels;
    const [red, green, blue] = info.channels < 3 ? [from, from, from] : [from, from + 1, from + 2];
    levels[at] = Math.round(0.299 * data[red]! + 0.587 * data[green]! + 0.114 * data[blue]!);
  }
  const { width, height } = image.facts;
  return { grey: { width: info.width, height: info.height, levels }, width, height };
}

/** The picture with a longer side of exactly `side` pixels. */
export async function scaleGrey(grey: GreyPicture, side: number): Promise<GreyPicture> {
  const { width, height, levels } = grey;
  const scale = side / Math.max(width, height);
  const target = {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
  const scaled = await sharp(levels, { raw: { width, height, channels: 1 } })
    .resize(target.width, target.height, { fit: "fill" })
    .extractChannel(0)
    .raw({ depth: "uchar" })
    .toBuffer();
  return { ...target, levels: new Uint8Array(scaled) };
}
