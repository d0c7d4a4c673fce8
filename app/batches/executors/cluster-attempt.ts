// An attempt at a batch on the cluster: what it covers is sent, then its Job is started.
//
// Owns: the order of sending: photos, chunks, the list of the attempt, the Job last. Must never: start a Job whose photos
// are not all in the store, or let one photo that cannot be read stop the others.
import { stat } from "node:fs/promises";
import { extname, join } from "node:path";
import {
  type BlobStore,
  batchPrefixes,
  type Cluster,
  chunksFor,
  doneKey,
  inputKey,
  outputKey,
  renewKey,
  type SubmissionInput,
  submissionSchema,
  submitJob,
} from "../../cluster/index.ts";
import { AutochromeError, hashFile, type Logger } from "../../kernel/index.ts";
import { isMaskName } from "../../workflow/index.ts";
import {
  type Attempt,
  attemptKey,
  attemptSchema,
  type Chunk,
  type ChunkItem,
  chunkKey,
  isAboutContent,
  MOST_BYTES,
  MOST_CHUNKS,
  recordIndex,
  type StoredFile,
} from "../chunk.ts";
import type { Job } from "../executor.ts";

export interface AttemptOptions {
  readonly cluster: Cluster;
  readonly store: BlobStore;
  /** What is the same for all Jobs: image, GPU, resources … */
  readonly submission: Omit<SubmissionInput, "batch" | "attempt" | "manifest" | "chunks">;
  readonly log: Logger;
  /** Does a step again and again where the cluster or the storage cannot be reached just now. */
  readonly patiently: <Result>(step: () => Promise<Result>) => Promise<Result>;
  /** Items whose files are sent again even where they seem to be there: what a pod found was something else. */
  readonly anew: ReadonlySet<string>;
  /** Hears of a photo that the attempt goes without: its own file is the trouble. */
  readonly onRefused: (job: Job, error: AutochromeError) => void;
  readonly signal: AbortSignal;
}

/** Photos that are sent at once. */
const UPLOADS = 4;
/** A grant is good for so long: as long as the Job may take, and the most that S3 allows. */
const GRANT_SECONDS = 7 * 24 * 3600;
/** How often it is looked whether something is left; lists may lack what was written just before. */
const CLEARINGS = 3;
/** What is wrong with a photo's file here, and says nothing about the others. */
const OF_THE_FILE: ReadonlySet<string> = new Set(["unreadable-file", "not-found", "empty-file"]);

type Sendable = Omit<ChunkItem, "graph"> & { readonly job: Job };

/**
 * Sends an attempt and starts its Job.
 * @param number of the attempt, 1, 2, …
 * @param perChunk photos of one chunk at most, as far as {@link MOST_CHUNKS} allows
 * @throws AutochromeError of the storage or the cluster; the signal's reason
 */
export async function sendAttempt(
  options: AttemptOptions,
  batch: string,
  number: number,
  jobs: readonly Job[],
  perChunk: number,
): Promise<Attempt> {
  const { store, cluster, log, patiently, signal } = options;
  const items = await sendItems(options, jobs);
  const chunks = chunksFor(items.length, perChunk, MOST_CHUNKS).map(({ start, end }) =>
    items.slice(start, end),
  );
  const reads: string[] = [];
  for (const [place, here] of chunks.entries()) {
    const key = chunkKey(batch, number, place);
    await patiently(async () => {
      const chunk = await chunkOf(store, batch, recordIndex(number, place), here, signal);
      await store.putBytes(key, bytesOf(chunk), { signal });
    });
    reads.push(key);
  }
  const attempt: Attempt = {
    form: 1,
    attempt: number,
    chunks: chunks.map((here) => here.map(({ id }) => id)),
  };
  await patiently(() => store.putBytes(attemptKey(batch, number), bytesOf(attempt), { signal }));
  if (reads.length === 0) return attempt;
  const grant = await patiently(() => grantFor(store, reads, signal));
  const submission = submissionSchema.parse({
    ...options.submission,
    batch,
    attempt: number,
    manifest: `${batch}/${number}`,
    chunks: chunks.length,
  });
  const job = await patiently(() => submitJob(cluster, submission, grant, { signal }));
  log.info({ batch, attempt: number, job: job.name, photos: items.length }, "submitted");
  return attempt;
}

/** What the pods of an attempt have: leave to read their chunks, and to learn there of the rest. */
async function grantFor(store: BlobStore, read: readonly string[], signal: AbortSignal): Promise<string> {
  return JSON.stringify(await store.grant({ read, write: [], seconds: GRANT_SECONDS }, { signal }));
}

/** Takes an attempt up again whose Job may have been left without its Secret, where we were killed between the two. */
export async function takeUp(
  { cluster, store, submission: { install }, patiently, signal }: AttemptOptions,
  batch: string,
  { attempt, chunks }: Attempt,
): Promise<void> {
  const grant = await patiently(() =>
    grantFor(
      store,
      chunks.map((_, place) => chunkKey(batch, attempt, place)),
      signal,
    ),
  );
  await patiently(() => renewKey(cluster, { install, batch, attempt }, grant, { signal }));
}

/**
 * Attempts that were sent earlier, this program's last run included; their Jobs may still bring something. One whose list
 * cannot be read covers nothing: its photos are done again.
 */
