// What node tests share: small pictures made from numbers, and a context as a worker thread gives it.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mask, type Picture, type Pixels, reading, type Samples } from "../imaging/index.ts";
import type { InputSpecs, InputValues, OutputSpec, OutputValues, PixelContext, PixelNode } from "./node.ts";

/** A picture in memory. @param level of a channel (0 red …) at a place, a whole number of the bit depth */
export function pictureOf(
  width: number,
  height: number,
  level: (x: number, y: number, channel: number) => number,
  options: { readonly channels?: 3 | 4; readonly bitDepth?: 8 | 16 } = {},
): Picture {
  const { channels = 3, bitDepth = 8 } = options;
  return { width, height, channels, bitDepth, data: fill(width, height, channels, bitDepth, level) };
}

/** A mask in memory. @param level 0–255 */
export function maskOf(width: number, height: number, level: (x: number, y: number) => number): Mask {
  return { width, height, channels: 1, bitDepth: 8, data: fill(width, height, 1, 8, level) };
}

function fill(
  width: number,
  height: number,
  channels: number,
  bitDepth: 8 | 16,
  level: (x: number, y: number, channel: number) => number,
): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(width * height * channels * (bitDepth / 8));
  const samples = bitDepth === 16 ? new Uint16Array(memory) : new Uint8Array(memory);
  for (let i = 0; i < samples.length; i++) {
    const place = Math.floor(i / channels);
    samples[i] = level(place % width, Math.floor(place / width), i % channels);
  }
  return memory;
}

/** All levels, interleaved; a copy. */
export async function levelsOf(pixels: Pixels): Promise<Samples> {
  return reading([pixels], async (reader) => (await reader.read(0, pixels.height)).slice());
}

/** A context whose scratch files go into a new temporary folder. */
export function pixelContext(overrides: Partial<PixelContext> = {}): PixelContext {
  let folder: string | undefined;
  let number = 0;
  return {
    limits: { maxMegapixels: 600 },
    scratch(extension) {
      folder ??= mkdtempSync(join(tmpdir(), "autochrome-node-"));
      return join(folder, `${number++}${extension}`);
    },
    throwIfStopped: () => undefined,
    progress: () => undefined,
    ...overrides,
  };
}

/** Runs a node in this thread. */
export async function runNode<Inputs extends InputSpecs, Outputs extends readonly OutputSpec[]>(
  node: PixelNode<Inputs, Outputs>,
  inputs: InputValues<Inputs>,
  context: PixelContext = pixelContext(),
): Promise<OutputValues<Outputs>> {
  return node.run(inputs, context);
}
