// The executor on a Kubernetes cluster: what it is given becomes one Indexed Job per batch and attempt, and each photo is
// done when its record is in the store, whatever became of pods and Jobs.
//
// Owns: attempts: which photos each covers, what is sent for it, how long it is waited for. Must never: send a photo again
// that an attempt under way covers, or take a Job's word for a result.
import { mkdir, stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import {
  type BlobStore,
  batchPrefixes,
  type Cluster,
  cancelJob,
  chunksFor,
  doneKey,
  donePrefix,
  findJobs,
  followJob,
  inputKey,
  type JobView,
  jobName,
  outputKey,
  type SubmissionInput,
  submissionSchema,
  submitJob,
  type Words,
} from "../../cluster/index.ts";
import { extensionFor } from "../../imaging/index.ts";
import { AutochromeError, errorFromRecord, hashFile, type Logger } from "../../kernel/index.ts";
import { isMaskName, jobGraphOf } from "../../workflow/index.ts";
import {
  type Attempt,
  attemptKey,
  attemptSchema,
  type Chunk,
  type ChunkItem,
  chunkKey,
  type ItemRecord,
  MOST_ATTEMPTS,
  MOST_BYTES,
  MOST_CHUNKS,
  recordIndex,
  recordSchema,
  type StoredFile,
} from "../chunk.ts";
import type { Executor, Job, JobResult } from "../executor.ts";

export interface ClusterExecutorOptions {
  readonly cluster: Cluster;
  readonly store: BlobStore;
  /** What is the same for all Jobs: image, GPU, resources … */
  readonly submission: Omit<SubmissionInput, "batch" | "attempt" | "manifest" | "chunks">;
  /** Photos of one chunk: enough for the loading of the network not to matter. */
  readonly perChunk: number;
  /** Hears what a batch waits for, in words. */
  readonly onWords?: (batch: string, words: readonly Words[]) => void;
  readonly log: Logger;
  /** Between looks for new records, in milliseconds. */
  readonly everyMs?: number;
}

/** How long it is waited for more photos before an attempt begins, in milliseconds. */
const GATHER_MS = 300;
const EVERY_MS = 3000;
/** Photos that are sent at once. */
const UPLOADS = 4;
/** A grant is good for so long: as long as the Job may take, and the most that S3 allows. */
const GRANT_SECONDS = 7 * 24 * 3600;
/** So many chunks beyond those that can run are looked at: pods end and begin between two looks. */
const AHEAD = 4;
/** Attempts without a single new record, after which a batch's remaining photos are given up. */
const FRUITLESS = 2;

interface Waiting {
  readonly job: Job;
  readonly signal: AbortSignal;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** A batch that is on the cluster. */
interface Run {
  readonly waiting: Map<string, Waiting>;
  readonly stop: AbortController;
  done: Promise<void>;
}

export function createClusterExecutor(options: ClusterExecutorOptions): Executor {
  const { cluster, store } = options;
  const runs = new Map<string, Run>();

  function add(waiting: Waiting): void {
    const { batchId } = waiting.job;
    let run = runs.get(batchId);
    if (run === undefined) {
      const made: Run = { waiting: new Map(), stop: new AbortController(), done: Promise.resolve() };
      made.done = serve(options, batchId, made).finally(() => runs.delete(batchId));
      runs.set(batchId, made);
      run = made;
    }
    run.waiting.set(waiting.job.itemId, waiting);
  }

  return {
    name: "cluster",
    capacity: 100_000, // a batch is one Job, however large
    device: `cluster ${cluster.context}`,
    async prepare(graph) {
      jobGraphOf(graph);
      await cluster.version();
      const { ok, message, next } = await store.check();
      if (!ok) throw new AutochromeError("storage-unreachable", message, next);
    },
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiting: Waiting = { job, signal, resolve, reject };
        signal.addEventListener(
          "abort",
          () => {
            const run = runs.get(job.batchId);
            if (run?.waiting.get(job.itemId) === waiting) run.waiting.delete(job.itemId);
            if (run !== undefined && run.waiting.size === 0) run.stop.abort();
            reject(signal.reason);
          },
          { once: true },
        );
        add(waiting);
      }),
    async end(batch) {
      for (const { name } of await findJobs(cluster, batch)) await cancelJob(cluster, name);
      for (const prefix of batchPrefixes(batch)) {
        const keys: string[] = [];
        for await (const { key } of store.list(prefix)) keys.push(key);
        await store.delete(keys);
      }
    },
    async close() {
      for (const run of runs.values()) run.stop.abort();
      await Promise.allSettled([...runs.values()].map((run) => run.done));
      await store.close();
      await cluster.close();
    },
  };
}