export async function knownAttempts(
  store: BlobStore,
  batch: string,
  signal: AbortSignal,
): Promise<Attempt[]> {
  const numbers: number[] = [];
  const prefix = attemptKey(batch, 0).slice(0, -1);
  for await (const { key } of store.list(prefix, {}, { signal })) {
    const number = Number(key.slice(prefix.length));
    if (Number.isInteger(number)) numbers.push(number);
  }
  const attempts: Attempt[] = [];
  for (const number of numbers.sort((one, other) => one - other)) {
    attempts.push(
      (await readAttempt(store, batch, number, signal)) ?? { form: 1, attempt: number, chunks: [] },
    );
  }
  return attempts;
}

/** Clears a batch out of the storage, until nothing of it is found there any more. */
export async function clearAway(store: BlobStore, batch: string): Promise<void> {
  for (let round = 1; round <= CLEARINGS; round++) {
    const keys: string[] = [];
    for (const prefix of batchPrefixes(batch)) for await (const { key } of store.list(prefix)) keys.push(key);
    if (keys.length === 0) return;
    await store.delete(keys);
  }
}

async function readAttempt(
  store: BlobStore,
  batch: string,
  number: number,
  signal: AbortSignal,
): Promise<Attempt | undefined> {
  try {
    const bytes = await store.getBytes(attemptKey(batch, number), { maxBytes: MOST_BYTES }, { signal });
    return attemptSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (thrown) {
    if (isAboutContent(thrown)) return undefined;
    throw thrown;
  }
}

async function chunkOf(
  store: BlobStore,
  batch: string,
  index: number,
  items: readonly Sendable[],
  signal: AbortSignal,
): Promise<Chunk> {
  const graphs = new Map<string, { readonly place: number; readonly graph: Job["graph"] }>();
  const placed = items.map(({ job, ...item }) => {
    const text = JSON.stringify(job.graph);
    const known = graphs.get(text) ?? { place: graphs.size, graph: job.graph };
    graphs.set(text, known);
    return { ...item, graph: known.place };
  });
  const grant = await store.grant(
    {
      read: [...new Set(placed.flatMap(filesOf).map(({ sha256 }) => inputKey(sha256)))],
      write: placed.flatMap(({ id }, nth) => [
        outputKey(batch, id),
        outputKey(batch, `${id}.colours`),
        doneKey(batch, index, nth),
      ]),
      seconds: GRANT_SECONDS,
    },
    { signal },
  );
  return {
    form: 1,
    batch,
    index,
    graphs: [...graphs.values()].map(({ graph }) => graph),
    items: placed,
    grant,
  };
}

const filesOf = ({ photo, colours, masks }: ChunkItem): readonly StoredFile[] => [
  photo,
  ...(colours === undefined ? [] : [colours]),
  ...masks,
];

/** Sends photos, a few at a time. @returns what could be sent, in the order of the jobs */
async function sendItems(options: AttemptOptions, jobs: readonly Job[]): Promise<Sendable[]> {
  const { patiently, onRefused, signal } = options;
  const sent = new Map<string, Promise<StoredFile>>();
  const items = new Array<Sendable | undefined>(jobs.length);
  let next = 0;
  const one = async () => {
    for (let place = next++; place < jobs.length; place = next++) {
      const job = jobs[place]!;
      try {
        items[place] = await patiently(() => sendItem(options, job, sent));
      } catch (thrown) {
        signal.throwIfAborted();
        if (!(thrown instanceof AutochromeError) || !OF_THE_FILE.has(thrown.code)) {
          next = jobs.length;
          throw thrown;
        }
        onRefused(job, thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: UPLOADS }, one));
  return items.filter((item) => item !== undefined);
}

/** @param sent what goes up once for all photos: masks and colours, by path */
async function sendItem(
  { store, anew, signal }: AttemptOptions,
  job: Job,
  sent: Map<string, Promise<StoredFile>>,
): Promise<Sendable> {
  const send = async (path: string, known?: string): Promise<StoredFile> => {
    const { size } = await stat(path).catch((cause: unknown) => {
      throw new AutochromeError("not-found", "The photo's file is not there any more.", "Import it again.", {
        cause,
      });
    });
    const sha256 = known ?? (await hashFile(path, signal));
    if (anew.has(job.itemId)) await store.delete([inputKey(sha256)], { signal });
    await store.putFile(inputKey(sha256), path, { sha256, size }, { signal });
    return { sha256, size };
  };
  const once = (path: string): Promise<StoredFile> => {
    const going = sent.get(path) ?? send(path);
    sent.set(path, going);
    going.catch(() => sent.delete(path)); // tried anew by whoever needs it next
    return going;
  };
  const masks = Object.values(job.graph)
    .map(({ inputs }) => inputs.image)
    .filter((name): name is string => typeof name === "string" && isMaskName(name));
  const extension = extname(job.source).toLowerCase();
  return {
    job,
    id: job.itemId,
    photo: await send(job.source, job.sourceHash),
    extension: /^\.[a-z0-9]{1,8}$/.test(extension) ? extension : "",
    mayShrink: job.mayShrink,
    keepColours: job.keepColours,
    ...(job.colours === undefined ? {} : { colours: await once(job.colours) }),
    masks: await Promise.all([...new Set(masks)].map((name) => once(join(job.masks ?? "", name)))),
    createdAt: job.createdAt,
  };
}

function bytesOf(value: Attempt | Chunk): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
