// Taking models in, from the network, from a file, from a pack: each is verified or looked at before it can be chosen.
//
// Owns: what has to be true of a file before the store gets it. Must never: put anything into the store that was not run.
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { AutochromeError, hashFile, sweepLeftovers, toErrorRecord } from "../kernel/index.ts";
import {
  type Description,
  type DownloadOptions,
  download,
  findByDigest,
  isPack,
  type Model,
  type ModelStore,
  PUBLISHED,
  type Published,
  readExportRecord,
  readPack,
} from "../modelstore/index.ts";
import { type ExamineOptions, examineModel } from "./examine.ts";

export interface PullOptions extends ExamineOptions, Pick<DownloadOptions, "onProgress" | "onTrouble"> {
  /** Addresses that are tried before the published ones; the file's name is added. */
  readonly mirrors: readonly string[];
}

/** What `pullModel` fetched. */
export type Pulled =
  | { readonly kind: "model"; readonly model: Model }
  /** A checkpoint, which has to be exported before it can be used. */
  | { readonly kind: "checkpoint"; readonly path: string; readonly sha256: string };

/**
 * Fetches a published model and takes it in. What was fetched before an interruption is kept for the next time.
 * @throws AutochromeError "model-missing" for an unknown id, "usage" for one that cannot be fetched, those of
 *   {@link download} and {@link examineModel}
 */
export async function pullModel(store: ModelStore, id: string, options: PullOptions): Promise<Pulled> {
  const published = PUBLISHED.find((candidate) => candidate.id === id);
  if (published === undefined) {
    throw new AutochromeError(
      "model-missing",
      `No published model is called ${id}.`,
      "See `autochrome models list`; a file of your own is taken in by `autochrome models import`.",
    );
  }
  const { sources = [], sha256, size, format, file } = published;
  if (file !== undefined) return { kind: "model", model: store.find(id) };
  if (sources.length === 0) {
    throw new AutochromeError(
      "usage",
      `${published.title} cannot be fetched by a program.`,
      "Get the file by hand and take it in with `autochrome models import FILE`; it is recognised by its digest.",
    );
  }
  const folder = join(store.folder, format === "checkpoint" ? "checkpoints" : "downloads");
  await mkdir(folder, { recursive: true });
  const name = basename(new URL(sources[0]!).pathname);
  const mirrors = options.mirrors.map((mirror) => `${mirror.replace(/\/$/, "")}/${name}`);
  const target = join(folder, format === "checkpoint" ? name : `${id}.onnx`);
  const { onProgress, onTrouble, signal } = options;
  const got = await download({
    sources: [...mirrors, ...sources],
    target,
    sha256,
    size,
    signal,
    onProgress,
    onTrouble,
  });
  if (got.verifiedBy === "nothing") {
    await rm(target, { force: true });
    throw new AutochromeError(
      "download-failed",
      `Nobody says what ${published.title} must be, so that what came cannot be verified.`,
      "Get the file by hand from a place you trust, and take it in with `autochrome models import FILE --id ID`.",
      { detail: got.source },
    );
  }
  if (format === "checkpoint") return { kind: "checkpoint", path: target, sha256: got.sha256 };
  return {
    kind: "model",
    model: await takeIn(store, target, { ...got, origin: got.source }, describe(published), options),
  };
}

/** How a file is taken in. */
export interface ImportOptions extends ExamineOptions {
  /** What to call it; otherwise what the manifest or the file's own record calls it, otherwise after its name. */
  readonly id?: string;
}

/**
 * Takes a file of the user's in: a model, or a pack of several. The file stays where it is.
 * @param file absolute
 * @throws AutochromeError as {@link examineModel}; "usage" for an id that is taken, or for a checkpoint
 */