/** Sees a batch's photos through: takes up what is on the cluster already, starts what is not, until nobody waits. */
async function serve(options: ClusterExecutorOptions, batch: string, run: Run): Promise<void> {
  const { signal } = run.stop;
  try {
    await delay(GATHER_MS, signal);
    const attempts = await knownAttempts(options, batch, signal);
    let fruitless = 0;
    while (run.waiting.size > 0) {
      signal.throwIfAborted();
      const before = run.waiting.size;
      let last: JobView | undefined;
      for (const attempt of attempts) last = (await followAttempt(options, batch, attempt, run)) ?? last;
      if (run.waiting.size === 0) break;
      // What is left no attempt covers, or its attempt is over without a record of it.
      fruitless = attempts.length > 0 && run.waiting.size === before ? fruitless + 1 : 0;
      const number = (attempts.at(-1)?.attempt ?? 0) + 1;
      if (fruitless >= FRUITLESS || number > MOST_ATTEMPTS) {
        throw giveUp(last);
      }
      const next = await submit(options, batch, number, [...run.waiting.values()], signal);
      attempts.splice(0, attempts.length, next);
    }
  } catch (thrown) {
    for (const { reject } of run.waiting.values()) reject(signal.aborted ? signal.reason : thrown);
    run.waiting.clear();
  }
}

function giveUp(view: JobView | undefined): AutochromeError {
  const [words] = view?.words ?? [];
  return new AutochromeError(
    "cluster-refused",
    words?.message ?? "The cluster gave these photos up.",
    words?.next ?? "Look at `autochrome cluster check`, then retry the batch.",
  );
}

/** Attempts of an earlier run of the program whose Jobs may still bring something. */
async function knownAttempts(
  { store }: ClusterExecutorOptions,
  batch: string,
  signal: AbortSignal,
): Promise<Attempt[]> {
  const numbers: number[] = [];
  const prefix = attemptKey(batch, 0).slice(0, -1);
  for await (const { key } of store.list(prefix, {}, { signal }))
    numbers.push(Number(key.slice(prefix.length)));
  const attempts: Attempt[] = [];
  for (const number of numbers.sort((one, other) => one - other)) {
    const bytes = await store.getBytes(attemptKey(batch, number), { maxBytes: MOST_BYTES }, { signal });
    attempts.push(attemptSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8"))));
  }
  return attempts;
}

/** Sends what an attempt needs, the list of its photos last but for the Job itself. */
async function submit(
  options: ClusterExecutorOptions,
  batch: string,
  number: number,
  all: readonly Waiting[],
  signal: AbortSignal,
): Promise<Attempt> {
  const { store, cluster, log } = options;
  const ranges = chunksFor(all.length, options.perChunk, MOST_CHUNKS);
  const sent = new Map<string, Promise<StoredFile>>();
  const refused = new Set<string>();
  const items = await inParallel(all, UPLOADS, async (waiting): Promise<ChunkItem | undefined> => {
    try {
      return await sendItem(store, waiting, sent, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof AutochromeError) || !OF_THE_FILE.has(thrown.code)) throw thrown;
      refused.add(waiting.job.itemId);
      waiting.reject(thrown);
      return undefined;
    }
  });
  const chunks: string[][] = [];
  const reads: string[] = [];
  for (const [place, { start, end }] of ranges.entries()) {
    const here = items.slice(start, end).filter((item) => item !== undefined);
    const graphs = [
      ...new Map(all.slice(start, end).map(({ job }) => [JSON.stringify(job.graph), job.graph])).values(),
    ];
    const keys = graphs.map((graph) => JSON.stringify(graph));
    const index = recordIndex(number, place);
    const placed = here.map((item) => {
      const { job } = all.find((waiting) => waiting.job.itemId === item.id)!;
      return { ...item, graph: keys.indexOf(JSON.stringify(job.graph)) };
    });
    chunks.push(placed.map(({ id }) => id));
    if (placed.length === 0) continue;
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
    const chunk: Chunk = { form: 1, batch, index, graphs, items: placed, grant };
    await store.putBytes(chunkKey(batch, number, place), Buffer.from(JSON.stringify(chunk)), { signal });
    reads.push(chunkKey(batch, number, place));
  }
  const attempt: Attempt = { form: 1, attempt: number, chunks };
  await store.putBytes(attemptKey(batch, number), Buffer.from(JSON.stringify(attempt)), { signal });
  if (reads.length > 0) {
    const grant = await store.grant({ read: reads, write: [], seconds: GRANT_SECONDS }, { signal });
    const submission = submissionSchema.parse({
      ...options.submission,
      batch,
      attempt: number,
      manifest: `${batch}/${number}`,
      chunks: ranges.length,
    });
    const job = await submitJob(cluster, submission, JSON.stringify(grant), { signal });
    log.info({ batch, attempt: number, job: job.name, photos: all.length - refused.size }, "submitted");
  }
  return attempt;
}

