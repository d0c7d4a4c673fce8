// Pictures between two steps of work: plain data that every thread can read, in shared memory while they are small, in a
// scratch file when they are large.
//
// Owns: that decision, and reading and writing pictures strip by strip. A picture never changes once it is made.
// Must never: hold more than a strip of a large picture in memory, or remove a scratch file: its owner does that.
import { type FileHandle, open } from "node:fs/promises";
import sharp, { type Sharp } from "sharp";
import { coloursOf } from "./colours.ts";
import { framePixels, HEADER, type PixelShape, pixelBytes } from "./pixel-file.ts";
import { type ColourSpace, SRGB } from "./space.ts";
import type { ImageFacts } from "./types.ts";

export type Samples = Uint8Array | Uint16Array;

/** Pictures up to this many bytes stay in memory. */
export const MEMORY_LIMIT = 48 * 1024 * 1024;

/** Levels in rows, interleaved. */
export interface Pixels extends PixelShape {
  /** Memory that all threads share, or the path of a scratch file: 64 bytes of header, then the rows. */
  readonly data: SharedArrayBuffer | string;
}

/** One channel, 8 bit; 255 counts fully. */
export interface Mask extends Pixels {
  readonly channels: 1;
  readonly bitDepth: 8;
}

/** A photograph. What is known of it travels along, so that a result can be written as its original's. */
export interface Picture extends Pixels {
  /** 3: RGB, 4: RGB and alpha (not multiplied into the colours). */
  readonly channels: 3 | 4;
  /** What the levels mean; absent: sRGB, and no profile is written. */
  readonly profile?: PictureProfile;
  /** The file that it came from. */
  readonly origin?: Origin;
  /** What was done by a network, in order. */
  readonly making?: readonly Making[];
  /** The picture whose lightness this one has up to rounding; a file that rounds again can be made to keep it. */
  readonly lightnessOf?: Picture;
}

export interface PictureProfile {
  readonly icc: Uint8Array;
  readonly colour: ImageFacts["colour"];
  /** Of the file; decides which conversions libvips makes. */
  readonly bitDepth: 8 | 16;
  /** "source": levels as they were read; "result": as a result has them. See {@link coloursOf}. */
  readonly stage: "source" | "result";
}

export interface Origin {
  readonly path: string;
  /** Nothing is in the file but pixels and a profile. */
  readonly isBare: boolean;
  readonly facts: ImageFacts;
}

/** A network's part in a picture. */
export interface Making {
  readonly model: string;
  readonly modelSha256: string;
  readonly device: string;
  /** What the network alone took, in milliseconds; 0 where its chroma was known already. */
  readonly networkMs: number;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  /** Sentences for the user. */
  readonly notes?: readonly string[];
}

/** What a step needs to know to make pictures. */
export interface Workplace {
  /** A new path for a scratch file. */
  scratch(extension: string): string;
  /** Throws when the work is no longer wanted. */
  throwIfStopped(): void;
}

/** Shared memory as levels. */
export function samplesOf(memory: SharedArrayBuffer, bitDepth: 8 | 16): Samples {
  return bitDepth === 16 ? new Uint16Array(memory) : new Uint8Array(memory);
}

/** Samples per strip: large enough that reading a file is quick, small enough to stay out of the way. */
const STRIP_SAMPLES = 4_000_000;
/** Strips begin at multiples of it: the rows of a JPEG's blocks. */
const BLOCK = 8;

/** Rows per strip of pixels so wide. */
export function stripRows(pixels: Pick<Pixels, "width" | "channels">): number {
  return BLOCK * Math.max(1, Math.floor(STRIP_SAMPLES / (pixels.width * pixels.channels * BLOCK)));
}

/** What a picture's levels mean now, and what a result's mean. */
export function spacesOf(picture: Pick<Picture, "profile">): {
  readonly space: ColourSpace;
  readonly resultSpace: ColourSpace;
  readonly resultProfile: { readonly icc: Buffer; readonly convert: boolean } | undefined;
} {
  const { profile } = picture;
  if (profile === undefined) return { space: SRGB, resultSpace: SRGB, resultProfile: undefined };
  const { space, resultSpace, resultProfile } = coloursOf(
    Buffer.from(profile.icc),
    profile.colour,
    profile.bitDepth,
  );
  return { space: profile.stage === "source" ? space : resultSpace, resultSpace, resultProfile };
}

