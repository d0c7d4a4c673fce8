// What the tests of this room make their inputs with: profiles, pictures, chroma.
// Must never: be imported by anything but tests.
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { newId, writeAtomically } from "../kernel/index.ts";
import type { SaveOptions } from "./encode.ts";
import { extensionFor, outputFormatFor } from "./encode.ts";
import { lightnessOf } from "./lab.ts";
import type { MergeShape } from "./merge.ts";
import { writeResultMetadata } from "./metadata.ts";
import { inspectImage, openImage } from "./open.ts";
import type { Samples } from "./picture.ts";
import { scratchFilesOf } from "./scratch.ts";
import { luminanceIn, SRGB } from "./space.ts";
import type { Chroma, ImageFacts, MergeOptions, OutputFormat, Provenance, SaveResult } from "./types.ts";
import type { PixelWorkers } from "./workers.ts";

export const LIMITS = { maxMegapixels: 600 };

export const OPTIONS: MergeOptions & SaveOptions = {
  colorFactor: 1,
  upsample: "edge-aware",
  gamut: "chroma",
  format: "png",
  quality: 95,
};

export const PROVENANCE: Provenance = {
  software: "Autochrome 0.1.0",
  model: "ddcolor-tiny",
  modelSha256: "ab".repeat(32),
  device: "cpu",
  parameters: { modelWidth: 512, modelHeight: 512, colorFactor: 1, parity: false },
  createdAt: "2026-01-02T03:04:05.678Z",
};

/** A shape in sRGB, unless told otherwise. */
export function shapeOf(part: Pick<MergeShape, "width" | "height"> & Partial<MergeShape>): MergeShape {
  return { channels: 3, bitDepth: 8, space: SRGB, resultSpace: SRGB, ...part };
}

/** Chroma that is a function of the place: x and y run from 0 to 1 at pixel centres. */
export function chromaOf(
  width: number,
  height: number,
  at: (x: number, y: number) => readonly [number, number],
): Chroma {
  const data = new Float32Array(2 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [a, b] = at((x + 0.5) / width, (y + 0.5) / height);
      data[y * width + x] = a;
      data[width * height + y * width + x] = b;
    }
  }
  return { data, width, height };
}

/** One plane of a middle grey. */
export function greyPlane(chroma: Chroma, level = 0.5): Float32Array {
  return new Float32Array(chroma.width * chroma.height).fill(level);
}

/** Whole numbers from a seed, the same every time. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A picture with shades, edges and grain; `at` gives levels 0–1 per channel. */
export function pixelsOf(
  width: number,
  height: number,
  channels: number,
  bitDepth: 8 | 16,
  at: (x: number, y: number, channel: number) => number,
): Samples {
  const top = bitDepth === 8 ? 255 : 65535;
  const samples =
    bitDepth === 8 ? new Uint8Array(width * height * channels) : new Uint16Array(width * height * channels);
  for (let i = 0; i < samples.length; i++) {
    const pixel = Math.floor(i / channels);
    samples[i] = Math.round(top * at(pixel % width, Math.floor(pixel / width), i % channels));
  }
  return samples;
}

/** A sharp pipeline on raw pixels; 16-bit ones stay 16 bit. */
export function sharpOf(samples: Samples, width: number, height: number, channels: 1 | 2 | 3 | 4): Sharp {
  const image = sharp(samples, { raw: { width, height, channels } });
  if (samples instanceof Uint8Array) return channels < 3 ? image.toColourspace("b-w") : image;
  const space = channels < 3 ? "grey16" : "rgb16";
  return image.pipelineColourspace(space).toColourspace(space);
}

