// Model packs: models and what is known of them in one file, to carry to a computer without a network.
//
// A pack is an uncompressed tar, so that any tool can open it: first pack.json, then the model files it names.
// Owns: that format. Must never: believe a name, a size or a byte of a pack that pack.json does not vouch for, or let a
// file appear that is not whole.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createTarDecoder, createTarPacker, type ParsedTarEntry, type TarPackController } from "modern-tar";
import { z } from "zod";
import {
  AutochromeError,
  SOFTWARE,
  temporaryBeside,
  toErrorRecord,
  writeAtomically,
} from "../kernel/index.ts";
import { installedSchema } from "./manifest.ts";
import { requireSpace, writeError } from "./space.ts";

const CONTENTS = "pack.json";
const MOST_CONTENTS_BYTES = 1_000_000;
const BLOCK_BYTES = 512;
const READ_BYTES = 256 * 1024;

const packedSchema = installedSchema.omit({ installedAt: true });
/** What a pack says of a model: its description, its size and digest, where it came from. */
export type PackedModel = Readonly<z.infer<typeof packedSchema>>;

const headSchema = z.object({
  format: z.literal("autochrome-models"),
  version: z.int(),
  madeBy: z.string().max(200),
  models: z.unknown(),
});
const contentsSchema = z.strictObject({
  ...headSchema.shape,
  /** Of the JSON text of `models`: a damaged description would do as much harm as a damaged file. */
  sha256: z.string(),
  models: z.array(z.strictObject({ file: z.string(), model: packedSchema })).min(1),
});
const VERSION = 1;

/** A model file, and what is known of it. */
export interface ModelFile {
  /** Absolute. */
  readonly path: string;
  readonly record: PackedModel;
}

export interface PackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of model files that are done, and in all. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/**
 * Writes a pack. Each file is verified while it is read.
 * @param target absolute; an existing file is replaced only with `overwrite`
 * @throws AutochromeError "usage" (no models, or two of one id), "model-missing", "model-damaged", "disk-full",
 * "output-exists", "output-unwritable"
 */
export async function writePack(
  target: string,
  models: readonly ModelFile[],
  options: PackOptions & { readonly overwrite?: boolean } = {},
): Promise<void> {
  const { signal, overwrite = false } = options;
  if (models.length === 0 || new Set(models.map(({ record }) => record.id)).size < models.length) {
    throw new AutochromeError(
      "usage",
      models.length === 0 ? "There are no models to pack." : "A model would be in the pack twice.",
      "Name each model once; `autochrome models list` shows which there are.",
    );
  }
  const total = totalOf(models.map(({ record }) => record));
  await requireSpace(dirname(target), total, "The pack");
  const progress = counter(total, options);
  await writeAtomically(target, { overwrite }, async (temporary) => {
    const { readable, controller } = createTarPacker();
    const file = createWriteStream(temporary, { flags: "wx" });
    const [, written] = await Promise.allSettled([
      fill(controller, models, signal, progress),
      pipeline(Readable.fromWeb(readable), file, signal === undefined ? {} : { signal }),
    ]);
    if (written.status === "rejected") throw writeError(written.reason, target); // the cause, whichever side began
  });
}

async function fill(
  controller: TarPackController,
  models: readonly ModelFile[],
  signal: AbortSignal | undefined,
  progress: (bytes: number) => void,
): Promise<void> {
  try {
    const listed = models.map(({ record }) => ({
      file: `${record.id}.onnx`,
      model: packedSchema.parse(record),
    }));
    const head = { format: "autochrome-models", version: VERSION, madeBy: SOFTWARE };
    const contents = { ...head, sha256: sha256(JSON.stringify(listed)), models: listed };
    const text = Buffer.from(`${JSON.stringify(contents, null, 2)}\n`);
    const writer = controller.add({ name: CONTENTS, size: text.length }).getWriter();
    await writer.write(text);
    await writer.close();
    for (const { path, record } of models) {
      const entry = controller.add({ name: `${record.id}.onnx`, size: record.size }).getWriter();
      for await (const chunk of verified(readFrom(path, record, signal), record)) {
        await entry.write(chunk);
        progress(chunk.length);
      }
      await entry.close();
    }
    controller.finalize();
  } catch (error) {
    controller.error(error);
  }
}

async function* readFrom(
  path: string,
  { id }: PackedModel,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) {
    throw new AutochromeError(
      "model-missing",
      `The file of the model ${id} is not there.`,
      `Fetch or import it again; it belongs at ${path}.`,
    );
  }
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES, signal });
  } catch (error) {
    throw readError(error, path);
  }
}

/** Passes bytes on and fails where they are not the model: at the latest at their end, at once when there are too many. */
async function* verified(chunks: AsyncIterable<Uint8Array>, record: PackedModel): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > record.size) break;
    hash.update(chunk);
    yield chunk;
  }
  if (size === record.size && hash.digest("hex") === record.sha256) return;
  throw new AutochromeError(
    "model-damaged",
    `The file of the model ${record.id} is damaged.`,
    "Fetch or import it again.",
  );
}

/** Whether a file is a model pack, by its first bytes. @throws what the system says where it cannot be read */
export async function isPack(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, 0);
    const isTar = bytesRead === BLOCK_BYTES && block.toString("latin1", 257, 262) === "ustar";
    return isTar && block.toString("latin1", 0, CONTENTS.length + 1) === `${CONTENTS}\0`;
  } finally {
    await file.close();
  }
}