/** What is wrong with a photo's file here, and says nothing about the others. */
const OF_THE_FILE: ReadonlySet<string> = new Set(["unreadable-file", "not-found", "empty-file"]);

const filesOf = ({ photo, colours, masks }: ChunkItem): readonly StoredFile[] => [
  photo,
  ...(colours === undefined ? [] : [colours]),
  ...masks,
];

async function sendItem(
  store: BlobStore,
  { job }: Waiting,
  sent: Map<string, Promise<StoredFile>>,
  signal: AbortSignal,
): Promise<ChunkItem> {
  const send = async (path: string, known?: string): Promise<StoredFile> => {
    const { size } = await stat(path).catch((cause: unknown) => {
      throw new AutochromeError("not-found", "The photo's file is not there any more.", "Import it again.", {
        cause,
      });
    });
    const sha256 = known ?? (await hashFile(path, signal));
    await store.putFile(inputKey(sha256), path, { sha256, size }, { signal });
    return { sha256, size };
  };
  /** Masks and colours are shared by many photos; each goes up once. */
  const once = (path: string): Promise<StoredFile> => {
    const going = sent.get(path) ?? send(path);
    sent.set(path, going);
    return going;
  };
  const masks = Object.values(job.graph)
    .map(({ inputs }) => inputs.image)
    .filter((name): name is string => typeof name === "string" && isMaskName(name));
  const extension = extname(job.source).toLowerCase();
  return {
    id: job.itemId,
    photo: await send(job.source, job.sourceHash),
    extension: /^\.[a-z0-9]{1,8}$/.test(extension) ? extension : "",
    graph: 0,
    mayShrink: job.mayShrink,
    keepColours: job.keepColours,
    ...(job.colours === undefined ? {} : { colours: await once(job.colours) }),
    masks: await Promise.all([...new Set(masks)].map((name) => once(join(job.masks ?? "", name)))),
    createdAt: job.createdAt,
  };
}

/**
 * Takes an attempt's records as they come, until it is over or nobody waits for any of it.
 * @returns how its Job ended; undefined where nothing of it is waited for
 */
