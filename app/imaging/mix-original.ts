// The original's own colours, mixed back into a coloured picture at full size.
//
// In linear light, not in Lab: what lies between two colours of one luminance has that luminance, and what lies between
// two that exist exists, so that neither lightness nor gamut needs a search.
// Must never: change lightness or alpha.
import { bilinearAxis } from "./merge.ts";
import { mapRows, type Picture, reading, type Samples, spacesOf, topOf, type Workplace } from "./picture.ts";
import { type ColourSpace, leveller, levelTablesFor } from "./space.ts";

/** Where the blend applies, 0–1, at any size; see Tuning's mask. */
export interface Where {
  readonly plane: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** Whether a picture has no colour at all: then mixing it in is making colour paler. */
export async function isNeutral(picture: Picture, place: Workplace): Promise<boolean> {
  const { width, height, channels } = picture;
  const step = 64;
  return reading([picture], async (reader) => {
    for (let y = 0; y < height; y += step) {
      place.throwIfStopped();
      const rows = await reader.read(y, Math.min(step, height - y));
      for (let at = 0; at < rows.length; at += channels) {
        if (rows[at] !== rows[at + 1] || rows[at] !== rows[at + 2]) return false;
      }
    }
    return width > 0;
  });
}

/**
 * @param original the picture whose lightness `coloured` has
 * @param share 0–1 of the new colours where the blend applies fully; elsewhere all are new
 */
export async function mixOriginal(
  original: Picture,
  coloured: Picture,
  share: number,
  where: Where | undefined,
  place: Workplace,
): Promise<Picture> {
  const { width, height, channels, bitDepth } = coloured;
  // The two have the same primaries: spaces of results differ from those of sources by the curve of a grey one at most.
  const { space } = spacesOf(original);
  const { space: resultSpace } = spacesOf(coloured);
  const [ownR, ownG, ownB] = lightTables(space, original);
  const [newR, newG, newB] = lightTables(resultSpace, coloured);
  const { red, green, blue } = levelTablesFor(resultSpace, bitDepth);
  const levelOf = leveller(bitDepth);
  const [redY = 0, greenY = 0, blueY = 0] = resultSpace.luminance;
  const columns = where && bilinearAxis(where.width, width);
  const lines = where && bilinearAxis(where.height, height);
  const shares = new Float32Array(width).fill(share);

  const mixRow = (own: Samples, rows: Samples, start: number) => {
    for (let x = 0, at = start; x < width; x++, at += channels) {
      const part = shares[x]!;
      const ownRed = ownR[own[at]!]!;
      const ownGreen = ownG[own[at + 1]!]!;
      const ownBlue = ownB[own[at + 2]!]!;
      const r = ownRed + part * (newR[rows[at]!]! - ownRed);
      const g = ownGreen + part * (newG[rows[at + 1]!]! - ownGreen);
      const b = ownBlue + part * (newB[rows[at + 2]!]! - ownBlue);
      // Levels of `coloured` are rounded already: what that took from lightness is given back before rounding again.
      const luminance = redY * r + greenY * g + blueY * b;
      const kept = luminance > 0 ? (redY * ownRed + greenY * ownGreen + blueY * ownBlue) / luminance : 1;
      rows[at] = levelOf(kept * r, red);
      rows[at + 1] = levelOf(kept * g, green);
      rows[at + 2] = levelOf(kept * b, blue);
    }
  };
  return reading([original], (reader) =>
    mapRows<Picture>(coloured, place, async (rows, y0, count) => {
      const own = await reader.read(y0, count);
      for (let i = 0; i < count; i++) {
        if (where && columns && lines) {
          const down = lines.share[y0 + i]!;
          const upper = lines.first[y0 + i]! * where.width;
          const lower = lines.second[y0 + i]! * where.width;
          for (let x = 0; x < width; x++) {
            const left = columns.first[x]!;
            const right = columns.second[x]!;
            const across = columns.share[x]!;
            const above = where.plane[upper + left]! * (1 - across) + where.plane[upper + right]! * across;
            const below = where.plane[lower + left]! * (1 - across) + where.plane[lower + right]! * across;
            shares[x] = 1 - (1 - share) * (above * (1 - down) + below * down);
          }
        }
        mixRow(own, rows, i * width * channels);
      }
    }),
  );
}

/** Light 0–1 of levels, by channel. */
function lightTables(
  { curves }: ColourSpace,
  picture: Picture,
): [red: Float32Array, green: Float32Array, blue: Float32Array] {
  const top = topOf(picture);
  const table = (curve: (level: number) => number) =>
    Float32Array.from({ length: top + 1 }, (_, level) => curve(level / top));
  return [table(curves[0]), table(curves[1]), table(curves[2])];
}
