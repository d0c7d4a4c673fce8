// A chunk worked off in a pod: photos in, results and records out.
//
// Owns: which photo is under way, and that records appear in the chunk's order, so that whoever follows them never has to
// look back. Must never: do again what has a record, or write a record before its result is in the store.
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type BlobStore, doneKey, inputKey, outputKey } from "../cluster/index.ts";
import { AutochromeError, type ErrorCode, hashFile, type Logger, toErrorRecord } from "../kernel/index.ts";
import { maskName } from "../workflow/index.ts";
import type { Chunk, ChunkItem, ItemRecord, StoredFile } from "./chunk.ts";
import type { Executor } from "./executor.ts";

export interface WorkOptions {
  readonly chunk: Chunk;
  readonly store: BlobStore;
  readonly executor: Executor;
  /** For photos and results while they are worked on; made, and emptied photo by photo. */
  readonly folder: string;
  /** Who we are, for the records. */
  readonly pod: string;
  readonly mostAtOnce: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Counted up as it goes. */
  readonly counts: { done: number; failed: number; there: number };
}

/** Errors that say something about a photo; all others are about the pod, and end the chunk. */
const OF_THE_PHOTO: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "empty-file",
  "not-an-image",
  "damaged-image",
  "unsupported-image",
  "image-too-large",
  "inference-failed",
  "out-of-memory",
  "unreadable-file",
  "storage-damaged", // what lies there for this photo is not it: it is sent again
]);

/**
 * Works until every photo has its record.
 * @throws AutochromeError where the pod cannot go on: the store, the model, the disk; the signal's reason
 */
export async function workOff(options: WorkOptions): Promise<void> {
  const { chunk, executor, store, signal, counts, log } = options;
  for (const graph of chunk.graphs) await executor.prepare(graph, { networks: true });
  await mkdir(options.folder, { recursive: true });
  const first = await firstWithoutRecord(options);
  counts.there = first;
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const under: Promise<ItemRecord>[] = [];
  const begin = (place: number) => {
    const work = recordOf(options, place, both);
    work.catch((error) => failed.abort(error)); // seen in its turn below; the others need not go on
    under.push(work);
  };
  let next = first;
  const last = chunk.items.length;
  while (next < Math.min(last, first + options.mostAtOnce)) begin(next++);
  for (let place = first; place < last; place++) {
    const record = await under.shift()!;
    await store.putBytes(doneKey(chunk.batch, chunk.index, place), bytesOf(record), { signal });
    counts[record.status]++;
    const why = record.status === "failed" ? { error: record.error } : {};
    log.info({ item: record.id, status: record.status, ...why }, "photo over");
    if (next < last) begin(next++);
  }
}

/** Records are in order: the first that is missing tells all. */
async function firstWithoutRecord({ chunk, store, signal }: WorkOptions): Promise<number> {
  let [low, high] = [0, chunk.items.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const there = await store.head(doneKey(chunk.batch, chunk.index, middle), { signal });
    if (there === undefined) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function recordOf(options: WorkOptions, place: number, signal: AbortSignal): Promise<ItemRecord> {
  const { chunk, pod } = options;
  const item = chunk.items[place]!;
  const folder = join(options.folder, String(place));
  await mkdir(folder, { recursive: true });
  try {
    return await colour(options, item, folder, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof AutochromeError) || !OF_THE_PHOTO.has(thrown.code)) throw thrown;
    return { status: "failed", id: item.id, error: toErrorRecord(thrown), pod };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function colour(
  { chunk, store, executor, pod }: WorkOptions,
  item: ChunkItem,
  folder: string,
  signal: AbortSignal,
): Promise<ItemRecord> {
  const fetch = async ({ sha256, size }: StoredFile, name: string) => {
    const path = join(folder, name);
    try {
      await store.getFile(inputKey(sha256), path, { sha256, size, overwrite: true }, { signal });
    } catch (thrown) {
      throw isNotThere(thrown) ? lost(thrown) : thrown;
    }
    return path;
  };
  const source = await fetch(item.photo, `photo${item.extension}`);
  const colours = item.colours === undefined ? undefined : await fetch(item.colours, "colours.png");
  for (const mask of item.masks) await fetch(mask, maskName(mask.sha256));
  const graph = chunk.graphs[item.graph];
  if (graph === undefined)
    throw new AutochromeError("usage", "The chunk names a graph that it has not.", "Report this.");
  const done = await executor.run(
    {
      batchId: chunk.batch,
      itemId: item.id,
      source,
      sourceHash: item.photo.sha256,
      target: join(folder, `result${item.extension}`),
      existing: "overwrite",
      graph,
      mayShrink: item.mayShrink,
      keepColours: item.keepColours,
      colours,
      masks: folder,
      createdAt: item.createdAt,
    },
    signal,
  );
  if (done.status !== "done") throw new Error("the result cannot have been there");
  const { output, outputHash, width, height, format, sourceHash, device, models, networkMs, notes } = done;
  const result = { sha256: outputHash, size: (await stat(output)).size };
  await store.putFile(outputKey(chunk.batch, item.id), output, result, { signal });
  let kept: StoredFile | undefined;
  if (done.colours !== undefined) {
    kept = { sha256: await hashFile(done.colours, signal), size: (await stat(done.colours)).size };
    await store.putFile(outputKey(chunk.batch, `${item.id}.colours`), done.colours, kept, { signal });
  }
  const facts = {
    width,
    height,
    format,
    sourceHash,
    graph: done.graph,
    device,
    networkMs,
    notes: [...notes],
  };
  return {
    status: "done",
    id: item.id,
    result,
    ...(kept === undefined ? {} : { colours: kept }),
    ...facts,
    models: models.map(({ id, sha256 }) => ({ id, sha256 })),
    pod,
  };
}

function isNotThere(thrown: unknown): thrown is AutochromeError {
  return thrown instanceof AutochromeError && thrown.code === "not-found";
}

function lost({ message, next }: AutochromeError): AutochromeError {
  return new AutochromeError("storage-damaged", message, next);
}

function bytesOf(record: ItemRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record));
}
