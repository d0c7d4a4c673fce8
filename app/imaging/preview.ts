// Small looks at a picture between two steps, and its transparency. Must never: be taken for a result.
import sharp from "sharp";
import {
  descriptionOf,
  fromSharp,
  levelsFrom,
  type Mask,
  type Picture,
  spacesOf,
  toSharp,
  type Workplace,
} from "./picture.ts";
import { asTiff } from "./tiff.ts";

const QUALITY = 95;

/** A JPEG in sRGB, at most `side` pixels wide and high. */
export async function previewPicture(picture: Picture, side: number): Promise<Uint8Array> {
  const { resultProfile: profile } = spacesOf(picture);
  const fits = picture.width <= side && picture.height <= side;
  if (fits && picture.bitDepth === 8 && profile === undefined) {
    return toSharp(picture).flatten({ background: "#ffffff" }).jpeg({ quality: QUALITY }).toBuffer();
  }
  const pipeline = toSharp(picture).resize(side, side, { fit: "inside", withoutEnlargement: true });
  const { samples, width, height } = await levelsFrom(pipeline, picture.bitDepth);
  const { resultProfile } = spacesOf(picture);
  const shape = { width, height, channels: picture.channels, bitDepth: picture.bitDepth };
  const tagged = resultProfile?.convert === false ? resultProfile.icc : undefined;
  const small =
    tagged === undefined
      ? sharp(samples, { raw: { width, height, channels: picture.channels } })
      : sharp(asTiff(shape, samples, tagged));
  if (picture.bitDepth === 16) small.pipelineColourspace("srgb");
  return small.toColourspace("srgb").flatten({ background: "#ffffff" }).jpeg({ quality: QUALITY }).toBuffer();
}

/** A picture of at most `side` pixels a side, in memory, its levels in the same space. */
export async function reducePicture(picture: Picture, side: number, place: Workplace): Promise<Picture> {
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  return fromSharp<Picture>(
    toSharp(picture).resize(width, height, { fit: "fill" }),
    { ...descriptionOf(picture), width, height },
    place,
  );
}

/** Where a picture with alpha is transparent. */
export async function transparencyOf(picture: Picture, place: Workplace): Promise<Mask> {
  if (picture.channels !== 4) throw new Error("a picture without alpha has no transparency");
  const { width, height } = picture;
  const alpha = toSharp(picture).extractChannel(3);
  // 16-bit alpha is reduced as levels are: the upper 8 bits.
  if (picture.bitDepth === 16) alpha.pipelineColourspace("b-w");
  const pipeline = alpha.toColourspace("b-w").negate();
  return fromSharp<Mask>(pipeline, { width, height, channels: 1, bitDepth: 8 }, place);
}
