// How a Job goes on: asked every few seconds, and at once when the cluster says that something changed.
//
// Owns: the rhythm of asking. The answers to questions are believed, watches are not: they only wake the next question, and
// one that ends (they all do, some without a word) is begun again.
// Must never: end because the cluster cannot be reached, or ask more often for more photos.
import { setTimeout as sleep } from "node:timers/promises";
import { AutochromeError } from "../../kernel/index.ts";
import type { Answer, Cluster } from "./connect.ts";
import { exitCodeOf, explainEnd, explainEvents, explainPod, explainPods, explainQueue } from "./explain.ts";
import { WORKER_EXIT } from "./job-spec.ts";
import { factsOf, isDone, type JobFacts } from "./jobs.ts";
import {
  eventSchema,
  itemsOf,
  jobSchema,
  type PodObject,
  pathOf,
  podSchema,
  workloadSchema,
} from "./objects.ts";
import { refusal, trouble, type Words, waiting } from "./refusals.ts";

export interface JobView {
  /** "lost": all that is left of it are pods on nodes that went away. It waits for them as long as those are known. */
  readonly state: JobFacts["state"] | "gone" | "lost";
  /** Nothing more comes of it. */
  readonly isOver: boolean;
  /** Indexes, as the Job has counted. Hints: the store has the truth. */
  readonly completed: readonly number[];
  readonly failed: readonly number[];
  /** Of a Job that failed: indexes whose last pod ended because of the storage. Their photos are not to blame. */
  readonly withoutStorage: readonly number[];
  /** Of a Job that failed: by index what there is to say of its last pod. */
  readonly lastWords: Readonly<Record<number, string>>;
  readonly total: number;
  /** Pods that wait or run. */
  readonly active: number;
  /** Why a Job failed, in the cluster's own word: "FailedIndexes", "PodFailurePolicy" …; empty unless it did. */
  readonly reason: string;
  /** Why it does not go on, or did not end well; empty where all is well. */
  readonly words: readonly Words[];
  /** Whether the cluster answered the last question; if not, the rest is as it was when it last did. */
  readonly reachable: boolean;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Hears each change. */
  readonly onChange: (view: JobView) => void;
  /** Name of the resource that GPUs are asked for by, for the words. */
  readonly gpu?: string | undefined;
  /** Between questions while the cluster answers, in milliseconds. */
  readonly everyMs?: number;
  /** Longest time between questions while it does not. */
  readonly longestMs?: number;
  /** Least time between questions, however much changes. */
  readonly leastMs?: number;
}

const NOTHING: Omit<JobView, "state" | "reachable"> = {
  ...{ isOver: false, completed: [], failed: [], withoutStorage: [], lastWords: {} },
  ...{ total: 0, active: 0, reason: "", words: [] },
};

/** How long a watch is asked for. Short: one that a firewall cut without a word is not waited for any longer. */
const WATCH_SECONDS = 60;

/** Past the end of its grace period a pod of a node that is there is gone within seconds, in milliseconds. */
const LOST_MS = 300_000;

/**
 * Follows a Job to its end: "complete", "failed", "lost", or "gone" when it is not there any more.
 * Asks at most for the Job, its unfinished pods, and one more list where nothing runs, whatever the number of photos.
 * Trouble with the cluster, rights and credentials included, is told by `onChange`, and ends nothing.
 * @throws the signal's reason
 */
