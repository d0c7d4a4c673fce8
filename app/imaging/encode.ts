// Pictures into files: format, profile, quality.
//
// Owns: which format a result gets, its encoder settings, embedding the profile.
// Must never: decide what the pixels are.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { AutochromeError, writeFileAtomically } from "../kernel/index.ts";
import { type Picture, samplesOf, spacesOf } from "./picture.ts";
import { pixelBytes } from "./pixel-file.ts";
import { asTiff } from "./tiff.ts";
import type { ImageFacts, OutputFormat } from "./types.ts";

/** The format of a result: as wished; for "same" the source's, or a lossless one where we cannot write that. */
export function outputFormatFor(facts: ImageFacts, wish: OutputFormat | "same"): OutputFormat {
  if (wish !== "same") return wish;
  if (facts.format === "gif") return "png";
  if (facts.format === "heif") return facts.bitDepth === 16 ? "tiff" : "jpeg";
  return facts.format;
}

/** File name extension of a format, with its dot. */
export function extensionFor(format: OutputFormat): string {
  return format === "jpeg" ? ".jpg" : format === "tiff" ? ".tif" : `.${format}`;
}

/** Bits per channel that a format can keep of a source with this many. */
export function depthIn(format: OutputFormat, bitDepth: 8 | 16): 8 | 16 {
  return bitDepth === 16 && (format === "tiff" || format === "png") ? 16 : 8;
}

/** What a file is written as. */
export interface SaveOptions {
  readonly format: OutputFormat;
  /** JPEG, WebP and AVIF quality, 1–100. */
  readonly quality: number;
}

/** Most pixels a side that a format can have. */
const LONGEST_SIDE: Partial<Record<OutputFormat, number>> = { jpeg: 65_535, webp: 16_383, avif: 16_384 };

/** @throws AutochromeError "output-unwritable" where a format cannot hold a picture so large */
export function checkSize(format: OutputFormat, width: number, height: number): void {
  const longest = LONGEST_SIDE[format];
  if (longest === undefined || Math.max(width, height) <= longest) return;
  throw new AutochromeError(
    "output-unwritable",
    `${format.toUpperCase()} can be at most ${longest} pixels wide or high; this photo is ${width} × ${height}.`,
    "Choose TIFF or PNG.",
  );
}

/**
 * Writes a picture's levels as they are. JPEG and AVIF keep full chroma resolution (4:4:4); PNG and TIFF are lossless
 * and keep 16 bit. The profile of results is embedded; levels are converted to it where they are not in it.
 * @param options `xmp`: a packet to embed
 * @returns notes for the user
 * @throws AutochromeError "output-unwritable" where the format cannot hold so large a picture
 */
export async function encodePicture(
  picture: Picture,
  target: string,
  options: SaveOptions & { readonly xmp: string | undefined },
): Promise<string[]> {
  const { format, quality, xmp } = options;
  checkSize(format, picture.width, picture.height);
  const notes: string[] = [];
  const { resultProfile: profile } = spacesOf(picture);
  const attach = profile !== undefined && !profile.convert;
  let image = open(picture, attach ? profile.icc : undefined);
  const depth = depthIn(format, picture.bitDepth);
  if (depth < picture.bitDepth)
    notes.push(`${format.toUpperCase()} holds 8 bits per channel; the original has 16.`);
  if (depth === 16) image = image.pipelineColourspace("rgb16").toColourspace("rgb16");
  if (format === "jpeg" && picture.channels === 4) {
    image = image.flatten({ background: "#ffffff" });
    notes.push("JPEG has no transparency; transparent parts became white.");
  }
  if (attach) image = image.keepIccProfile();
  else if (profile !== undefined) image = image.withIccProfile(await profileFile(profile.icc));
  if (xmp !== undefined) image = image.withXmp(xmp);
  await settings(image, format, quality, pixelBytes(picture)).toFile(target);
  return notes;
}

/** The encoder of a format, set up. @param bytes of the uncompressed pixels */
export function settings(image: Sharp, format: OutputFormat, quality: number, bytes: number): Sharp {
  switch (format) {
    case "jpeg":
      // Optimal Huffman tables need all coefficients in memory at once and take three times as long, for some per cent.
      return image.jpeg({ quality, chromaSubsampling: "4:4:4", optimiseCoding: false });
    case "png":
      return image.png({ compressionLevel: 6, adaptiveFiltering: true });
    case "tiff":
      // BigTIFF only where the 4 GiB of a plain one could be passed: few readers know it.
      return image.tiff({ compression: "deflate", predictor: "horizontal", bigtiff: bytes > 3.5 * 2 ** 30 });
    case "webp":
      // WebP's lossy form halves the colour's resolution; at full quality nothing less than lossless will do.
      return image.webp({ quality, smartSubsample: true, lossless: quality === 100 });
    case "avif":
      return image.avif({ quality, chromaSubsampling: "4:4:4", effort: 3 });
  }
}

/** @param icc a profile that sharp is to find in what it reads; a scratch file has it already */
function open(picture: Picture, icc: Buffer | undefined): Sharp {
  const options = { limitInputPixels: false, sequentialRead: true } as const;
  const { width, height, channels, bitDepth, data } = picture;
  if (typeof data === "string") return sharp(data, options);
  const samples = samplesOf(data, bitDepth);
  return icc === undefined
    ? sharp(samples, { ...options, raw: { width, height, channels } })
    : sharp(asTiff(picture, samples, icc), options);
}

/** sharp takes profiles by path: each is put into the temporary folder once, under its own hash. */
async function profileFile(profile: Buffer): Promise<string> {
  const path = join(tmpdir(), `autochrome-${createHash("sha256").update(profile).digest("hex")}.icc`);
  const there = await stat(path).catch(() => undefined);
  if (there?.size !== profile.length) await writeFileAtomically(path, profile, { overwrite: true });
  return path;
}
