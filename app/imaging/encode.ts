// Rasters into files: format, profile, quality.
//
// Owns: which format a result gets, its encoder settings, embedding the profile.
// Must never: decide what the pixels are.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { writeFileAtomically } from "../kernel/index.ts";
import { type Raster, rasterBytes } from "./raster.ts";
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

/**
 * Writes a raster. JPEG and AVIF keep full chroma resolution (4:4:4); PNG and TIFF are lossless and keep 16 bit.
 * @param profile an RGB profile to convert to and embed; none leaves sRGB, unmarked
 * @returns notes for the user
 */
export async function encodeRaster(
  raster: Raster,
  target: string,
  format: OutputFormat,
  quality: number,
  profile: Buffer | undefined,
): Promise<string[]> {
  const notes: string[] = [];
  let image = open(raster);
  const depth = depthIn(format, raster.bitDepth);
  if (depth < raster.bitDepth)
    notes.push(`${format.toUpperCase()} holds 8 bits per channel; the original has 16.`);
  if (depth === 16) image = image.pipelineColourspace("rgb16").toColourspace("rgb16");
  if (format === "jpeg" && raster.channels === 4) {
    image = image.flatten({ background: "#ffffff" });
    notes.push("JPEG has no transparency; transparent parts became white.");
  }
  if (profile !== undefined) image = image.withIccProfile(await profileFile(profile));
  await settings(image, format, quality, rasterBytes(raster)).toFile(target);
  return notes;
}

function settings(image: Sharp, format: OutputFormat, quality: number, bytes: number): Sharp {
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality, chromaSubsampling: "4:4:4" });
    case "png":
      return image.png({ compressionLevel: 6, adaptiveFiltering: true });
    case "tiff":
      // BigTIFF only where the 4 GiB of a plain one could be passed: few readers know it.
      return image.tiff({ compression: "deflate", predictor: "horizontal", bigtiff: bytes > 3.5 * 2 ** 30 });
    case "webp":
      return image.webp({ quality, smartSubsample: true });
    case "avif":
      return image.avif({ quality, chromaSubsampling: "4:4:4", effort: 3 });
  }
}

function open(raster: Raster): Sharp {
  const options = { limitInputPixels: false, sequentialRead: true } as const;
  if (raster.file !== undefined) return sharp(raster.file, options);
  const { width, height, channels, samples } = raster;
  if (samples === undefined) throw new Error("a raster lies in memory or in a file");
  return sharp(samples, { ...options, raw: { width, height, channels } });
}

/** sharp takes profiles by path: each is put into the temporary folder once, under its own hash. */
async function profileFile(profile: Buffer): Promise<string> {
  const path = join(tmpdir(), `autochrome-${createHash("sha256").update(profile).digest("hex")}.icc`);
  const there = await stat(path).catch(() => undefined);
  if (there?.size !== profile.length) await writeFileAtomically(path, profile, { overwrite: true });
  return path;
}
