// Pixels in memory as an uncompressed TIFF in memory: the one way to hand sharp raw pixels together with a profile.
// Must never: reach the disk.
import type { RasterShape, Samples } from "./raster.ts";

const SHORT = 3;
const LONG = 4;
const UNDEFINED = 7;
/** Rows are handed over in strips of about this many bytes. */
const STRIP_BYTES = 256 * 1024;

/** A little-endian TIFF of the samples with an ICC profile. */
export function asTiff(
  shape: Pick<RasterShape, "width" | "height" | "channels" | "bitDepth">,
  samples: Samples,
  icc: Buffer,
): Buffer {
  const { width, height, channels, bitDepth } = shape;
  const stride = width * channels * (bitDepth / 8);
  const rows = Math.max(1, Math.floor(STRIP_BYTES / stride));
  const strips = Math.ceil(height / rows);
  const pixelsStart = 8;
  const starts = Array.from({ length: strips }, (_, i) => pixelsStart + i * rows * stride);
  const sizes = starts.map((_, i) => Math.min(rows, height - i * rows) * stride);
  const fields: (readonly [tag: number, type: number, values: readonly number[] | Buffer])[] = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, Array.from({ length: channels }, () => bitDepth)],
    [259, SHORT, [1]], // no compression
    [262, SHORT, [2]], // RGB
    [273, LONG, starts],
    [277, SHORT, [channels]],
    [278, LONG, [rows]],
    [279, LONG, sizes],
    ...(channels === 4 ? [[338, SHORT, [2]] as const] : []), // alpha, not multiplied into the colours
    [34675, UNDEFINED, icc],
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
  let free = directoryStart + 2 + 12 * encoded.length + 4;
  const file = Buffer.alloc(free + encoded.reduce((sum, { bytes }) => sum + even(bytes.length), 0));
  file.write("II*\0", "latin1");
  file.writeUInt32LE(directoryStart, 4);
  file.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), pixelsStart);
  file.writeUInt16LE(encoded.length, directoryStart);
  for (const [i, { tag, type, count, bytes }] of encoded.entries()) {
    const at = directoryStart + 2 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    if (bytes.length <= 4) {
      file.set(bytes, at + 8);
    } else {
      file.writeUInt32LE(free, at + 8);
      file.set(bytes, free);
      free += even(bytes.length);
    }
  }
  return file;
}
