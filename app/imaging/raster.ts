// A photograph's pixels as rows of levels: in memory while they are few, in a file when they are many.
//
// Owns: the decision where the pixels lie, and libvips' plain ".v" layout (64 bytes of header, then the rows).
// Must never: hold more than a strip of a large photograph in memory.
import { type FileHandle, open, unlink } from "node:fs/promises";
import { endianness } from "node:os";
import type { Sharp } from "sharp";
import type { ColourSpace } from "./space.ts";
import { TIFF_LIMIT, tiffFrame } from "./tiff.ts";

const HEADER = 64;
/** Rasters up to this many bytes stay in memory. */
export const MEMORY_LIMIT = 48 * 1024 * 1024;

export type Samples = Uint8Array | Uint16Array;

export interface RasterShape {
  readonly width: number;
  readonly height: number;
  /** 3: RGB, 4: RGB and alpha. */
  readonly channels: 3 | 4;
  readonly bitDepth: 8 | 16;
  /** What the photo's levels mean. */
  readonly space: ColourSpace;
  /** What the coloured picture's levels mean, which take their place. */
  readonly resultSpace: ColourSpace;
}

/** Where rows can be read and written in place. `file` is set when the pixels lie in a .v file. */
export interface Raster extends RasterShape {
  readonly samples?: Samples;
  readonly file?: string;
  /** Rows y … y+count−1, interleaved. For a raster in memory this is a view, not a copy. */
  read(y: number, count: number): Promise<Samples>;
  /** Puts rows back; nothing to do for a view of a raster in memory. */
  write(y: number, rows: Samples): Promise<void>;
  /**
   * Frames a raster in a file as a TIFF with this profile, if any, ready to be encoded: libvips maps its own ".v" files
   * into memory whole, and reads TIFFs piece by piece. Nothing to do for a raster in memory, or one too large for a TIFF.
   */
  frame(icc: Buffer | undefined): Promise<void>;
  /** Closes and removes the file, where there is one. */
  dispose(): Promise<void>;
}

/** Bytes that a raster of this shape takes. */
export function rasterBytes(shape: Pick<RasterShape, "width" | "height" | "channels" | "bitDepth">): number {
  return shape.width * shape.height * shape.channels * (shape.bitDepth / 8);
}

/**
 * Runs a sharp pipeline that ends in srgb or rgb16 pixels into a raster.
 * @param shape what is known of it beforehand
 * @param file where the pixels go if they are too many for memory; created here, removed by dispose()
 */
export async function materialise(
  pipeline: Sharp,
  shape: Omit<RasterShape, "channels"> & { readonly channels: number },
  file: string,
): Promise<Raster> {
  const channels = channelsOf(shape.channels);
  const { width, height, bitDepth } = shape;
  if (rasterBytes({ ...shape, channels }) <= MEMORY_LIMIT) {
    const { data, info } = await pipeline
      .raw({ depth: bitDepth === 16 ? "ushort" : "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.width !== width || info.height !== height || info.channels !== channels) throw unforeseen(info);
    const samples =
      bitDepth === 16
        ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
        : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return memoryRaster({ ...shape, channels }, samples);
  }
  try {
    const info = await pipeline.toFile(file);
    if (info.width !== width || info.height !== height || info.channels !== channels) throw unforeseen(info);
    return await fileRaster({ ...shape, channels }, file);
  } catch (error) {
    await unlink(file).catch(() => undefined);
    throw error;
  }
}

function unforeseen(info: {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}): Error {
  return new Error(
    `decoded to ${info.width} × ${info.height} × ${info.channels}, which its header did not say`,
  );
}

function channelsOf(count: number): 3 | 4 {
  if (count === 3 || count === 4) return count;
  throw new Error(`a raster has 3 or 4 channels, this one ${count}`);
}

/** The header of libvips' ".v" layout, little-endian. */
export function rasterHeader(shape: RasterShape): Buffer {
  const deep = shape.bitDepth === 16;
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(0x08f2a6b6, 0);
  header.writeInt32LE(shape.width, 4);
  header.writeInt32LE(shape.height, 8);
  header.writeInt32LE(shape.channels, 12);
  header.writeInt32LE(deep ? 2 : 0, 20); // format: 16-bit or 8-bit levels
  header.writeInt32LE(deep ? 25 : 22, 28); // what they are: rgb16 or srgb
  header.writeFloatLE(1, 32); // pixels per millimetre
  header.writeFloatLE(1, 36);
  return header;
}

function memoryRaster(shape: RasterShape, samples: Samples): Raster {
  const stride = shape.width * shape.channels;
  return {
    ...shape,
    samples,
    read: async (y, count) => samples.subarray(y * stride, (y + count) * stride),
    write: async () => undefined,
    frame: async () => undefined,
    dispose: async () => undefined,
  };
}

/** A raster in a file that has rows after a header of libvips' length. */
export async function fileRaster(shape: RasterShape, file: string): Promise<Raster> {
  const handle: FileHandle = await open(file, "r+");
  const stride = shape.width * shape.channels * (shape.bitDepth / 8);
  const { size } = await handle.stat();
  if (size < HEADER + stride * shape.height) {
    await handle.close();
    throw new Error(`the pixel file has ${size} bytes, expected ${HEADER + stride * shape.height}`);
  }
  if (shape.bitDepth === 16 && endianness() === "BE")
    throw new Error("big-endian machines are not supported");
  return {
    ...shape,
    file,
    async read(y, count) {
      const bytes = new Uint8Array(stride * count);
      let got = 0;
      while (got < bytes.length) {
        const { bytesRead } = await handle.read(bytes, got, bytes.length - got, HEADER + y * stride + got);
        if (bytesRead === 0) throw new Error("the pixel file ends early");
        got += bytesRead;
      }
      return shape.bitDepth === 16 ? new Uint16Array(bytes.buffer) : bytes;
    },
    async write(y, rows) {
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      let put = 0;
      while (put < bytes.length) {
        const { bytesWritten } = await handle.write(
          bytes,
          put,
          bytes.length - put,
          HEADER + y * stride + put,
        );
        put += bytesWritten;
      }
    },
    async frame(icc) {
      if (HEADER + stride * shape.height > TIFF_LIMIT) return;
      const { head, directoryStart, directory } = tiffFrame(shape, HEADER, icc);
      await handle.write(head, 0, head.length, 0);
      await handle.truncate(directoryStart);
      await handle.write(directory, 0, directory.length, directoryStart);
    },
    async dispose() {
      await handle.close();
      await unlink(file).catch(() => undefined);
    },
  };
}