/** All levels of a file as they are stored, without any colour management. */
export async function storedPixels(file: string | Buffer): Promise<{
  readonly samples: Samples;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}> {
  const { depth } = await sharp(file).metadata();
  const image = sharp(file, { ignoreIcc: true, limitInputPixels: false });
  const deep = depth === "ushort";
  if (deep) image.pipelineColourspace("rgb16").toColourspace("rgb16");
  const { data, info } = await image
    .raw({ depth: deep ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  const samples = deep
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data);
  return { samples, width: info.width, height: info.height, channels: info.channels };
}

/** How a made profile maps levels to light: a gamma, a table, or a parametric function. */
export type TestCurve =
  | { readonly gamma: number }
  | { readonly table: readonly number[] }
  | { readonly type: number; readonly parameters: readonly number[] };

/** Colorants under D50: X, Y, Z of red, green, blue. */
export const ADOBE_RGB = [
  [0.60974, 0.31111, 0.01947],
  [0.20528, 0.62567, 0.06087],
  [0.14919, 0.06322, 0.74457],
] as const;
export const PROPHOTO_RGB = [
  [0.79767, 0.28804, 0],
  [0.13519, 0.71188, 0],
  [0.03134, 0.00009, 0.82491],
] as const;
export const SRGB_COLORANTS = [
  [0.43607, 0.22249, 0.01392],
  [0.38515, 0.71687, 0.09708],
  [0.14307, 0.06061, 0.7141],
] as const;

/**
 * An ICC profile of three colorants and a curve, or (without colorants) a grey one.
 * @param tables further elements that make the profile one of tables by way of Lab
 */
export function makeProfile(
  name: string,
  curve: TestCurve,
  colorants?: readonly (readonly number[])[],
  tables: readonly (readonly [string, Buffer])[] = [],
): Buffer {
  const curveTag = encodeCurve(curve);
  const tags: (readonly [string, Buffer])[] = [
    [
      "desc",
      Buffer.concat([element("desc", u32(name.length + 1), Buffer.from(`${name}\0`)), Buffer.alloc(78)]),
    ],
    ["cprt", element("text", Buffer.from("none\0"))],
    ["wtpt", element("XYZ ", ...[0.9642, 1, 0.8249].map(fixed))],
    ...(colorants === undefined
      ? [["kTRC", curveTag] as const]
      : colorants.flatMap((colorant, i) => [
          [`${"rgb"[i]}XYZ`, element("XYZ ", ...colorant.map(fixed))] as const,
          [`${"rgb"[i]}TRC`, curveTag] as const,
        ])),
    ...tables,
  ];
  let offset = 132 + 12 * tags.length;
  const table = tags.map(([tag, content]) => {
    const entry = Buffer.concat([Buffer.from(tag), u32(offset), u32(content.length)]);
    offset += padded(content).length;
    return entry;
  });
  const header = Buffer.alloc(128);
  header.writeUInt32BE(offset, 0);
  header.writeUInt32BE("type" in curve ? 0x04200000 : 0x02100000, 8);
  header.write("mntr", 12);
  header.write(colorants === undefined ? "GRAY" : "RGB ", 16);
  header.write(tables.length === 0 ? "XYZ " : "Lab ", 20);
  header.writeUInt16BE(2026, 24);
  header.writeUInt16BE(1, 26);
  header.writeUInt16BE(1, 28);
  header.write("acsp", 36);
  Buffer.concat([0.9642, 1, 0.8249].map(fixed)).copy(header, 68);
  return Buffer.concat([header, u32(tags.length), ...table, ...tags.map(([, content]) => padded(content))]);
}

function encodeCurve(curve: TestCurve): Buffer {
  if ("gamma" in curve) return element("curv", u32(1), u16(curve.gamma * 256));
  if ("table" in curve) {
    return element("curv", u32(curve.table.length), ...curve.table.map((value) => u16(value * 65535)));
  }
  return element("para", u16(curve.type), u16(0), ...curve.parameters.map(fixed));
}

function element(type: string, ...content: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(type), u32(0), ...content]);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((4 - (content.length % 4)) % 4)]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(Math.round(value));
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function fixed(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(Math.round(value * 65536));
  return bytes;
}

/** A grey scene, the same in every format: shades from left to right, stripes from top to bottom; levels 0–1. */
export function scene(x: number, y: number, width: number, height: number): number {
  return 0.05 + 0.75 * (x / width) + 0.15 * Math.sin((y / height) * 9) ** 2;
}

