// The plain data that crosses the imaging room's border: what a file is, what the network gets, what it gave.
import type { Tuning } from "./tuning.ts";

/** File formats that can be read. HEIF covers AVIF's sibling HEIC where the decoder is there. */
export type ImageFormat = "jpeg" | "png" | "tiff" | "webp" | "avif" | "gif" | "heif";

/** File formats that results are written in. */
export type OutputFormat = "jpeg" | "png" | "tiff" | "webp" | "avif";

/** What a file is, as a viewer sees it (orientation applied). Read without decoding all pixels. */
export interface ImageFacts {
  readonly format: ImageFormat;
  /** Pixels, after orientation. */
  readonly width: number;
  /** Pixels, after orientation. */
  readonly height: number;
  /** Bits per channel that are kept: 8, or 16 for anything above 8. */
  readonly bitDepth: 8 | 16;
  readonly colour: "grey" | "rgb" | "cmyk" | "lab";
  readonly hasAlpha: boolean;
  /** EXIF orientation as stored, 1–8. */
  readonly orientation: number;
  /** Pages or frames in the file; only the first is used. */
  readonly pages: number;
  /** Description of the embedded ICC profile, where there is one. */
  readonly iccName?: string;
  /** Things the user should know, as sentences (for instance that only the first page was read). */
  readonly notes: readonly string[];
}

/** What the network gave: plane a, then plane b, in CIE Lab units, shape 2 × height × width. */
export interface Chroma {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
  /** Leaked colour was pulled back already; see {@link cleanChroma}. */
  readonly isClean?: boolean;
}

/** What is written into a result about its making. Everything in it is in the version's record too. */
export interface Provenance {
  /** "Autochrome 0.1.0" */
  readonly software: string;
  readonly model: string;
  readonly modelSha256: string;
  readonly device: string;
  /** Flat parameters, in writing order. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** ISO time, UTC. Part of the record, so that running the record again gives the same bytes. */
  readonly createdAt: string;
}

/** How chroma is laid under lightness. */
export interface MergeOptions {
  /** Multiplies a and b, 0–2. */
  readonly colorFactor: number;
  /** Further changes of colour; none: the network's colours as they are. */
  readonly tuning?: Tuning;
  /** "edge-aware" follows the full-size lightness, "bilinear" does not; "nearest" is the official pipeline's. */
  readonly upsample: "edge-aware" | "bilinear" | "nearest";
  /** "chroma" reduces chroma until the colour fits, "clip" clips RGB as the official pipeline does. */
  readonly gamut: "chroma" | "clip";
}

/** What was written. */
export interface SaveResult {
  readonly width: number;
  readonly height: number;
  readonly format: OutputFormat;
  readonly bitDepth: 8 | 16;
  /** The result says already how it was made, and the source has nothing else to say. */
  readonly isMarked: boolean;
  readonly notes: readonly string[];
}

/** What a look at the pixels of a photo tells the catalogue. */
export interface Ingested {
  /** sha256 of the file, hex. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
  /** Time of the last change, milliseconds since 1970. */
  readonly mtime: number;
  readonly facts: ImageFacts;
  /** Neutral, sepia or otherwise toned: colour is a function of lightness alone. */
  readonly isMonochrome: boolean;
  /** Its colours in some twenty bytes: a thumbhash. */
  readonly blur: Uint8Array;
  /** Whether any EXIF, IPTC or XMP is embedded and worth reading. */
  readonly hasMetadata: boolean;
}