/** Reads rows of pixels. Close it when done. */
export interface PixelReader {
  /** Rows y … y+count−1. May be a view of the picture itself: never write into it. */
  read(y: number, count: number): Promise<Samples>;
  close(): Promise<void>;
}

export async function readPixels(pixels: Pixels): Promise<PixelReader> {
  const stride = pixels.width * pixels.channels;
  const { data, bitDepth } = pixels;
  if (typeof data !== "string") {
    const samples = samplesOf(data, bitDepth);
    return {
      read: async (y, count) => samples.subarray(y * stride, (y + count) * stride),
      close: async () => undefined,
    };
  }
  const handle = await open(data, "r");
  const bytesPerRow = stride * (bitDepth / 8);
  return {
    async read(y, count) {
      const bytes = new Uint8Array(bytesPerRow * count);
      let got = 0;
      while (got < bytes.length) {
        const at = HEADER + y * bytesPerRow + got;
        const { bytesRead } = await handle.read(bytes, got, bytes.length - got, at);
        if (bytesRead === 0) throw new Error("the pixel file ends early");
        got += bytesRead;
      }
      return bitDepth === 16 ? new Uint16Array(bytes.buffer) : bytes;
    },
    close: () => handle.close(),
  };
}

/** Takes rows, in any order, and ends as pixels. */
export interface PixelWriter<Kind extends Pixels> {
  write(y: number, rows: Samples): Promise<void>;
  /** The finished picture. Call once, after the last row. */
  finish(): Promise<Kind>;
  /** Gives up. The scratch file stays for its owner to remove. */
  abandon(): Promise<void>;
}

/** New pixels of this shape; everything in `shape` but the data is taken over. */
export async function writePixels<Kind extends Pixels>(
  shape: Omit<Kind, "data">,
  place: Workplace,
): Promise<PixelWriter<Kind>> {
  const { width, height, channels, bitDepth } = shape as unknown as PixelShape;
  const bytesPerRow = width * channels * (bitDepth / 8);
  const bytes = bytesPerRow * height;
  if (bytes <= MEMORY_LIMIT) {
    const memory = new SharedArrayBuffer(bytes);
    const samples = samplesOf(memory, bitDepth);
    return {
      async write(y, rows) {
        samples.set(rows, y * width * channels);
      },
      finish: async () => ({ ...shape, data: memory }) as unknown as Kind,
      abandon: async () => undefined,
    };
  }
  const file = place.scratch(".tif");
  const handle = await open(file, "wx");
  return {
    async write(y, rows) {
      const view = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      await writeAll(handle, view, HEADER + y * bytesPerRow);
    },
    async finish() {
      await handle.close();
      return finishFile<Kind>(file, shape);
    },
    abandon: () => handle.close(),
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let put = 0;
  while (put < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, put, bytes.length - put, at + put);
    put += bytesWritten;
  }
}

/** The profile that encoders are to find in a scratch file of this picture's. */
function profileFor(shape: object): Buffer | undefined {
  const { profile }: Pick<Picture, "profile"> = shape;
  const { resultProfile } = spacesOf(profile === undefined ? {} : { profile });
  return resultProfile?.convert === false ? resultProfile.icc : undefined;
}

/** Reads pixels while something is done. */
export async function reading<Result>(
  pixels: readonly Pixels[],
  work: (...readers: PixelReader[]) => Promise<Result>,
): Promise<Result> {
  const readers: PixelReader[] = [];
  try {
    for (const each of pixels) readers.push(await readPixels(each));
    return await work(...readers);
  } finally {
    for (const reader of readers) await reader.close();
  }
}

/**
 * New pixels, strip by strip.
 * @param shape what they are; all of it is taken over
 * @param fill gets rows y … y+count−1, all 0, and fills them
 */