async function followAttempt(
  options: ClusterExecutorOptions,
  batch: string,
  attempt: Attempt,
  run: Run,
): Promise<JobView | undefined> {
  const { cluster, store, log, everyMs = EVERY_MS } = options;
  const { signal } = run.stop;
  const isWaitedFor = (id: string) => run.waiting.has(id);
  if (!attempt.chunks.some((ids) => ids.some(isWaitedFor))) return undefined;
  const over = new AbortController();
  let view: JobView | undefined;
  let hasEnded = false;
  const following = followJob(cluster, jobName({ batch, attempt: attempt.attempt }), {
    signal: AbortSignal.any([signal, over.signal]),
    gpu: options.submission.gpu,
    onChange(now) {
      view = now;
      options.onWords?.(batch, now.words);
    },
  }).then(
    (end) => {
      view = end;
      hasEnded = true;
    },
    () => undefined, // told by the signal
  );
  // For each chunk the first photo whose record has not been taken: what is before it is never looked at again.
  const cursors = attempt.chunks.map((ids) => Math.max(0, ids.findIndex(isWaitedFor)));
  try {
    for (;;) {
      signal.throwIfAborted();
      const isLast = hasEnded; // what was written before the end is seen by the look after it
      const open = [...attempt.chunks.entries()].filter(
        ([place, ids]) => cursors[place]! < ids.length && ids.slice(cursors[place]).some(isWaitedFor),
      );
      const most = isLast ? open.length : options.submission.parallelism + AHEAD;
      for (const [place, ids] of open.slice(0, most)) {
        try {
          cursors[place] = await takeRecords(store, batch, attempt.attempt, place, ids, cursors[place]!, run);
        } catch (thrown) {
          signal.throwIfAborted();
          if (!(thrown instanceof AutochromeError) || !thrown.code.startsWith("storage-")) throw thrown;
          // It comes back, and the records are still there then.
          log.warn({ batch, err: thrown }, "the storage cannot be read now");
          options.onWords?.(batch, [{ kind: "trouble", message: thrown.message, next: thrown.next }]);
          if (isLast) await delay(everyMs, signal);
          break;
        }
      }
      if (!attempt.chunks.some((ids) => ids.some(isWaitedFor))) return view;
      if (isLast) return view;
      await delay(everyMs, signal);
    }
  } finally {
    over.abort();
    await following;
  }
}

/** @returns the place of the first record that is not there yet */
async function takeRecords(
  store: BlobStore,
  batch: string,
  attempt: number,
  chunk: number,
  ids: readonly string[],
  from: number,
  run: Run,
): Promise<number> {
  const { signal } = run.stop;
  const index = recordIndex(attempt, chunk);
  let next = from;
  const range = from === 0 ? {} : { after: doneKey(batch, index, from - 1) };
  for await (const { key } of store.list(donePrefix(batch, index), range, { signal })) {
    if (key !== doneKey(batch, index, next)) break; // of another's making
    const waiting = run.waiting.get(ids[next] ?? "");
    if (waiting !== undefined) {
      const bytes = await store.getBytes(key, { maxBytes: MOST_BYTES }, { signal });
      const record = recordSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
      await settle(store, batch, record, waiting, signal);
      run.waiting.delete(waiting.job.itemId);
    }
    next++;
  }
  return next;
}

/** Brings a result home and answers whoever waits for it. */
async function settle(
  store: BlobStore,
  batch: string,
  record: ItemRecord,
  { job, resolve, reject }: Waiting,
  signal: AbortSignal,
): Promise<void> {
  if (record.status === "failed") {
    return reject(errorFromRecord(record.error as Parameters<typeof errorFromRecord>[0]));
  }
  const stem = job.target.slice(0, job.target.length - extname(job.target).length);
  const output =
    extname(job.target) === extensionFor(record.format) ? job.target : stem + extensionFor(record.format);
  await mkdir(dirname(output), { recursive: true });
  const { sha256, size } = record.result;
  await store.getFile(outputKey(batch, job.itemId), output, { sha256, size, overwrite: true }, { signal });
  let colours: string | undefined;
  if (record.colours !== undefined) {
    colours = `${stem}.colours.png`;
    const kept = { ...record.colours, overwrite: true };
    await store.getFile(outputKey(batch, `${job.itemId}.colours`), colours, kept, { signal });
  }
  const { width, height, format, sourceHash, graph, device, models, networkMs, notes } = record;
  resolve({
    status: "done",
    output,
    outputHash: sha256,
    sourceHash,
    width,
    height,
    format,
    graph,
    colours,
    device,
    models,
    networkMs,
    notes,
  });
}

async function inParallel<Item, Result>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  const one = async () => {
    for (let place = next++; place < items.length; place = next++) results[place] = await work(items[place]!);
  };
  await Promise.all(Array.from({ length: most }, one));
  return results;
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal.removeEventListener("abort", stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