export async function followJob(cluster: Cluster, name: string, options: FollowOptions): Promise<JobView> {
  const { signal, onChange, gpu, everyMs = 4000, longestMs = 30_000, leastMs = 1000 } = options;
  const over = new AbortController();
  const bell = createBell();
  const watching = watchJob(cluster, name, bell.ring, AbortSignal.any([signal, over.signal]), everyMs);
  let last: JobView | undefined;
  let failures = 0;
  try {
    for (;;) {
      const view = await look(cluster, name, gpu, signal).catch((thrown): JobView => {
        signal.throwIfAborted();
        if (!(thrown instanceof AutochromeError)) throw thrown;
        const none = { ...NOTHING, state: "queued" } as const;
        const words = trouble(thrown.message, `${thrown.next} The batch goes on there meanwhile.`);
        return { ...(last ?? none), words: [words], reachable: false };
      });
      failures = view.reachable ? 0 : failures + 1;
      if (JSON.stringify(view) !== JSON.stringify(last)) onChange(view);
      last = view;
      if (view.reachable && view.isOver) return view;
      const wait = Math.min(longestMs, everyMs * 2 ** Math.min(failures, 10)) * (0.8 + Math.random() * 0.4);
      await sleep(leastMs, undefined, { signal });
      await bell.wait(Math.max(0, wait - leastMs), signal);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    over.abort();
    await watching;
  }
}

/** One look, without following: for a list of batches, or after a start. */
export async function lookAtJob(
  cluster: Cluster,
  name: string,
  { gpu, signal }: { readonly gpu?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<JobView> {
  return look(cluster, name, gpu, signal);
}

async function look(
  cluster: Cluster,
  name: string,
  gpu: string | undefined,
  signal: AbortSignal | undefined,
): Promise<JobView> {
  const { namespace } = cluster;
  const common = { signal, tries: 2 };
  const answer = await cluster.ask({
    verb: "get",
    resource: "jobs",
    path: pathOf("jobs", namespace, name),
    ...common,
  });
  if (isMissing(answer))
    return {
      ...{ ...NOTHING, state: "gone", isOver: true, reachable: true },
      words: [
        trouble(
          "The batch's Job is not on the cluster any more.",
          "What it finished is in the storage; the rest can be started again.",
        ),
      ],
    };
  if (!isDone(answer)) throw refusal(answer, "look at the Job", namespace);
  const job = jobSchema.parse(answer.body);
  const { state, completed, failed, total, active, queue, uid } = factsOf(job);
  const reason = job.status.conditions.find(({ type, status }) => type === "Failed" && status === "True");
  const known = { state, completed, failed, total, active, reason: reason?.reason ?? "", reachable: true };
  const view = { ...NOTHING, ...known };
  if (state === "complete") return { ...view, isOver: true };
  // Finished pods would make the answer grow with the batch. Version "0": what the server has at hand is new enough.
  const podsWhere = async (phase: string, version: Record<string, string>) =>
    itemsOf(
      podSchema,
      await list(
        cluster,
        "pods",
        pathOf("pods", namespace),
        {
          labelSelector: `batch.kubernetes.io/job-name=${name}`,
          fieldSelector: `status.phase${phase}`,
          ...{ limit: String(MOST_PODS), ...version },
        },
        common,
      ),
    );
  if (state === "failed") {
    const pods = latestOf(await podsWhere("=Failed", {}));
    const withoutStorage = pods.filter((pod) => exitCodeOf(pod) === WORKER_EXIT.storage).map(indexOf);
    const said = pods.map((pod) => [indexOf(pod), explainPod(pod, gpu)?.message] as const);
    const lastWords = Object.fromEntries(
      said.flatMap(([index, words]) => (words === undefined ? [] : [[index, words]])),
    );
    return { ...view, isOver: true, withoutStorage, lastWords, words: explainEnd(job, pods, gpu) };
  }
  if (state === "suspended")
    return {
      ...view,
      words: [waiting("The batch is paused on the cluster.", "Let it go on whenever you like.")],
    };
  if (job.spec.suspend && queue !== undefined) {
    const query = { labelSelector: `kueue.x-k8s.io/job-uid=${uid}` };
    let workloads: unknown;
    for (const version of KUEUE_VERSIONS) {
      const path = `/apis/kueue.x-k8s.io/${version}/namespaces/${namespace}/workloads`;
      workloads ??= await list(cluster, "workloads", path, query, common);
    }
    return { ...view, words: [explainQueue(queue, itemsOf(workloadSchema, workloads))] };
  }
  const pods = await podsWhere("!=Succeeded", { resourceVersion: "0" });
  const unended = pods.filter(({ status }) => status.phase !== "Failed");
  if (active === 0 && unended.length > 0 && unended.every((pod) => isLost(pod, answer.serverTime)))
    return {
      ...{ ...view, state: "lost", isOver: true },
      words: [
        trouble(
          "The nodes that the batch's last pods were on went away and do not come back.",
          "What is finished is in the storage; the rest can be started again.",
        ),
      ],
    };
  const words = explainPods(latestOf(pods), gpu);
  const isRunning = pods.some(({ status }) => status.phase === "Running");
  if (words.length > 0 || isRunning) return { ...view, words };
  // Nothing runs and no pod says why: perhaps the Job could not make any, or a node has trouble with one.
  const pending = pods.find(({ status }) => status.phase === "Pending");
  if (pending === undefined && pods.length > 0) return { ...view, words };
  const events = await list(
    cluster,
    "events",
    pathOf("events", namespace),
    { fieldSelector: `involvedObject.name=${pending?.metadata.name ?? name}`, resourceVersion: "0" },
    common,
  );
  const said = explainEvents(itemsOf(eventSchema, events)).slice(0, 2);
  return {
    ...view,
    words:
      said.length > 0 || pending === undefined
        ? said
        : [waiting("A pod is starting.", "Wait: the first time on a node its image has to be fetched.")],
  };
}

const INDEX = "batch.kubernetes.io/job-completion-index";

const indexOf = ({ metadata }: PodObject) => Number(metadata.annotations[INDEX]);

/** Whether its node should have ended it long ago and has not said so. */
function isLost({ metadata }: PodObject, serverTime: number): boolean {
  return serverTime - Date.parse(metadata.deletionTimestamp ?? "") > LOST_MS; // false where it was not to end
}

/** Whether it is the Job that is not there, said by the API server itself and not by something on the way to it. */
function isMissing({ status, body }: Answer): boolean {
  return status === 404 && /"reason":"NotFound"/.test(JSON.stringify(body));
}

/** Pods that are looked at for words. A server that answers from memory may give more. */
const MOST_PODS = 500;

const KUEUE_VERSIONS = ["v1beta2", "v1beta1"];

/** A list that only helps with words: nothing where it is not allowed, or not there. */
async function list(
  cluster: Cluster,
  resource: string,
  path: string,
  query: Record<string, string>,
  common: { readonly signal: AbortSignal | undefined; readonly tries: number },
): Promise<unknown> {
  const answer = await cluster.ask({ verb: "list", resource, path, query, ...common });
  return isDone(answer) ? answer.body : undefined;
}

/** Of each index the newest pod: what an index's earlier ones had to say is past once the next one runs. */
function latestOf(pods: readonly PodObject[]): PodObject[] {
  const latest = new Map<string, PodObject>();
  for (const pod of pods) {
    const index = pod.metadata.annotations[INDEX] ?? pod.metadata.name;
    const before = latest.get(index);
    if (
      before === undefined ||
      (before.metadata.creationTimestamp ?? "") < (pod.metadata.creationTimestamp ?? "")
    )
      latest.set(index, pod);
  }
  return [...latest.values()];
}

/** Rings at every change that the cluster tells of, for as long as the signal lets it. Never rejects. */
async function watchJob(
  cluster: Cluster,
  name: string,
  ring: () => void,
  signal: AbortSignal,
  pauseMs: number,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const changes = cluster.watch(
        {
          resource: "jobs",
          path: pathOf("jobs", cluster.namespace),
          // Without a version it begins with what is there: nothing to remember, nothing that can be too old.
          query: { fieldSelector: `metadata.name=${name}` },
          signal,
        },
        WATCH_SECONDS,
      );
      for await (const change of changes) if (!isBookmark(change)) ring();
    } catch {
      // The next question finds out what is the matter, and says it.
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

function isBookmark(change: unknown): boolean {
  return typeof change === "object" && change !== null && Reflect.get(change, "type") === "BOOKMARK";
}

/** Something to wait for that may have happened before. */
function createBell() {
  let hasRung = false;
  let wake = () => {};
  return {
    ring() {
      hasRung = true;
      wake();
    },
    async wait(ms: number, signal: AbortSignal): Promise<void> {
      if (!hasRung) {
        const early = new AbortController();
        wake = () => early.abort();
        await sleep(ms, undefined, { signal: AbortSignal.any([signal, early.signal]) }).catch(
          () => undefined,
        );
      }
      hasRung = false;
      signal.throwIfAborted();
    },
  };
}
