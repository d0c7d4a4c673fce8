// A row of tiles cut out of a picture, as float planes in a scratch file: the first tile's planes, the next tile's, and
// so on. A tile that reaches over the picture's edge is filled with the pixels at the edge.
// Must never: hold more than a strip of the picture.
import { closeSync, openSync, writeSync } from "node:fs";
import { type ModuleTask, type Picture, readPixels, stripRows, topOf } from "../../imaging/index.ts";
import type { Side } from "./grid.ts";
import { luma } from "./luma.ts";

export interface CutInput {
  readonly picture: Picture;
  readonly columns: Side;
  readonly rows: Side;
  /** Which of the rows. */
  readonly row: number;
  /** 3: RGB, 1: lightness. Levels as they are, 0–1. */
  readonly channels: 1 | 3;
  /** The file is replaced. */
  readonly path: string;
}

const cut: ModuleTask<CutInput, void> = async (input, control) => {
  const { picture, columns, rows, channels, path } = input;
  const { width, height } = picture;
  const top = rows.starts[input.row]!;
  const levels = topOf(picture);
  const reader = await readPixels(picture);
  const file = openSync(path, "w");
  try {
    const step = stripRows(picture);
    for (let y = 0; y < rows.tile; y += step) {
      control.throwIfStopped();
      const count = Math.min(step, rows.tile - y);
      const first = Math.min(top + y, height - 1);
      const there = Math.min(count, height - first);
      const strip = await reader.read(first, there);
      const plane = new Float32Array(count * columns.tile);
      for (const [column, left] of columns.starts.entries()) {
        for (let channel = 0; channel < channels; channel++) {
          for (let r = 0; r < count; r++) {
            const line = Math.min(r, there - 1) * width;
            for (let x = 0; x < columns.tile; x++) {
              const at = (line + Math.min(left + x, width - 1)) * picture.channels;
              const level =
                channels === 3 ? strip[at + channel]! : luma(strip[at]!, strip[at + 1]!, strip[at + 2]!);
              plane[r * columns.tile + x] = level / levels;
            }
          }
          write(file, plane, ((column * channels + channel) * rows.tile + y) * columns.tile);
        }
      }
    }
  } finally {
    closeSync(file);
    await reader.close();
  }
};
export default cut;

/** @param place in floats */
function write(file: number, plane: Float32Array, place: number): void {
  const bytes = new Uint8Array(plane.buffer);
  for (let put = 0; put < bytes.length; ) {
    put += writeSync(file, bytes, put, bytes.length - put, place * 4 + put);
  }
}
