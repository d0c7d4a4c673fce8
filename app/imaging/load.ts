// Photo files into pictures. Must never: hold more than a strip of a large photo in memory, or write to a source.
import { unlink } from "node:fs/promises";
import { decoding, type Limits, openImage } from "./open.ts";
import { fromSharp, MEMORY_LIMIT, type Picture, type Workplace } from "./picture.ts";
import { pixelBytes } from "./pixel-file.ts";
import { turnPicture } from "./turn.ts";

/**
 * All pixels of a photo, upright, with all their bits, in its own colour space.
 * @throws AutochromeError for everything that cannot become a coloured photo
 */
export async function loadPicture(path: string, limits: Limits, place: Workplace): Promise<Picture> {
  const image = await openImage(path, limits);
  const { facts, icc } = image;
  const { width, height, bitDepth, hasAlpha, orientation, colour } = facts;
  const shape = {
    width,
    height,
    channels: hasAlpha ? (4 as const) : (3 as const),
    bitDepth,
    ...(icc === undefined ? {} : { profile: { icc, colour, bitDepth, stage: "source" as const } }),
    origin: { path, isBare: image.isBare, facts },
  };
  return decoding(image, async () => {
    // sharp holds all pixels of what it turns; those of large photos are turned here.
    if (orientation <= 2 || pixelBytes(shape) <= MEMORY_LIMIT) {
      return fromSharp<Picture>(image.native("upright"), shape, place);
    }
    const stored = await fromSharp<Picture>(
      image.native("stored"),
      orientation >= 5 ? { ...shape, width: height, height: width } : shape,
      place,
    );
    const turned = await turnPicture(stored, orientation, place);
    if (typeof stored.data === "string") await unlink(stored.data);
    return turned;
  });
}
