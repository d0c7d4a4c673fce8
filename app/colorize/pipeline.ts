// One photograph's way: read → network → colour under its own lightness → file with metadata.
//
// Owns: the order of the steps for one photo and what is recorded about them.
// Must never: write anywhere but to the target, or hold state between photos.
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import {
  type ImageFacts,
  type OutputFormat,
  outputFormatFor,
  type PixelWorkers,
  writeResultMetadata,
} from "../imaging/index.ts";
import { AutochromeError, toErrorRecord, writeAtomically } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import type { Inference } from "./inference.ts";
import type { Recipe } from "./recipe.ts";
import { networkSize } from "./size.ts";

export interface PhotoJob {
  /** Absolute path of the photo; only read. */
  readonly source: string;
  /** Of the source, from inspectImage. */
  readonly facts: ImageFacts;
  /** What the source must be, where that is known: sha256, hex. */
  readonly sourceHash: string | undefined;
  /** Absolute path of the result in an existing folder, with the extension of its format. */
  readonly target: string;
  readonly overwrite: boolean;
  readonly recipe: Recipe;
  /** ISO time, UTC, that is written into the result. */
  readonly createdAt: string;
  /** "Autochrome 0.1.0" */
  readonly software: string;
}

export interface PhotoResult {
  readonly output: string;
  readonly outputHash: string;
  readonly sourceHash: string;
  readonly width: number;
  readonly height: number;
  readonly format: OutputFormat;
  readonly device: string;
  /** What the network alone took, in milliseconds. */
  readonly networkMs: number;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

export interface Tools {
  readonly workers: PixelWorkers;
  readonly inference: Inference;
  readonly model: Model;
  readonly device: string;
}

/**
 * Colours one photo into a file that appears whole or not at all.
 * @throws AutochromeError; an abort rejects with the signal's reason. Nothing is left behind in either case.
 */
export async function colorizePhoto(job: PhotoJob, tools: Tools, signal?: AbortSignal): Promise<PhotoResult> {
  const { source, target, facts, recipe } = job;
  const { workers, inference, model } = tools;
  const before = await identity(source);
  const format = outputFormatFor(facts, recipe.format);
  const size = networkSize(facts, recipe.modelSize, recipe.keepAspect && !recipe.parity);
  const prepared = await workers.prepare(source, { ...size, parity: recipe.parity, scratch: target }, signal);
  const grey = prepared.input.data.slice(0, size.width * size.height);
  const [inferred, sourceHash] = await Promise.all([
    inference.run(grey, size.width, size.height, signal),
    workers.hash(source, signal),
  ]);
  if (job.sourceHash !== undefined && job.sourceHash !== sourceHash)
    throw changed(source, "since it was imported");
  const provenance = {
    software: job.software,
    model: model.id,
    modelSha256: model.sha256,
    device: tools.device,
    parameters: recordedParameters(recipe, size),
    createdAt: job.createdAt,
  };
  return writeAtomically(target, { overwrite: job.overwrite }, async (temporary) => {
    const result = await workers.render(
      source,
      { data: inferred.data, ...size },
      grey,
      temporary,
      {
        colorFactor: recipe.colorFactor,
        upsample: recipe.parity ? "nearest" : "edge-aware",
        gamut: recipe.parity ? "clip" : "chroma",
        format,
        quality: recipe.quality,
        provenance,
      },
      signal,
    );
    const notes = await writeResultMetadata(source, temporary, result, provenance);
    signal?.throwIfAborted();
    const after = await identity(source);
    if (after !== before) throw changed(source, "while it was being coloured");
    return {
      output: target,
      outputHash: await workers.hash(temporary),
      sourceHash,
      width: result.width,
      height: result.height,
      format,
      device: tools.device,
      networkMs: Math.round(inferred.ms),
      notes: [...result.notes, ...notes],
    };
  });
}

/** What the result's metadata says about its making, flat and in a fixed order. */
export function recordedParameters(
  recipe: Recipe,
  size: { readonly width: number; readonly height: number },
): Record<string, string | number | boolean> {
  return {
    modelWidth: size.width,
    modelHeight: size.height,
    colorFactor: recipe.colorFactor,
    parity: recipe.parity,
    quality: recipe.quality,
  };
}

function changed(source: string, when: string): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    `${basename(source)} has changed ${when}.`,
    "Import it again, then colour it.",
  );
}

async function identity(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    const record = toErrorRecord(error, basename(path));
    throw new AutochromeError(record.code, record.message, record.next, { cause: error });
  }
}
