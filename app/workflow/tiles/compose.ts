// Rows of a result out of tiles that a network made: each faded into its neighbours, laid over the picture that it was
// made of, and rounded once. Must never: hold more than the rows that it was asked for.
import { closeSync, openSync, readSync } from "node:fs";
import { type ModuleTask, type Picture, readPixels, type Samples, topOf } from "../../imaging/index.ts";
import { type Side, shareOf } from "./grid.ts";
import { luma } from "./luma.ts";

export interface ComposeInput {
  /** Rows y … y+count−1 of the result. */
  readonly y: number;
  readonly count: number;
  readonly result: Pick<Picture, "width" | "channels" | "bitDepth">;
  readonly scale: number;
  readonly columns: Side;
  readonly rows: Side;
  /** Rows of tiles that have a share in it, in files as {@link cut} writes them, but larger by the scale. */
  readonly tiles: readonly { readonly row: number; readonly path: string }[];
  /** Of the tiles. */
  readonly channels: 1 | 3;
  /** The source, as large as the result. Not needed where all of the result is the network's. */
  readonly base: Picture | undefined;
  /** 0: the base, 1: the network's picture. */
  readonly strength: number;
}

/** @returns the rows, in memory that all threads share */
const compose: ModuleTask<ComposeInput, Samples> = async (input, control) => {
  const planes = blend(input, control.throwIfStopped);
  const { y, count, result, base } = input;
  const reader = base === undefined ? undefined : await readPixels(base);
  try {
    return toLevels(planes, await reader?.read(y, count), input, result);
  } finally {
    await reader?.close();
  }
};
export default compose;

/** The network's planes, 0–1. */
function blend(input: ComposeInput, throwIfStopped: () => void): Float32Array {
  const { y, count, result, scale, columns, rows, channels } = input;
  const { width } = result;
  const planes = new Float32Array(channels * count * width);
  const [tileWidth, tileHeight] = [columns.tile * scale, rows.tile * scale];
  for (const { row, path } of input.tiles) {
    const down = shareOf(rows, row, scale);
    const first = Math.max(y, down.from);
    const end = Math.min(y + count, down.from + down.weights.length);
    if (first >= end) continue;
    const top = rows.starts[row]! * scale;
    const lines = new Float32Array((end - first) * tileWidth);
    const file = openSync(path, "r");
    try {
      for (const [column, start] of columns.starts.entries()) {
        throwIfStopped();
        const across = shareOf(columns, column, scale);
        const inset = across.from - start * scale;
        for (let channel = 0; channel < channels; channel++) {
          read(file, lines, ((column * channels + channel) * tileHeight + first - top) * tileWidth);
          for (let line = first; line < end; line++) {
            const weight = down.weights[line - down.from]!;
            const from = (line - first) * tileWidth + inset;
            const to = (channel * count + line - y) * width + across.from;
            for (let x = 0; x < across.weights.length; x++) {
              planes[to + x]! += weight * across.weights[x]! * lines[from + x]!;
            }
          }
        }
      }
    } finally {
      closeSync(file);
    }
  }
  return planes;
}

function toLevels(
  planes: Float32Array,
  base: Samples | undefined,
  { count, channels, strength }: ComposeInput,
  { width, channels: pixel, bitDepth }: ComposeInput["result"],
): Samples {
  const area = count * width;
  const memory = new SharedArrayBuffer(area * pixel * (bitDepth / 8));
  const samples = bitDepth === 16 ? new Uint16Array(memory) : new Uint8Array(memory);
  const top = topOf({ bitDepth });
  for (let i = 0, at = 0; i < area; i++, at += pixel) {
    for (let channel = 0; channel < 3; channel++) {
      // Of one plane, only the difference in lightness is new: colours stay.
      const made = planes[(channels === 3 ? channel * area : 0) + i]! * top;
      let level = made;
      if (base !== undefined) {
        const before = base[at + channel]!;
        const seen = channels === 3 ? before : luma(base[at]!, base[at + 1]!, base[at + 2]!);
        level = before + strength * (made - seen);
      }
      samples[at + channel] = Math.min(top, Math.max(0, Math.round(level)));
    }
    if (pixel === 4) samples[at + 3] = base?.[at + 3] ?? top;
  }
  return samples;
}

/** @param place in floats */
function read(file: number, into: Float32Array, place: number): void {
  const bytes = new Uint8Array(into.buffer);
  for (let got = 0; got < bytes.length; ) {
    const count = readSync(file, bytes, got, bytes.length - got, place * 4 + got);
    if (count === 0) throw new Error("the file of tiles ends early");
    got += count;
  }
}