export async function buildPixels<Kind extends Pixels>(
  shape: Omit<Kind, "data">,
  place: Workplace,
  fill: (rows: Samples, y: number, count: number) => void | Promise<void>,
): Promise<Kind> {
  const { width, height, channels, bitDepth } = shape as unknown as PixelShape;
  const writer = await writePixels<Kind>(shape, place);
  try {
    const step = stripRows({ width, channels });
    for (let y = 0; y < height; y += step) {
      place.throwIfStopped();
      const count = Math.min(step, height - y);
      const samples = width * channels * count;
      const rows = bitDepth === 16 ? new Uint16Array(samples) : new Uint8Array(samples);
      await fill(rows, y, count);
      await writer.write(y, rows);
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/**
 * A picture changed row by row.
 * @param change what of the description changes (for instance the profile); its shape stays
 * @param edit gets a copy of rows y … y+count−1 and changes them in place
 */
export async function mapRows<Kind extends Pixels>(
  picture: Kind,
  place: Workplace,
  edit: (rows: Samples, y: number, count: number) => void | Promise<void>,
  change: Partial<Omit<Kind, "data" | keyof PixelShape>> = {},
): Promise<Kind> {
  const { data: _, ...shape } = picture;
  return reading([picture], (reader) =>
    buildPixels<Kind>({ ...shape, ...change } as Omit<Kind, "data">, place, async (rows, y, count) => {
      rows.set(await reader.read(y, count));
      await edit(rows, y, count);
    }),
  );
}

/** All that is known of a picture but its pixels, and but the picture whose lightness those had. */
export function descriptionOf<Kind extends Pixels>(pixels: Kind): Omit<Kind, "data" | "lightnessOf"> {
  const { data: _, lightnessOf: __, ...description } = pixels as Kind & Pick<Picture, "lightnessOf">;
  return description;
}

/** The highest level. */
export const topOf = ({ bitDepth }: Pick<Pixels, "bitDepth">): number => (bitDepth === 16 ? 65_535 : 255);

/** A picture's levels as a sharp pipeline that keeps them as they are: no conversion takes place. */
export function toSharp(pixels: Pixels): Sharp {
  const { width, height, channels, bitDepth, data } = pixels;
  const options = { limitInputPixels: false, sequentialRead: true } as const;
  const image =
    typeof data === "string"
      ? sharp(data, { ...options, ignoreIcc: true })
      : sharp(samplesOf(data, bitDepth), {
          ...options,
          raw: { width, height, channels },
        });
  const kind = channels === 1 ? (bitDepth === 16 ? "grey16" : "b-w") : bitDepth === 16 ? "rgb16" : "srgb";
  return image.pipelineColourspace(kind).toColourspace(kind);
}

/** The end of a pipeline from {@link toSharp} as levels in this thread's memory. */
export async function levelsFrom(
  pipeline: Sharp,
  bitDepth: 8 | 16,
): Promise<{
  readonly samples: Samples;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}> {
  const { data, info } = await pipeline
    .raw({ depth: bitDepth === 16 ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const samples = bitDepth === 16 ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
  return { samples, width, height, channels };
}

/**
 * The end of a pipeline from {@link toSharp} as pixels again.
 * @param shape what comes out; a pipeline that gives anything else is an error
 */
export async function fromSharp<Kind extends Pixels>(
  pipeline: Sharp,
  shape: Omit<Kind, "data">,
  place: Workplace,
): Promise<Kind> {
  const { width, height, channels, bitDepth } = shape as unknown as PixelShape;
  const check = (info: { width: number; height: number; channels: number }) => {
    if (info.width === width && info.height === height && info.channels === channels) return;
    throw new Error(`${info.width} × ${info.height} × ${info.channels} came out, not as foreseen`);
  };
  const bytes = pixelBytes({ width, height, channels, bitDepth });
  if (bytes <= MEMORY_LIMIT) {
    const { samples, ...info } = await levelsFrom(pipeline, bitDepth);
    check(info);
    const memory = new SharedArrayBuffer(bytes);
    samplesOf(memory, bitDepth).set(samples);
    return { ...shape, data: memory } as unknown as Kind;
  }
  const file = place.scratch(".v");
  check(await pipeline.toFile(file));
  return finishFile(file, shape);
}

/** A scratch file that has all its rows, as pixels. */
export async function finishFile<Kind extends Pixels>(
  file: string,
  shape: Omit<Kind, "data">,
): Promise<Kind> {
  const handle = await open(file, "r+");
  try {
    await framePixels(handle, shape as unknown as PixelShape, profileFor(shape));
  } finally {
    await handle.close();
  }
  return { ...shape, data: file } as unknown as Kind;
}
