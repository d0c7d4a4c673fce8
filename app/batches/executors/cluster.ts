// The executor on a Kubernetes cluster: what it is given becomes one Indexed Job per batch and attempt, and each photo is
// done when its record is in the store, whatever became of pods and Jobs.
//
// Owns: attempts: which photos each covers, when there is another, what is given up. Must never: send a photo again that an
// attempt under way covers, or lose one to another's trouble.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type BlobStore,
  batchPrefixes,
  type Cluster,
  cancelJob,
  findJobs,
  type JobView,
  type Words,
} from "../../cluster/index.ts";
import { AutochromeError, type Logger } from "../../kernel/index.ts";
import { jobGraphOf } from "../../workflow/index.ts";
import { type Attempt, MOST_ATTEMPTS } from "../chunk.ts";
import type { Executor } from "../executor.ts";
import { type AttemptOptions, knownAttempts, sendAttempt } from "./cluster-attempt.ts";
import { followAttempt, type Waiting } from "./cluster-records.ts";

export interface ClusterExecutorOptions {
  readonly cluster: Cluster;
  readonly store: BlobStore;
  readonly submission: AttemptOptions["submission"];
  /** Photos of one chunk: enough for the loading of the network not to matter. */
  readonly perChunk: number;
  /** Hears what a batch waits for, in words; none: it waits for nothing any more. */
  readonly onWords?: (batch: string, words: readonly Words[]) => void;
  readonly log: Logger;
  /** Between looks for new records, in milliseconds. */
  readonly everyMs?: number;
}

/** How long it is waited for more photos before an attempt begins, in milliseconds. */
const GATHER_MS = 300;
const EVERY_MS = 3000;
/** What comes back by itself: it is waited for, however long, unless somebody stops us. */
const PASSING: ReadonlySet<string> = new Set([
  "cluster-unreachable",
  "storage-unreachable",
  "storage-failed",
  "storage-damaged",
]);
const LONGEST_WAIT_MS = 30_000;
/** Photos that were left undone go into chunks so many times smaller: what ends its pod each time is alone in the end. */
const SMALLER = 8;
/** Attempts in a row that brought nothing, where the next one would be the same again. */
const MOST_FRUITLESS = 3;

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
        const waiting: Waiting = { job, resolve, reject };
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
  const { cluster, store, submission, log, everyMs = EVERY_MS } = options;
  const { waiting } = run;
  const { signal } = run.stop;
  const onWords = (words: readonly Words[]) => options.onWords?.(batch, words);
  const patiently: AttemptOptions["patiently"] = (step) => untilItPasses(step, onWords, log, signal);
  const follow = (attempt: Attempt) =>
    followAttempt(
      {
        ...{ cluster, store, waiting, onWords, everyMs, log, signal },
        ...{ parallelism: submission.parallelism, gpu: submission.gpu },
      },
      batch,
      attempt,
    );
  try {
    await sleep(GATHER_MS, undefined, { signal });
    let number = 0;
    // How those ended does not matter any more: whoever starts the batch again wants it tried again.
    for (const attempt of await patiently(() => knownAttempts(store, batch, signal))) {
      number = attempt.attempt;
      if (attempt.chunks.some((ids) => ids.some((id) => waiting.has(id)))) await follow(attempt);
    }
    let { perChunk } = options;
    let fruitless = 0;
    while (waiting.size > 0) {
      if (++number > MOST_ATTEMPTS) throw new AutochromeError("cluster-refused", ...GIVEN_UP);
      const before = waiting.size;
      const attempt = await sendAttempt(
        {
          ...{ cluster, store, submission, log, patiently, signal },
          onRefused(job, error) {
            waiting.get(job.itemId)?.reject(error);
            waiting.delete(job.itemId);
          },
        },
        batch,
        number,
        [...waiting.values()].map(({ job }) => job),
        perChunk,
      );
      const end = await follow(attempt);
      if (end === undefined) continue; // all it covered is answered; what waits came later
      if (end.state === "failed" && !ABOUT_PHOTOS.has(end.reason)) throw errorOf(end);
      if (end.state !== "gone") giveUpLoners(attempt, end, waiting);
      fruitless = waiting.size < before ? 0 : fruitless + 1;
      const isSameAgain = end.state === "gone" || perChunk === 1;
      if (isSameAgain && fruitless >= MOST_FRUITLESS) throw errorOf(end);
      if (end.state !== "gone") {
        perChunk = Math.max(1, Math.floor(Math.min(perChunk, largest(attempt)) / SMALLER));
      }
    }
  } catch (thrown) {
    for (const { reject } of waiting.values()) reject(signal.aborted ? signal.reason : thrown);
    waiting.clear();
  }
}

/** Reasons for the failure of a Job that are about some of its photos; all others are about all. */
const ABOUT_PHOTOS: ReadonlySet<string> = new Set([
  "FailedIndexes",
  "MaxFailedIndexesExceeded",
  "BackoffLimitExceeded",
]);

const GIVEN_UP = [
  "The cluster gave these photos up.",
  "Look at `autochrome cluster check`, then go on with the batch.",
] as const;

function errorOf({ words: [first, ...more] }: JobView): AutochromeError {
  const details = more.map(({ message }) => message).join(" ");
  const message = `${first?.message ?? GIVEN_UP[0]} ${details}`.trim();
  return new AutochromeError("cluster-refused", message, more[0]?.next ?? first?.next ?? GIVEN_UP[1]);
}

const largest = ({ chunks }: Attempt) => Math.max(1, ...chunks.map((ids) => ids.length));

/** A photo that was alone in its chunk and has no record ends every pod that takes it: it fails, and no other. */
function giveUpLoners(attempt: Attempt, end: JobView, waiting: Map<string, Waiting>): void {
  for (const place of end.failed) {
    const [id, ...others] = attempt.chunks[place] ?? [];
    const loner = others.length === 0 ? waiting.get(id ?? "") : undefined;
    if (loner === undefined) continue;
    waiting.delete(loner.job.itemId);
    const why = end.words[1]?.message;
    loner.reject(
      new AutochromeError(
        "gave-up",
        `Each pod that took this photo ended before it was done.${why === undefined ? "" : ` The last words: ${why}`}`,
        "Give pods more memory, choose a smaller model size for this photo, or colour it on this computer.",
      ),
    );
  }
}

/** Does a step again where the cluster or the storage cannot be reached: a batch of hours outlives a break of minutes. */
async function untilItPasses<Result>(
  step: () => Promise<Result>,
  onWords: (words: readonly Words[]) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<Result> {
  for (let waitMs = 1000; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await step();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof AutochromeError) || !PASSING.has(thrown.code)) throw thrown;
      log.warn({ err: thrown }, "waiting for the cluster or the storage");
      onWords([{ kind: "waiting", message: thrown.message, next: `${thrown.next} It is tried again.` }]);
      await sleep(waitMs, undefined, { signal });
    }
  }
}