/** The scene as raw samples; alpha, where there is one, falls from top to bottom. */
export function scenePixels(
  width: number,
  height: number,
  channels: 1 | 2 | 3 | 4,
  bitDepth: 8 | 16,
): Samples {
  const alpha = channels === 2 || channels === 4 ? channels - 1 : -1;
  return pixelsOf(width, height, channels, bitDepth, (x, y, channel) =>
    channel === alpha ? 1 - y / height : scene(x, y, width, height),
  );
}

/** A sharp pipeline on the scene. */
export function sceneOf(width: number, height: number, channels: 1 | 2 | 3 | 4, bitDepth: 8 | 16): Sharp {
  return sharpOf(scenePixels(width, height, channels, bitDepth), width, height, channels);
}

/** Colours a file into another with given chroma; nothing else is left, however it ends. */
export async function colourInto(
  workers: PixelWorkers,
  source: string,
  target: string,
  chroma: Chroma,
  options: Partial<MergeOptions & SaveOptions> & {
    readonly provenance?: Provenance;
    readonly signal?: AbortSignal;
    /** One plane; otherwise what the network would see. */
    readonly grey?: Float32Array;
  } = {},
): Promise<SaveResult> {
  const { signal, provenance, grey, ...part } = options;
  const how = { ...OPTIONS, ...part };
  const picture = await workers.load(source, target, signal);
  const scratch = new Set(scratchFilesOf(picture));
  try {
    const seen = grey ?? (await workers.networkInput(picture, { ...chroma, parity: false }, signal));
    const coloured = await workers.layChroma(picture, chroma, seen, how, target, signal);
    scratchFilesOf(coloured, scratch);
    return await workers.save(coloured, target, how, provenance, signal);
  } finally {
    for (const path of scratch) await unlink(path);
  }
}

/** A photo's way from file to file, with made chroma instead of a network's. */
export async function colourFile(
  workers: PixelWorkers,
  source: string,
  folder: string,
  part: {
    readonly format?: OutputFormat | "same";
    readonly provenance?: Provenance;
    readonly early?: boolean;
  } = {},
): Promise<{
  readonly target: string;
  readonly facts: ImageFacts;
  readonly result: SaveResult;
  readonly notes: readonly string[];
}> {
  const provenance = part.provenance ?? PROVENANCE;
  const facts = await inspectImage(source, LIMITS);
  const format = outputFormatFor(facts, part.format ?? "same");
  const chroma = chromaOf(32, 32, (x, y) => [30 * x, 40 * y - 20]);
  const target = join(folder, `result-${newId()}${extensionFor(format)}`);
  return writeAtomically(target, { overwrite: false }, async (temporary) => {
    const result = await colourInto(workers, source, temporary, chroma, {
      format,
      ...(part.early === false ? {} : { provenance }),
    });
    const notes = await writeResultMetadata(source, temporary, result, provenance);
    return { target, facts, result, notes: [...result.notes, ...notes] };
  });
}

/** L* of every pixel as a colour-managed viewer shows it (8 bit). */
export async function shownLightness(file: string): Promise<Float64Array> {
  const image = await openImage(file, LIMITS);
  const { data, info } = await image.display().removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return Float64Array.from({ length: info.width * info.height }, (_, i) =>
    lightnessOf(luminanceIn(SRGB, data[i * 3]! / 255, data[i * 3 + 1]! / 255, data[i * 3 + 2]! / 255)),
  );
}

/** Mean and greatest distance of two pictures' values. */
export function distance(
  one: ArrayLike<number>,
  other: ArrayLike<number>,
): { readonly mean: number; readonly most: number } {
  if (one.length !== other.length) throw new Error(`${one.length} values against ${other.length}`);
  let sum = 0;
  let most = 0;
  for (let i = 0; i < one.length; i++) {
    const difference = Math.abs(one[i]! - other[i]!);
    sum += difference;
    most = Math.max(most, difference);
  }
  return { mean: sum / one.length, most };
}
