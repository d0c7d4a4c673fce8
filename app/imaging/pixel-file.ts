// Scratch files of pixels: 64 bytes of header, then the rows, then what makes a TIFF of them. libvips maps files of its
// own layout into memory whole, and reads TIFFs piece by piece.
// Owns: that layout. Must never: touch the pixels.
import type { FileHandle } from "node:fs/promises";
import { endianness } from "node:os";
import { TIFF_LIMIT, tiffFrame } from "./tiff.ts";

/** Bytes before the first row. */
export const HEADER = 64;

export interface PixelShape {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly bitDepth: 8 | 16;
}

/** Bytes of all rows. */
export function pixelBytes(shape: PixelShape): number {
  return shape.width * shape.height * shape.channels * (shape.bitDepth / 8);
}

/**
 * Makes a file of rows one that libvips can read: a TIFF, or with more than 4 GiB of pixels libvips' own ".v" layout.
 * @param icc a profile that sharp is to find in it
 */
export async function framePixels(
  handle: FileHandle,
  shape: PixelShape,
  icc: Buffer | undefined,
): Promise<void> {
  if (endianness() === "BE") throw new Error("big-endian machines are not supported");
  const bytes = pixelBytes(shape);
  const { size } = await handle.stat();
  if (size < HEADER + bytes) throw new Error(`the pixel file has ${size} bytes, expected ${HEADER + bytes}`);
  if (HEADER + bytes > TIFF_LIMIT) {
    await handle.write(ownHeader(shape), 0, HEADER, 0);
    return;
  }
  const { head, directoryStart, directory } = tiffFrame(shape, HEADER, icc);
  await handle.write(head, 0, head.length, 0);
  await handle.truncate(directoryStart);
  await handle.write(directory, 0, directory.length, directoryStart);
}

/** The header of libvips' ".v" layout, little-endian. */
function ownHeader(shape: PixelShape): Buffer {
  const deep = shape.bitDepth === 16;
  const grey = shape.channels === 1;
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(0x08f2a6b6, 0);
  header.writeInt32LE(shape.width, 4);
  header.writeInt32LE(shape.height, 8);
  header.writeInt32LE(shape.channels, 12);
  header.writeInt32LE(deep ? 2 : 0, 20); // format: 16-bit or 8-bit levels
  header.writeInt32LE(grey ? (deep ? 26 : 1) : deep ? 25 : 22, 28); // what they are: grey16, b-w, rgb16 or srgb
  header.writeFloatLE(1, 32); // pixels per millimetre
  header.writeFloatLE(1, 36);
  return header;
}
