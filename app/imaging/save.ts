// Pictures into files. Owns: how a result's levels and profile get into the format. Must never: decide its name.
import { depthIn, encodePicture, type SaveOptions } from "./encode.ts";
import { settleForJpeg } from "./jpeg-lightness.ts";
import { fromLinear } from "./lab.ts";
import { mapRows, type Picture, reading, spacesOf, topOf, type Workplace } from "./picture.ts";
import { marksOf, xmpPacket } from "./provenance.ts";
import { levelTablesFor } from "./space.ts";
import type { Provenance, SaveResult } from "./types.ts";

/**
 * Writes a picture.
 * @param target must not exist; the caller gives it its final name
 * @param provenance where the origin has no metadata to be carried over, this is embedded at once, which spares another
 *   pass (see {@link SaveResult.isMarked})
 * @throws AutochromeError "output-unwritable" where the format cannot hold so large a picture
 */
export async function savePicture(
  picture: Picture,
  target: string,
  options: SaveOptions,
  provenance: Provenance | undefined,
  place: Workplace,
): Promise<SaveResult> {
  const final = await settled(await inResultSpace(picture, place), options, place);
  place.throwIfStopped();
  const isBare = picture.origin?.isBare ?? true;
  const marks = isBare && provenance !== undefined ? marksOf(provenance) : undefined;
  const notes = await encodePicture(final, target, { ...options, xmp: marks && xmpPacket(marks) });
  return {
    width: picture.width,
    height: picture.height,
    format: options.format,
    bitDepth: depthIn(options.format, picture.bitDepth),
    isMarked: marks !== undefined,
    notes: [...(picture.origin?.facts.notes ?? []), ...notes],
  };
}

/** A picture that nobody coloured may still be in its source's space: a grey one with a tone curve of its own. */
async function inResultSpace(picture: Picture, place: Workplace): Promise<Picture> {
  const { space, resultSpace } = spacesOf(picture);
  if (space.id === resultSpace.id || picture.profile === undefined) return picture;
  // Such spaces differ from sRGB in the curve alone.
  const top = topOf(picture);
  const table = Float64Array.from({ length: top + 1 }, (_, level) =>
    Math.round(top * fromLinear(space.curves[0](level / top))),
  );
  const { channels } = picture;
  return mapRows<Picture>(
    picture,
    place,
    (rows) => {
      for (let i = 0; i < rows.length; i++) if (channels === 3 || i % 4 !== 3) rows[i] = table[rows[i]!]!;
    },
    { profile: { ...picture.profile, stage: "result" } },
  );
}

/** Where nothing but a JPEG's rounding stands between pixels and file, the lightness is kept through it. */
async function settled(picture: Picture, options: SaveOptions, place: Workplace): Promise<Picture> {
  const { lightnessOf } = picture;
  const { resultSpace, resultProfile } = spacesOf(picture);
  const isExact = options.format === "jpeg" && options.quality === 100 && picture.bitDepth === 8;
  if (!isExact || picture.channels !== 3 || resultProfile?.convert === true || lightnessOf === undefined) {
    return picture;
  }
  const from = levelTablesFor(spacesOf(lightnessOf).space, 8);
  const to = levelTablesFor(resultSpace, 8);
  return reading([lightnessOf], (reader) =>
    mapRows(picture, place, async (rows, y, count) => {
      const before = await reader.read(y, count);
      if (!(before instanceof Uint8Array) || !(rows instanceof Uint8Array)) return;
      settleForJpeg(before, rows, picture.width, count, from, to);
    }),
  );
}
