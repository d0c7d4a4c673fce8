// Turning photos that are too large for memory, as their EXIF orientation says: sharp would hold all their pixels.
// Owns: where a stored pixel is shown. Must never: hold more than two strips.
import { closeSync, openSync, writeSync } from "node:fs";
import { finishFile, type Picture, readPixels, type Samples, type Workplace } from "./picture.ts";
import { HEADER } from "./pixel-file.ts";

/** Bytes that are turned at once. */
const STRIP_BYTES = 32 * 1024 * 1024;

/**
 * A picture turned, in a scratch file of its own.
 * @param orientation EXIF's, 2–8
 */
export async function turnPicture(stored: Picture, orientation: number, place: Workplace): Promise<Picture> {
  const sideways = orientation >= 5;
  const { width, height, channels, bitDepth, data: _, ...rest } = stored;
  const pixel = channels * (bitDepth / 8);
  const file = place.scratch(".tif");
  const reader = await readPixels(stored);
  const target = openSync(file, "wx");
  try {
    const rows = Math.max(1, Math.floor(STRIP_BYTES / (width * pixel)));
    for (let v = 0; v < height; v += rows) {
      place.throwIfStopped();
      const count = Math.min(rows, height - v);
      const strip = await reader.read(v, count);
      if (sideways) writeSideways(strip, v, count);
      else writeUpright(strip, v, count);
    }
  } finally {
    closeSync(target);
    await reader.close();
  }
  const shown = sideways ? { width: height, height: width } : { width, height };
  return finishFile<Picture>(file, { ...rest, ...shown, channels, bitDepth });

  /** Orientations 2–4: rows stay rows, in turned order, mirrored or not. */
  function writeUpright(strip: Samples, v: number, count: number): void {
    const turned = strip.slice();
    const mirrored = orientation !== 4;
    const upsideDown = orientation !== 2;
    for (let row = 0; row < count; row++) {
      const to = (upsideDown ? count - 1 - row : row) * width;
      for (let u = 0; u < width; u++) {
        const from = (row * width + u) * channels;
        const at = (to + (mirrored ? width - 1 - u : u)) * channels;
        for (let c = 0; c < channels; c++) turned[at + c] = strip[from + c]!;
      }
    }
    write(target, bytesOf(turned), HEADER + (upsideDown ? height - v - count : v) * width * pixel);
  }

  /** Orientations 5–8: a column of the strip becomes a piece of a row. */
  function writeSideways(strip: Samples, v: number, count: number): void {
    const fromTop = orientation === 5 || orientation === 6; // the first column is shown as the first row
    const fromLeft = orientation === 5 || orientation === 8; // the first row is shown as the first column
    const piece = strip.slice(0, count * channels);
    for (let u = 0; u < width; u++) {
      for (let row = 0; row < count; row++) {
        const from = (row * width + u) * channels;
        const at = (fromLeft ? row : count - 1 - row) * channels;
        for (let c = 0; c < channels; c++) piece[at + c] = strip[from + c]!;
      }
      const y = fromTop ? u : width - 1 - u;
      const x = fromLeft ? v : height - v - count;
      write(target, bytesOf(piece), HEADER + (y * height + x) * pixel);
    }
  }
}

function bytesOf(samples: Samples): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}

// Not asynchronous: a worker does one thing at a time, and these are hundreds of thousands of small pieces.
function write(file: number, bytes: Uint8Array, position: number): void {
  for (let put = 0; put < bytes.length; ) {
    put += writeSync(file, bytes, put, bytes.length - put, position + put);
  }
}
