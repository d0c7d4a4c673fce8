// Raw pixels as an uncompressed TIFF, in memory or in the file where they lie: the one way to hand sharp pixels together
// with a profile, and the one way to hand it a file of pixels that it reads piece by piece instead of mapping it whole.
// Must never: touch the pixels.
import type { Samples } from "./picture.ts";
import type { PixelShape } from "./pixel-file.ts";

const SHORT = 3;
const LONG = 4;
const UNDEFINED = 7;
/** Rows are handed over in strips of about this many bytes. */
const STRIP_BYTES = 256 * 1024;

/** What makes a file with pixels in it a little-endian TIFF. */
export interface TiffFrame {
  /** The file's first bytes. */
  readonly head: Buffer;
  /** Where the directory lies: after the pixels. */
  readonly directoryStart: number;
  readonly directory: Buffer;
}

/** Bytes beyond which a plain TIFF cannot say where things lie. */
export const TIFF_LIMIT = 2 ** 32 - 2 ** 24;

/** A TIFF of the samples, with an ICC profile. */
export function asTiff(shape: PixelShape, samples: Samples, icc: Buffer): Buffer {
  const { head, directoryStart, directory } = tiffFrame(shape, 8, icc);
  const file = Buffer.alloc(directoryStart + directory.length);
  file.set(head);
  file.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), head.length);
  file.set(directory, directoryStart);
  return file;
}

/**
 * The parts of a TIFF around pixels.
 * @param pixelsStart where the first row begins, at least 8 bytes into the file; all must end below TIFF_LIMIT
 */
export function tiffFrame(shape: PixelShape, pixelsStart: number, icc: Buffer | undefined): TiffFrame {
  const { width, height, channels, bitDepth } = shape;
  const stride = width * channels * (bitDepth / 8);
  const rows = Math.max(1, Math.floor(STRIP_BYTES / stride));
  const strips = Math.ceil(height / rows);
  const starts = Array.from({ length: strips }, (_, i) => pixelsStart + i * rows * stride);
  const sizes = starts.map((_, i) => Math.min(rows, height - i * rows) * stride);
  const fields: (readonly [tag: number, type: number, values: readonly number[] | Buffer])[] = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, Array.from({ length: channels }, () => bitDepth)],
    [259, SHORT, [1]], // no compression
    [262, SHORT, [channels === 1 ? 1 : 2]], // grey or RGB
    [273, LONG, starts],
    [277, SHORT, [channels]],
    [278, LONG, [rows]],
    [279, LONG, sizes],
    ...(channels === 4 ? [[338, SHORT, [2]] as const] : []), // alpha, not multiplied into the colours
    ...(icc === undefined ? [] : [[34675, UNDEFINED, icc] as const]),
  ];
  const encoded = fields.map(([tag, type, values]) => {
    const bytes = Buffer.isBuffer(values) ? values : Buffer.alloc(values.length * (type === SHORT ? 2 : 4));
    if (!Buffer.isBuffer(values)) {
      for (const [i, value] of values.entries()) {
        if (type === SHORT) bytes.writeUInt16LE(value, i * 2);
        else bytes.writeUInt32LE(value, i * 4);
      }
    }
    return { tag, type, count: values.length, bytes };
  });
  const even = (size: number) => size + (size % 2);
  const directoryStart = even(pixelsStart + height * stride);
  let free = 2 + 12 * encoded.length + 4;
  const directory = Buffer.alloc(free + encoded.reduce((sum, { bytes }) => sum + even(bytes.length), 0));
  directory.writeUInt16LE(encoded.length, 0);
  for (const [i, { tag, type, count, bytes }] of encoded.entries()) {
    const at = 2 + 12 * i;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(count, at + 4);
    if (bytes.length <= 4) {
      directory.set(bytes, at + 8);
    } else {
      directory.writeUInt32LE(directoryStart + free, at + 8);
      directory.set(bytes, free);
      free += even(bytes.length);
    }
  }
  const head = Buffer.from("II*\0\0\0\0\0", "latin1");
  head.writeUInt32LE(directoryStart, 4);
  return { head, directoryStart, directory };
}
