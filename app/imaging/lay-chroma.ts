// The network's chroma laid under a picture's own lightness: a new picture, in colour.
// Must never: change lightness on purpose, nor alpha at all.
import { prepareChroma } from "./chroma.ts";
import { createMerge } from "./merge.ts";
import { isNeutral, mixOriginal } from "./mix-original.ts";
import { descriptionOf, mapRows, type Picture, samplesOf, spacesOf, type Workplace } from "./picture.ts";
import { maskPlane } from "./tuning.ts";
import type { Chroma, MergeOptions } from "./types.ts";

/** Rows of a picture in memory, and where their coloured levels go. */
export interface PartOfLay {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** As large as the picture's own memory; other rows are left alone. */
  readonly target: SharedArrayBuffer;
}

/**
 * {@link layChroma} for some rows, so that several threads can do one picture: for somebody who waits for a look.
 * @returns false where rows cannot be done apart; nothing was written then
 */
export async function layChromaPart(
  picture: Picture,
  chroma: Chroma,
  grey: Float32Array,
  options: MergeOptions,
  { from, to, target }: PartOfLay,
): Promise<boolean> {
  const { tuning } = options;
  const { width, height, channels, bitDepth, data } = picture;
  if (typeof data === "string" || (tuning !== undefined && tuning.blend !== 1)) return false;
  const { space, resultSpace } = spacesOf(picture);
  const mask = tuning?.mask && (await maskPlane(tuning.mask, chroma.width, chroma.height));
  const shape = { width, height, channels, bitDepth, space, resultSpace };
  // Rows between which the picture's first and last ones lie, and one more on each side for rounding.
  const rowOf = (y: number) => Math.floor((y * chroma.height) / height);
  const first = Math.max(0, rowOf(from) - 2);
  const last = Math.min(chroma.height - 1, rowOf(to) + 2);
  const source = prepareChroma(chroma, grey, options, mask, { first, last });
  const merge = createMerge(shape, source, options);
  const stride = width * channels;
  const rows = samplesOf(target, bitDepth).subarray(from * stride, to * stride);
  rows.set(samplesOf(data, bitDepth).subarray(from * stride, to * stride));
  merge(rows, from, to - from);
  return true;
}

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
  const { tuning } = options;
  const mask = tuning?.mask && (await maskPlane(tuning.mask, chroma.width, chroma.height));
  // A neutral original makes colours paler, at the network's size; a coloured one is mixed in at its own.
  const isMixed = tuning !== undefined && tuning.blend !== 1 && !(await isNeutral(picture, place));
  const laid: MergeOptions = isMixed ? { ...options, tuning: { ...tuning, blend: 1 } } : options;
  const merge = createMerge(
    { width, height, channels, bitDepth, space, resultSpace },
    prepareChroma(chroma, grey, laid, mask),
    options,
  );
  const plain: Picture = { ...descriptionOf(picture), data: picture.data };
  const coloured = await mapRows<Picture>(plain, place, merge, {
    ...(profile === undefined ? {} : { profile: { ...profile, stage: "result" } }),
  });
  const where = mask && { plane: mask, width: chroma.width, height: chroma.height };
  const result = isMixed ? await mixOriginal(plain, coloured, tuning.blend, where, place) : coloured;
  return options.gamut === "chroma" ? { ...result, lightnessOf: plain } : result;
}