/**
 * Unpacks the models of a pack, one after the other, each into a temporary file that is verified before it is given
 * out, and is removed when the next one is asked for, unless the caller has moved it away by then. Where a pack turns out
 * to be damaged, the models that came before are good.
 * @param path absolute
 * @param folder where the temporary files are made; must exist
 * @throws AutochromeError "pack-invalid" (not a pack, made by a newer version, something in it that must not be there),
 * "model-damaged" (a wrong digest, or cut off), "disk-full", "unreadable-file", "output-unwritable"
 */
export async function* readPack(
  path: string,
  folder: string,
  options: PackOptions = {},
): AsyncGenerator<ModelFile, void> {
  const { signal } = options;
  signal?.throwIfAborted();
  const looksRight = await isPack(path).catch((error: unknown) => {
    throw readError(error, path);
  });
  if (!looksRight) throw invalid(path, "it does not begin with a list of what is in it");
  const source = createReadStream(path, { highWaterMark: READ_BYTES, signal });
  const entries = Readable.toWeb(source)
    .pipeThrough(createTarDecoder({ strict: true }))
    .getReader();
  async function next(): Promise<ParsedTarEntry | undefined> {
    try {
      return (await entries.read()).value;
    } catch (error) {
      throw tarError(error, path);
    }
  }
  try {
    const missing = await readContents(await next(), path);
    const total = totalOf([...missing.values()]);
    await requireSpace(folder, total, "What is in the pack");
    const progress = counter(total, options);
    for (let entry = await next(); entry !== undefined; entry = await next()) {
      const { name, type, size } = entry.header;
      const record = missing.get(name);
      if (record === undefined || type !== "file" || size !== record.size)
        throw invalid(path, `there is something in it that it does not name: ${JSON.stringify(name)}`);
      missing.delete(name);
      const temporary = temporaryBeside(join(folder, name), ".onnx");
      try {
        await extract(entry, record, temporary, progress, path);
        yield { path: temporary, record };
      } finally {
        await rm(temporary, { force: true });
      }
    }
    if (missing.size > 0) throw damaged(path, "some of its models are not in it");
  } finally {
    await entries.cancel().catch(() => {});
    source.destroy();
  }
}

/** What the pack says is in it, by file name. */
async function readContents(
  entry: ParsedTarEntry | undefined,
  path: string,
): Promise<Map<string, PackedModel>> {
  const { name, type, size } = entry?.header ?? {};
  if (entry === undefined || name !== CONTENTS || type !== "file" || (size ?? 0) > MOST_CONTENTS_BYTES)
    throw invalid(path, "its list of models cannot be read");
  const pieces: Uint8Array[] = [];
  try {
    for await (const chunk of entry.body) pieces.push(chunk);
  } catch (error) {
    throw tarError(error, path);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (error) {
    throw invalid(path, "its list of models cannot be read", error);
  }
  const head = headSchema.safeParse(raw);
  if (!head.success) throw invalid(path, "its list of models cannot be read", head.error);
  if (head.data.version !== VERSION) {
    throw new AutochromeError(
      "pack-invalid",
      `${basename(path)} was made by another version of Autochrome (${head.data.madeBy}) in a form that this one does not know.`,
      "Update Autochrome on this computer, or make the pack with the version that is here.",
    );
  }
  const contents = contentsSchema.safeParse(raw);
  if (!contents.success) throw invalid(path, "its list of models cannot be read", contents.error);
  const { models } = contents.data;
  if (contents.data.sha256 !== sha256(JSON.stringify(head.data.models)))
    throw damaged(path, "its list was changed");
  const byFile = new Map(models.map(({ file, model }) => [file, model]));
  const ids = new Set(models.map(({ model }) => model.id));
  if (byFile.size < models.length || ids.size < models.length) throw invalid(path, "it names a model twice");
  return byFile;
}

async function extract(
  entry: ParsedTarEntry,
  record: PackedModel,
  temporary: string,
  progress: (bytes: number) => void,
  path: string,
): Promise<void> {
  const file = await open(temporary, "wx").catch((error: unknown) => {
    throw writeError(error, temporary);
  });
  try {
    for await (const chunk of verified(bodyOf(entry, path), record)) {
      await file.writeFile(chunk).catch((error: unknown) => {
        throw writeError(error, temporary);
      });
      progress(chunk.length);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function* bodyOf(entry: ParsedTarEntry, path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* entry.body;
  } catch (error) {
    throw tarError(error, path);
  }
}

function totalOf(records: readonly PackedModel[]): number {
  return records.reduce((sum, { size }) => sum + size, 0);
}

/** Counts bytes, and stops where that is wished. */
function counter(total: number, { onProgress, signal }: PackOptions): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    signal?.throwIfAborted();
    done += bytes;
    onProgress?.({ done, total });
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** What the tar reader or the disk under it says. */
function tarError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error.name === "AbortError") return error;
  if ("syscall" in error) return readError(error, path);
  return damaged(path, "it is cut off, or was changed", error);
}

function readError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const { code, message, next } = toErrorRecord(error, basename(path));
  return new AutochromeError(code, message, next, { cause: error });
}

function damaged(path: string, reason: string, cause?: unknown): AutochromeError {
  return new AutochromeError(
    "model-damaged",
    `The model pack ${basename(path)} is damaged: ${reason}.`,
    "Copy it once more from where it was made.",
    cause === undefined ? {} : { cause },
  );
}

function invalid(path: string, reason: string, cause?: unknown): AutochromeError {
  return new AutochromeError(
    "pack-invalid",
    `${basename(path)} is not a model pack that can be taken in: ${reason}.`,
    "Make packs with `autochrome models pack`.",
    cause === undefined ? {} : { cause },
  );
}
