// What the pods of a batch said: the ends of their logs, line by line.
//
// Owns: which pods are asked, how much each may answer, and the form of a line. A pod that cannot be read says why in words,
// and the others are read all the same.
// Must never: know what a line tells (that is the worker's and its readers'), or ask more than a reader can read.
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import type { Cluster } from "./connect.ts";
import { explainPod } from "./explain.ts";
import { APP, APP_LABEL, CONTAINER, LABELS, labelValue } from "./job-spec.ts";
import { isDone } from "./jobs.ts";
import { itemsOf, type PodObject, pathOf, podSchema } from "./objects.ts";
import { refusal, trouble, type Words, waiting } from "./refusals.ts";

/** A line of a log. */
export interface LogLine {
  /** ISO time, by the node's clock. */
  readonly time: string;
  readonly message: string;
  /** What the worker wrote with it; nothing for words that are not the worker's own form. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface PodLog {
  readonly pod: string;
  readonly attempt: number;
  /** The Job's index that it works on. */
  readonly index: number | undefined;
  /** "Pending", "Running", "Succeeded" or "Failed". */
  readonly phase: string;
  readonly node: string | undefined;
  /** Oldest first. */
  readonly lines: readonly LogLine[];
  /** What the cluster says of it, or why its log cannot be read; undefined where all is well. */
  readonly words: Words | undefined;
}

export interface PodLogOptions {
  /** Only this pod. */
  readonly pod?: string | undefined;
  /** Lines of each pod, counted from the end. */
  readonly lines: number;
  /** Pods, at most: those that are not done well come first, then the newest. */
  readonly most: number;
  /** Name of the resource that GPUs are asked for by, for the words. */
  readonly gpu?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A log with lines of any length does not fill the memory. */
const MOST_BYTES = 16 * 2 ** 20;
/** Pods that are looked at to choose from. */
const MOST_LISTED = 500;

/**
 * Reads what pods of a batch said, in the order of attempts and indexes. Needs the rights to list pods and to get pods/log.
 * @returns none where there are no pods, or no pod of that name; `more`: whether there are others
 * @throws AutochromeError "cluster-forbidden", "cluster-refused", "cluster-unreachable", "cluster-sign-in"
 */
export async function readPodLogs(
  cluster: Cluster,
  batch: string,
  options: PodLogOptions,
): Promise<{ readonly logs: readonly PodLog[]; readonly more: boolean }> {
  const { pods, more } = await choosePods(cluster, batch, options);
  const logs: PodLog[] = [];
  for (const pod of pods) logs.push(await readPod(cluster, pod, options));
  return { logs, more };
}

async function choosePods(cluster: Cluster, batch: string, { pod, most, signal }: PodLogOptions) {
  const found = new Map<string, PodObject>();
  let isCut = false;
  const list = async (fields: string, limit: number) => {
    const answer = await cluster.ask({
      ...{ verb: "list", resource: "pods", path: pathOf("pods", cluster.namespace), signal },
      query: {
        labelSelector: `${APP_LABEL}=${APP},${LABELS.batch}=${labelValue(batch)}`,
        ...{ fieldSelector: fields, limit: String(limit) },
      },
    });
    if (!isDone(answer)) throw refusal(answer, "look at the pods", cluster.namespace);
    for (const one of itemsOf(podSchema, answer.body)) found.set(one.metadata.name, one);
    isCut ||= pageSchema.safeParse(answer.body).data?.metadata.continue !== undefined;
  };
  if (pod !== undefined) {
    await list(`metadata.name=${pod}`, 1);
    return { pods: [...found.values()].filter(({ metadata }) => metadata.name === pod), more: false };
  }
  await list("status.phase!=Succeeded", MOST_LISTED);
  if (found.size < most) await list("status.phase=Succeeded", MOST_LISTED);
  const madeAt = ({ metadata }: PodObject) => metadata.creationTimestamp ?? "";
  const chosen = [...found.values()].sort(
    (one, other) =>
      rankOf(one) - rankOf(other) || (madeAt(one) < madeAt(other) ? 1 : madeAt(one) > madeAt(other) ? -1 : 0),
  );
  return {
    pods: chosen.slice(0, most).sort((one, other) => placeOf(one) - placeOf(other)),
    more: isCut || chosen.length > most,
  };
}

const pageSchema = z.object({ metadata: z.object({ continue: z.string().min(1) }) });

const rankOf = ({ status }: PodObject) =>
  status.phase === "Failed" ? 0 : status.phase === "Succeeded" ? 2 : 1;
const attemptOf = ({ metadata }: PodObject) => Number(metadata.labels[LABELS.attempt] ?? 0);

function indexOf({ metadata }: PodObject): number | undefined {
  const index = metadata.annotations["batch.kubernetes.io/job-completion-index"];
  return index === undefined ? undefined : Number(index);
}

/** Attempts have fewer than a million indexes. */
const placeOf = (pod: PodObject) => attemptOf(pod) * 1_000_000 + (indexOf(pod) ?? 0);

async function readPod(cluster: Cluster, pod: PodObject, options: PodLogOptions): Promise<PodLog> {
  const { metadata, status, spec } = pod;
  const log = {
    ...{ pod: metadata.name, attempt: attemptOf(pod), index: indexOf(pod), phase: status.phase },
    ...{ node: spec.nodeName, lines: [], words: explainPod(pod, options.gpu) },
  };
  try {
    const answer = await cluster.ask({
      ...{ verb: "get", resource: "pods/log", signal: options.signal, tries: 2 },
      path: `${pathOf("pods", cluster.namespace, metadata.name)}/log`,
      query: {
        container: CONTAINER,
        tailLines: String(options.lines),
        limitBytes: String(MOST_BYTES),
        timestamps: "true", // for words that bring none of their own
      },
    });
    if (isDone(answer)) return { ...log, lines: typeof answer.body === "string" ? linesOf(answer.body) : [] };
    if (answer.status === 403) throw refusal(answer, "read what pods say", cluster.namespace);
    return { ...log, words: log.words ?? (answer.status === 404 ? GONE : SILENT) };
  } catch (thrown) {
    // The way to a pod's log leads over its node, and the API server answers with an error where that is away.
    const isAway = thrown instanceof AutochromeError && thrown.code === "cluster-unreachable";
    if (!isAway) throw thrown;
    return {
      ...log,
      words: log.words ?? trouble(AWAY[0], `${AWAY[1]} (${thrown.detail ?? thrown.message})`),
    };
  }
}

const SILENT = waiting("This pod has said nothing yet.", "Wait until it runs.");
const GONE = waiting("This pod was removed just now.", "Look again: another one may have taken its place.");
const AWAY = [
  "This pod's log cannot be read: its node does not answer.",
  "Wait: its photos are done on another node if it does not come back.",
] as const;

const ownSchema = z.looseObject({ msg: z.string(), time: z.iso.datetime().optional() });

/** Lines with the node's time before each. */
function linesOf(text: string): LogLine[] {
  return text.split("\n").flatMap((line) => {
    const [, stamp, rest = ""] = /^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) ?(.*)$/.exec(line) ?? [];
    if (stamp === undefined || rest.trim() === "") return [];
    const own = ownSchema.safeParse(jsonOr(rest));
    if (!own.success) return { time: stamp, message: rest.trimEnd(), facts: {} };
    const { msg, time = stamp, ...facts } = own.data;
    return { time, message: msg, facts };
  });
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