export async function importModels(
  store: ModelStore,
  file: string,
  options: ImportOptions,
): Promise<readonly Model[]> {
  if (await isPack(file).catch(() => false)) return importPack(store, file, options);
  let sha256: string;
  let size: number;
  try {
    size = (await stat(file)).size;
    sha256 = await hashFile(file, options.signal);
  } catch (thrown) {
    const { code, message, next } = toErrorRecord(thrown, basename(file));
    throw new AutochromeError(code, message, next, { cause: thrown });
  }
  const published = findByDigest(sha256);
  if (published?.format === "checkpoint" || /\.(pth|pt|ckpt|safetensors|bin)$/i.test(file)) {
    throw new AutochromeError(
      "usage",
      `${basename(file)} is a checkpoint of PyTorch's, not an ONNX model.`,
      "Export it first; models/export/README.md says how.",
    );
  }
  const known = published === undefined ? await readExportRecord(file, sha256) : describe(published);
  const id = options.id ?? known?.id ?? ownId(file);
  refuseOther(store, id, sha256);
  const description = { ...unknownModel(id, file), ...known, id };
  const fixed = await examineModel(file, sha256, options);
  const record = { ...withSize(description, fixed), size, sha256, origin: basename(file) };
  return [await store.add(file, record)];
}

async function importPack(
  store: ModelStore,
  file: string,
  options: ImportOptions,
): Promise<readonly Model[]> {
  const folder = join(store.folder, "downloads");
  await mkdir(folder, { recursive: true });
  await sweepLeftovers(folder);
  const models: Model[] = [];
  for await (const { path, record } of readPack(file, folder, options)) {
    const { sha256, size, origin: _, ...description } = record;
    refuseOther(store, description.id, sha256);
    models.push(
      await takeIn(store, path, { sha256, size, origin: basename(file) }, description, options).finally(() =>
        rm(path, { force: true }),
      ),
    );
  }
  return models;
}

/** @throws AutochromeError "usage" where an id belongs to another file */
function refuseOther(store: ModelStore, id: string, sha256: string): void {
  const present = store.list().find((model) => model.id === id);
  if (present === undefined || present.sha256 === sha256) return;
  throw new AutochromeError(
    "usage",
    `There is another model called ${id} already.`,
    "Choose another id with --id, or remove the other first.",
  );
}

/** Takes in a verified file that lies in the store's folder already. */
async function takeIn(
  store: ModelStore,
  path: string,
  file: { readonly sha256: string; readonly size: number; readonly origin: string },
  description: Description,
  options: ExamineOptions,
): Promise<Model> {
  let fixed: Pick<Model["input"], "fixed">;
  try {
    fixed = await examineModel(path, file.sha256, options);
  } catch (thrown) {
    if (options.signal?.aborted !== true) await rm(path, { force: true });
    throw thrown;
  }
  const target = store.pathFor(description.id);
  await mkdir(dirname(target), { recursive: true });
  await rename(path, target);
  const { sha256, size, origin } = file;
  return store.adopt({ ...withSize(description, fixed), sha256, size, origin });
}

function describe({
  file: _,
  sources: __,
  format: ___,
  size: ____,
  sha256: _____,
  ...rest
}: Published): Description {
  return rest;
}

/** What was found counts, not what the description says. */
function withSize(description: Description, { fixed }: Pick<Model["input"], "fixed">): Description {
  const { multiple, standard } = description.input;
  if (fixed === undefined) return { ...description, input: { multiple, standard } };
  return { ...description, input: { multiple, standard: Math.max(fixed.width, fixed.height), fixed } };
}

function unknownModel(id: string, file: string): Description {
  return {
    id,
    title: basename(file, extname(file)),
    publisher: "unknown",
    licence: "unknown",
    architecture: "unknown",
    precision: "unknown",
    input: { multiple: 32, standard: 512 },
    goodFor: { en: "A model of your own.", zh: "自行导入的模型。" },
  };
}

/** @throws AutochromeError "usage" for a file that is called like a published model and is another one */
function ownId(file: string): string {
  const id = idFrom(file);
  if (!PUBLISHED.some((published) => published.id === id && published.sha256 !== undefined)) return id;
  throw new AutochromeError(
    "usage",
    `${basename(file)} is called like the published model ${id}, but is another file.`,
    "Say what to call it with --id, or fetch the published one with `autochrome models pull`.",
  );
}

function idFrom(file: string): string {
  const id = basename(file, extname(file))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 64);
  return id === "" ? "model" : id;
}
