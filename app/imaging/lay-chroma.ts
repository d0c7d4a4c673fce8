// The network's chroma laid under a picture's own lightness: a new picture, in colour.
// Must never: change lightness on purpose, nor alpha at all.
import { prepareChroma } from "./chroma.ts";
import { createMerge } from "./merge.ts";
import { descriptionOf, mapRows, type Picture, spacesOf, type Workplace } from "./picture.ts";
import type { Chroma, MergeOptions } from "./types.ts";

/**
 * @param grey one plane of what the network saw, sRGB 0–1, as large as the chroma
 * @returns levels in the space of results; where nothing was clipped, `lightnessOf` is the given picture
 */
export async function layChroma(
  picture: Picture,
  chroma: Chroma,
  grey: Float32Array,
  options: MergeOptions,
  place: Workplace,
): Promise<Picture> {
  const { space, resultSpace } = spacesOf(picture);
  const { width, height, channels, bitDepth, profile } = picture;
  const merge = createMerge(
    { width, height, channels, bitDepth, space, resultSpace },
    prepareChroma(chroma, grey, options),
    options,
  );
  const plain: Picture = { ...descriptionOf(picture), data: picture.data };
  const result = await mapRows<Picture>(plain, place, merge, {
    ...(profile === undefined ? {} : { profile: { ...profile, stage: "result" } }),
  });
  return options.gamut === "chroma" ? { ...result, lightnessOf: plain } : result;
}
