// What an attempt brought: its photos' records are read as they appear, and results brought home.
//
// Owns: how far each chunk has been read. Must never: take a Job's word for a result, or answer twice for one photo.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  type BlobStore,
  type Cluster,
  doneKey,
  donePrefix,
  followJob,
  type JobView,
  jobName,
  outputKey,
  type Words,
} from "../../cluster/index.ts";
import { AutochromeError, errorFromRecord, type Logger } from "../../kernel/index.ts";
import {
  type Attempt,
  type ItemRecord,
  isAboutContent,
  MOST_BYTES,
  recordIndex,
  recordSchema,
} from "../chunk.ts";
import type { Job, JobResult } from "../executor.ts";
import { coloursPath, resultPath } from "./result-paths.ts";

export interface Waiting {
  readonly job: Job;
  /** Aborted: nothing of it may be written any more. */
  readonly signal: AbortSignal;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
}

export interface FollowOptions {
  readonly cluster: Cluster;
  readonly store: BlobStore;
  readonly parallelism: number;
  readonly gpu: string | undefined;
  /** Photos that are waited for, by item; whoever is answered is taken out. */
  readonly waiting: Map<string, Waiting>;
  readonly onWords: (words: readonly Words[]) => void;
  /** Hears of a photo for which a pod found something else in the storage than was sent. It goes on waiting. */
  readonly onSpoilt: (job: Job, error: AutochromeError) => void;
  /** Between looks for new records, in milliseconds. */
  readonly everyMs: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** So many chunks beyond those that can run are looked at: pods end and begin between two looks. */
const AHEAD = 4;
/** Results of a chunk that are fetched at once. */
const DOWNLOADS = 4;

/**
 * Takes an attempt's records as they come, until its Job is over and all were read, or nobody waits for any of it.
 * A storage that cannot be read is waited for: the records are still there then.
 * @returns how the Job ended; undefined where nothing of it is waited for (any more)
 * @throws the signal's reason
 */
export async function followAttempt(
  options: FollowOptions,
  batch: string,
  attempt: Attempt,
): Promise<JobView | undefined> {
  const { waiting, onWords, everyMs, log, signal } = options;
  const isWaitedFor = (id: string) => waiting.has(id);
  const over = new AbortController();
  let view: JobView | undefined;
  let hasEnded = false;
  let isTroubled = false;
  const following = followJob(options.cluster, jobName({ batch, attempt: attempt.attempt }), {
    signal: AbortSignal.any([signal, over.signal]),
    gpu: options.gpu,
    onChange(now) {
      view = now;
      onWords(wordsOf(now));
    },
  }).then(
    () => {
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
      const open = attempt.chunks
        .map((ids, place) => ({ ids, place }))
        .filter(({ ids, place }) => ids.slice(cursors[place]).some(isWaitedFor));
      const first = open
        .filter(({ place }) => view?.failed.includes(place) !== true)
        .slice(0, options.parallelism + AHEAD);
      const wasTroubled = isTroubled;
      isTroubled = false;
      for (const { ids, place } of isLast ? open : first) {
        try {
          cursors[place] = await takeRecords(options, batch, attempt.attempt, place, ids, cursors[place]!);
        } catch (thrown) {
          signal.throwIfAborted();
          if (!(thrown instanceof AutochromeError) || !thrown.code.startsWith("storage-")) throw thrown;
          log.warn({ batch, err: thrown }, "the storage cannot be read now");
          onWords([{ kind: "trouble", message: thrown.message, next: thrown.next }]);
          isTroubled = true;
          break;
        }
      }
      if (wasTroubled && !isTroubled) onWords(wordsOf(view));
      if (!attempt.chunks.some((ids) => ids.some(isWaitedFor))) return undefined;
      if (isLast && !isTroubled) return view;
      await sleep(everyMs, undefined, { signal });
    }
  } finally {
    over.abort();
    await following;
  }
}

/** What an end means is for whoever follows to say: there may be nothing left that it matters to. */
const wordsOf = (view: JobView | undefined) => (view === undefined || view.isOver ? [] : view.words);

/** @returns the place of the first record that is not there yet */
async function takeRecords(
  options: FollowOptions,
  batch: string,
  attempt: number,
  chunk: number,
  ids: readonly string[],
  from: number,
): Promise<number> {
  const { store, waiting, signal } = options;
  const index = recordIndex(attempt, chunk);
  let next = from;
  let under: Promise<void>[] = [];
  const flush = async (): Promise<void> => {
    const outcomes = await Promise.allSettled(under);
    under = [];
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  };
  const range = from === 0 ? {} : { after: doneKey(batch, index, from - 1) };
  for await (const { key } of store.list(donePrefix(batch, index), range, { signal })) {
    if (key !== doneKey(batch, index, next)) break; // of another's making
    const one = waiting.get(ids[next] ?? "");
    if (one !== undefined) under.push(takeRecord(options, batch, key, one));
    next++;
    if (under.length >= DOWNLOADS) await flush();
  }
  await flush();
  return next;
}

async function takeRecord(
  { store, waiting, onSpoilt, log, signal }: FollowOptions,
  batch: string,
  key: string,
  one: Waiting,
): Promise<void> {
  try {
    const bytes = await store.getBytes(key, { maxBytes: MOST_BYTES }, { signal });
    const record = recordOf(one.job).parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    if (record.status === "failed" && record.error.code === "storage-damaged") {
      onSpoilt(one.job, errorOf(record));
      return;
    }
    await settle(store, batch, record, one, AbortSignal.any([signal, one.signal]));
    waiting.delete(one.job.itemId);
  } catch (thrown) {
    signal.throwIfAborted();
    const isGivenUp = one.signal.aborted;
    if (!isGivenUp && !isAboutContent(thrown)) throw thrown;
    // The record says one thing and the store has another, or nothing: as good as not done. The next attempt does it.
    log.warn({ batch, item: one.job.itemId, err: thrown }, "a result is not taken");
  }
}

/** A record that is this photo's and no other's. */
const recordOf = ({ itemId }: Job) => recordSchema.and(z.object({ id: z.literal(itemId) }));

function errorOf({ error }: Extract<ItemRecord, { status: "failed" }>): AutochromeError {
  return errorFromRecord(error as Parameters<typeof errorFromRecord>[0]);
}

/** Brings a result home and answers whoever waits for it. */
async function settle(
  store: BlobStore,
  batch: string,
  record: ItemRecord,
  { job, resolve, reject }: Waiting,
  signal: AbortSignal,
): Promise<void> {
  if (record.status === "failed") return reject(errorOf(record));
  const { result, width, height, format, sourceHash, graph, device, models, networkMs, notes } = record;
  const output = resultPath(job.target, format);
  await mkdir(dirname(output), { recursive: true });
  await store.getFile(outputKey(batch, job.itemId), output, { ...result, overwrite: true }, { signal });
  let colours: string | undefined;
  if (record.colours !== undefined) {
    colours = coloursPath(job.target);
    const kept = { ...record.colours, overwrite: true };
    await store.getFile(outputKey(batch, `${job.itemId}.colours`), colours, kept, { signal });
  }
  resolve({
    ...{ status: "done", output, outputHash: result.sha256, sourceHash, width, height, format },
    ...{ graph, colours, device, models, networkMs, notes },
  });
}
