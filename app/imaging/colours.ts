// What an opened photo's pixels mean and what its result's shall mean, from its embedded profile.
// Owns: which profiles are followed exactly, which by libvips, which not at all. Must never: touch pixels.
import { readProfile } from "./icc.ts";
import { type ColourSpace, DISPLAY_P3, SRGB } from "./space.ts";
import type { ImageFacts } from "./types.ts";

export interface Colours {
  readonly profileName?: string;
  /** A sentence for the user where the profile was not followed. */
  readonly note?: string;
  /** What the levels mean that libvips gives, with or without a conversion. */
  readonly space: ColourSpace;
  readonly resultSpace: ColourSpace;
  /** The profile that a result carries; `convert` where its pixels are not in it yet. */
  readonly resultProfile: { readonly icc: Buffer; readonly convert: boolean } | undefined;
  /** libvips is to apply the profile to get pixels in `space`. */
  readonly convertToNative: boolean;
  /** libvips is to apply the profile to get pixels for the eye. */
  readonly convertToDisplay: boolean;
}

const PLAIN: Colours = {
  space: SRGB,
  resultSpace: SRGB,
  resultProfile: undefined,
  convertToNative: false,
  convertToDisplay: false,
};

/** Decides how a photo with this profile, if any, is read and written. */
export function coloursOf(icc: Buffer | undefined, colour: ImageFacts["colour"], bitDepth: 8 | 16): Colours {
  if (icc === undefined || colour === "lab") return PLAIN;
  const profile = readProfile(icc);
  if (profile === undefined) return { ...PLAIN, note: "The colour profile is damaged and was ignored." };
  const { name: profileName, space } = profile;
  if (profile.kind !== colour) {
    return {
      ...PLAIN,
      profileName,
      note: "The colour profile is for another kind of picture and was ignored.",
    };
  }
  if (profile.isSrgb) return { ...PLAIN, profileName, resultProfile: { icc, convert: false } };
  const read = { ...PLAIN, profileName, convertToDisplay: true };
  // CMYK can only be converted; the result is RGB and has no use for its profile.
  if (colour === "cmyk") return { ...read, convertToNative: true };
  // A grey profile does not fit the coloured result, which is sRGB.
  if (colour === "grey") return space === undefined ? { ...read, convertToNative: true } : { ...read, space };
  if (space !== undefined) {
    return { ...read, space, resultSpace: space, resultProfile: { icc, convert: false } };
  }
  // A table: libvips converts there and back, by way of sRGB, or of Display P3 where it works in 16 bits.
  const between = bitDepth === 16 ? DISPLAY_P3 : SRGB;
  return {
    ...read,
    convertToNative: true,
    space: between,
    resultSpace: between,
    resultProfile: { icc, convert: true },
  };
}
