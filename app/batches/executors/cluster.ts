// The executor on a Kubernetes cluster: what it is given becomes one Indexed Job per batch and attempt, and each photo is
// done when its record is in the store, whatever became of pods and Jobs.
//
// Owns: attempts: which photos each covers, when there is another, what is given up. Must never: send a photo again that an
// attempt under way covers, or lose one to another's trouble.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type BlobStore,
  type Cluster,
  cancelJob,
  findJobs,
  type JobView,
  jobName,
  untilStopped,
  type Words,
} from "../../cluster/index.ts";
import { AutochromeError, type Logger } from "../../kernel/index.ts";
import { jobGraphOf } from "../../workflow/index.ts";
import { type Attempt, MOST_ATTEMPTS } from "../chunk.ts";
import type { Executor, Job } from "../executor.ts";
import { type AttemptOptions, clearAway, knownAttempts, sendAttempt, takeUp } from "./cluster-attempt.ts";
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
    const before = runs.get(batchId);
    let run = before;
    if (run === undefined || run.stop.signal.aborted) {
      const made: Run = { waiting: new Map(), stop: new AbortController(), done: Promise.resolve() };
      made.done = Promise.resolve(before?.done)
        .then(() => serve(options, batchId, made))
        .finally(() => {
          if (runs.get(batchId) === made) runs.delete(batchId);
        });
      runs.set(batchId, made);
      run = made;
    }
    run.waiting.set(waiting.job.itemId, waiting);
  }

  return {
    name: "cluster",
    capacity: 100_000, // a batch is one Job, however large
    device: `cluster ${cluster.context}`,
    goesOnAlone: true,
    async prepare(graph) {
      jobGraphOf(graph);
      await cluster.version();
      const { ok, code = "storage-unreachable", message, next } = await store.check();
      if (!ok) throw new AutochromeError(code, message, next);
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
      const run = runs.get(batch);
      if (run?.waiting.size === 0) await run.done; // it may be starting a Job just now
      try {
        for (const { name } of await findJobs(cluster, batch)) await cancelJob(cluster, name);
        await untilStopped(cluster, batch); // what is not stopped writes
      } finally {
        // Also where the cluster is out of reach: its Jobs end by themselves, what lies in the storage does not.
        await clearAway(store, batch);
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
  const anew = new Set<string>();
  let spoilt: AutochromeError | undefined;
  const onSpoilt = ({ itemId }: Job, error: AutochromeError) => {
    anew.add(itemId);
    spoilt = error;
  };
  const follow = (attempt: Attempt) =>
    followAttempt(
      {
        ...{ cluster, store, waiting, onWords, onSpoilt, everyMs, log, signal },
        ...{ parallelism: submission.parallelism, gpu: submission.gpu },
      },
      batch,
      attempt,
    );
  const sending: AttemptOptions = {
    ...{ cluster, store, submission, log, patiently, anew, signal },
    onRefused(job, error) {
      waiting.get(job.itemId)?.reject(error);
      waiting.delete(job.itemId);
    },
  };
  try {
    await sleep(GATHER_MS, undefined, { signal });
    let number = 0;
    // How those ended does not matter any more: whoever starts the batch again wants it tried again.
    for (const attempt of await patiently(() => knownAttempts(store, batch, signal))) {
      number = attempt.attempt;
      if (!attempt.chunks.some((ids) => ids.some((id) => waiting.has(id)))) continue;
      await takeUp(sending, batch, attempt);
      await follow(attempt);
    }
    let { perChunk } = options;
    let fruitless = 0;
    while (waiting.size > 0) {
      if (++number > MOST_ATTEMPTS) throw new AutochromeError("cluster-refused", ...GIVEN_UP);
      const before = waiting.size;
      const jobs = [...waiting.values()].map(({ job }) => job);
      const attempt = await sendAttempt(sending, batch, number, jobs, perChunk);
      const end = await follow(attempt);
      if (end === undefined) continue; // all it covered is answered; what waits came later
      if (end.state === "failed" && !ABOUT_PHOTOS.has(end.reason)) throw errorOf(end);
      const isCutShort = end.state === "gone" || end.state === "lost";
      if (end.state === "lost")
        await patiently(() => cancelJob(cluster, jobName({ batch, attempt: number }), { signal }));
      if (!isCutShort) giveUpLoners(attempt, end, waiting);
      fruitless = waiting.size < before ? 0 : fruitless + 1;
      const isSameAgain = isCutShort || perChunk === 1;
      if (isSameAgain && fruitless >= MOST_FRUITLESS) throw spoilt ?? errorOf(end);
      if (waiting.size > 0) onWords(end.words.slice(0, 1).map((words) => ({ ...words, next: GOES_ON })));
      if (!isCutShort) {
        perChunk = Math.max(1, Math.floor(Math.min(perChunk, largest(attempt)) / SMALLER));
      }
    }
  } catch (thrown) {
    for (const { reject } of waiting.values()) reject(signal.aborted ? signal.reason : thrown);
    waiting.clear();
  } finally {
    onWords([]);
  }
}

/** Reasons for the failure of a Job that are about some of its photos; all others are about all. */
const ABOUT_PHOTOS: ReadonlySet<string> = new Set([
  "FailedIndexes",
  "MaxFailedIndexesExceeded",
  "BackoffLimitExceeded",
]);

const GOES_ON = "What is finished stays; the rest is started again.";
const GIVEN_UP = [
  "The cluster gave these photos up.",
  "Look at `autochrome cluster check`, then go on with the batch.",
] as const;

function errorOf({ words, reason }: JobView): AutochromeError {
  const [first, second] = words;
  const message = words.map((one) => one.message).join(" ") || GIVEN_UP[0];
  // Where parts of it failed, the pods know why; otherwise they were only stopped with it.
  const next = (ABOUT_PHOTOS.has(reason) ? second?.next : undefined) ?? first?.next ?? GIVEN_UP[1];
  return new AutochromeError("cluster-refused", message, next);
}

const largest = ({ chunks }: Attempt) => Math.max(1, ...chunks.map((ids) => ids.length));

/** A photo that was alone in its chunk and has no record ends every pod that takes it: it fails, and no other. */
function giveUpLoners(attempt: Attempt, end: JobView, waiting: Map<string, Waiting>): void {
  for (const place of end.failed) {
    if (end.withoutStorage.includes(place)) continue;
    const [id, ...others] = attempt.chunks[place] ?? [];
    const loner = others.length === 0 ? waiting.get(id ?? "") : undefined;
    if (loner === undefined) continue;
    waiting.delete(loner.job.itemId);
    const why = end.lastWords[place];
    loner.reject(
      new AutochromeError(
        "gave-up",
        `Each pod that took this photo ended before it was done.${why === undefined ? "" : ` Of the last one the cluster says: ${why}`}`,
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
