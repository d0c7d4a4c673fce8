// Jobs on the cluster: started once, found again, ended, cleaned up.
//
// Owns: the calls that change something. Each may be repeated at any time, after a crash too, with the same outcome.
// Must never: tell from a Job whether a photo is done; the store knows that.
import { setTimeout as sleep } from "node:timers/promises";
import { AutochromeError } from "../../kernel/index.ts";
import type { Answer, Cluster } from "./connect.ts";
import {
  APP,
  APP_LABEL,
  jobFor,
  jobName,
  LABELS,
  labelValue,
  SPEC_ANNOTATION,
  type Submission,
  secretFor,
} from "./job-spec.ts";
import { indexesOf, itemsOf, type JobObject, jobSchema, pathOf, podSchema } from "./objects.ts";
import { refusal } from "./refusals.ts";

/** As long as pods have to stop in, and something. */
const LONGEST_STOP_MS = 60_000;
const STOP_LOOK_MS = 500;

const OVER: ReadonlySet<string> = new Set(["Succeeded", "Failed"]);

type Signal = { readonly signal?: AbortSignal | undefined };

export type JobState = "queued" | "suspended" | "running" | "complete" | "failed";

/** A Job as it is on the cluster. */
export interface JobFacts {
  readonly name: string;
  readonly uid: string;
  /** As in its label. */
  readonly batch: string;
  readonly attempt: number;
  readonly state: JobState;
  /** Indexes that ended well, as the Job has counted so far. */
  readonly completed: readonly number[];
  readonly failed: readonly number[];
  /** Indexes in all. */
  readonly total: number;
  /** Pods that wait or run. */
  readonly active: number;
  /** ISO time, by the server's clock. */
  readonly createdAt: string;
  /** Kueue's queue that it belongs to. */
  readonly queue: string | undefined;
}

/**
 * Starts a submission. Where it was started before, nothing is started and what is there is given back.
 * @param store content of the Secret: what the worker gets as AUTOCHROME_STORE
 * @throws AutochromeError "cluster-refused", "cluster-forbidden", "cluster-unreachable", "cluster-sign-in"
 */
export async function submitJob(
  cluster: Cluster,
  submission: Submission,
  store: string,
  { signal }: Signal = {},
): Promise<JobFacts & { readonly created: boolean }> {
  const job = jobFor(submission, await cluster.version(signal));
  const name = jobName(submission);
  const answer = await cluster.ask({
    verb: "create",
    resource: "jobs",
    path: pathOf("jobs", cluster.namespace),
    query: { fieldValidation: "Strict" }, // a field that a server does not know would be dropped without a word
    body: job,
    signal,
  });
  const created = isDone(answer);
  const found = created
    ? parsed(answer.body)
    : await existing(cluster, answer, name, job.metadata?.annotations?.[SPEC_ANNOTATION], signal);
  // The Job first: its Secret belongs to it from the beginning, so nothing is left behind whatever happens. Until it is
  // there pods wait.
  const secret = await putSecret(cluster, submission, found.metadata.uid, store, signal);
  if (!isDone(secret)) {
    if (created) await cancelJob(cluster, name, { signal }).catch(() => false); // its pods would wait for ever
    throw refusal(secret, "give the pods their key to the storage", cluster.namespace);
  }
  return { ...factsOf(found), created };
}

/**
 * Gives a Job that goes on its Secret anew: whoever started it may have been stopped in between, and its pods wait.
 * @returns false where there is no such Job any more, or nothing more comes of it
 */
export async function renewKey(
  cluster: Cluster,
  submission: Pick<Submission, "install" | "batch" | "attempt">,
  store: string,
  { signal }: Signal = {},
): Promise<boolean> {
  const path = pathOf("jobs", cluster.namespace, jobName(submission));
  const present = await cluster.ask({ verb: "get", resource: "jobs", path, signal });
  if (present.status === 404) return false;
  if (!isDone(present)) throw refusal(present, "find the Job", cluster.namespace);
  const job = parsed(present.body);
  if (["complete", "failed"].includes(factsOf(job).state)) return false;
  const secret = await putSecret(cluster, submission, job.metadata.uid, store, signal);
  if (!isDone(secret)) throw refusal(secret, "give the pods their key to the storage", cluster.namespace);
  return true;
}

/** The Jobs of a batch, by attempt. */
export async function findJobs(
  cluster: Cluster,
  batch: string,
  { signal }: Signal = {},
): Promise<JobFacts[]> {
  const { jobs } = await listJobs(
    cluster,
    `${APP_LABEL}=${APP},${LABELS.batch}=${labelValue(batch)}`,
    signal,
  );
  return jobs.map(factsOf).sort((one, other) => one.attempt - other.attempt);
}

/** All Jobs that an installation has on the cluster, oldest first. */
export async function listInstalled(
  cluster: Cluster,
  install: string,
  { signal }: Signal = {},
): Promise<JobFacts[]> {
  const { jobs } = await listJobs(cluster, installSelector(install), signal);
  return jobs
    .map(factsOf)
    .sort(
      (one, other) => Date.parse(one.createdAt) - Date.parse(other.createdAt) || one.attempt - other.attempt,
    );
}

/**
 * Ends a Job and its pods, and removes both. Pods have their grace period to stop in.
 * @returns false where there was none
 */
export async function cancelJob(cluster: Cluster, name: string, { signal }: Signal = {}): Promise<boolean> {
  const answer = await cluster.ask({
    verb: "delete",
    resource: "jobs",
    path: pathOf("jobs", cluster.namespace, name),
    query: { propagationPolicy: "Background" }, // by default Jobs leave their pods running
    signal,
  });
  if (answer.status === 404 && !isNamespaceMissing(answer)) return false;
  if (!isDone(answer)) throw refusal(answer, "cancel the Job", cluster.namespace);
  return true;
}

/**
 * Waits until no pod of a batch runs any more. Not for ever: one whose node went away never says so, and who may not see pods
 * is not held up.
 */
export async function untilStopped(cluster: Cluster, batch: string, { signal }: Signal = {}): Promise<void> {
  for (const end = Date.now() + LONGEST_STOP_MS; ; await sleep(STOP_LOOK_MS, undefined, { signal })) {
    const answer = await cluster.ask({
      verb: "list",
      resource: "pods",
      path: pathOf("pods", cluster.namespace),
      query: {
        labelSelector: `${APP_LABEL}=${APP},${LABELS.batch}=${labelValue(batch)}`,
        fieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
        limit: "1",
      },
      signal,
    });
    const running = itemsOf(podSchema, answer.body).filter(({ status: { phase } }) => !OVER.has(phase));
    if (!isDone(answer) || running.length === 0 || Date.now() > end) return;
  }
}

/**
 * Removes Jobs of this installation that nobody needs any more.
 * @param olderThanMs by the server's clock
 * @param isNeeded whether a batch of that name (as in its label) still wants the Job
 * @returns names of what was removed
 */
export async function deleteOrphans(
  cluster: Cluster,
  install: string,
  {
    olderThanMs,
    isNeeded,
    signal,
  }: Signal & {
    readonly olderThanMs: number;
    readonly isNeeded: (batch: string, attempt: number) => boolean;
  },
): Promise<string[]> {
  const { jobs, serverTime } = await listJobs(cluster, installSelector(install), signal);
  const removed: string[] = [];
  for (const { metadata } of jobs) {
    const age = serverTime - Date.parse(metadata.creationTimestamp ?? "");
    const isOld = age > olderThanMs; // false for a time that cannot be read
    if (!isOld || isNeeded(metadata.labels[LABELS.batch] ?? "", attemptOf(metadata.labels))) continue;
    if (await cancelJob(cluster, metadata.name, { signal })) removed.push(metadata.name);
  }
  return removed;
}

/**
 * Pauses a Job (its pods stop, unfinished indexes are done again later) or lets it go on.
 * @throws AutochromeError "not-found"; "cluster-refused" for a Job in a queue of Kueue's, which decides that itself
 */
export async function suspendJob(
  cluster: Cluster,
  name: string,
  suspend: boolean,
  { signal }: Signal = {},
): Promise<void> {
  const path = pathOf("jobs", cluster.namespace, name);
  const present = await cluster.ask({ verb: "get", resource: "jobs", path, signal });
  if (!isDone(present)) throw refusal(present, "find the Job", cluster.namespace);
  if (parsed(present.body).metadata.labels[LABELS.queue] !== undefined)
    throw new AutochromeError(
      "cluster-refused",
      "A Job in a queue cannot be paused: Kueue decides when it runs.",
      "Cancel it instead; what is finished stays, and the rest is done when the batch is started again.",
    );
  const answer = await cluster.ask({
    verb: "patch",
    resource: "jobs",
    path,
    body: { spec: { suspend } },
    signal,
  });
  if (!isDone(answer))
    throw refusal(answer, suspend ? "pause the Job" : "go on with the Job", cluster.namespace);
}

/** What a Job object says. */
export function factsOf({ metadata, spec, status }: JobObject): JobFacts {
  return {
    name: metadata.name,
    uid: metadata.uid,
    batch: metadata.labels[LABELS.batch] ?? "",
    attempt: attemptOf(metadata.labels),
    state: stateOf({ metadata, spec, status }),
    completed: indexesOf(status.completedIndexes),
    failed: indexesOf(status.failedIndexes),
    total: spec.completions,
    active: status.active,
    createdAt: metadata.creationTimestamp ?? "",
    queue: metadata.labels[LABELS.queue],
  };
}

function stateOf({ metadata, spec, status }: JobObject): JobState {
  const is = (type: string) => status.conditions.some((one) => one.type === type && one.status === "True");
  if (is("Complete")) return "complete";
  if (is("Failed")) return "failed";
  if (spec.suspend) return metadata.labels[LABELS.queue] === undefined ? "suspended" : "queued";
  return status.ready > 0 || status.completedIndexes !== "" || status.failedIndexes !== ""
    ? "running"
    : "queued";
}

/** The Job that has our name already: ours from before, or something else. */
async function existing(
  cluster: Cluster,
  answer: Answer,
  name: string,
  digest: string | undefined,
  signal: AbortSignal | undefined,
): Promise<JobObject> {
  const doing = "start the Job";
  if (!isThereAlready(answer)) throw refusal(answer, doing, cluster.namespace);
  const present = await cluster.ask({
    verb: "get",
    resource: "jobs",
    path: pathOf("jobs", cluster.namespace, name),
    signal,
  });
  if (!isDone(present)) throw refusal(present, doing, cluster.namespace);
  const job = parsed(present.body);
  if (job.metadata.deletionTimestamp !== undefined || job.metadata.annotations[SPEC_ANNOTATION] !== digest)
    throw new AutochromeError(
      "cluster-refused",
      job.metadata.deletionTimestamp === undefined
        ? `A Job ${name} is on the cluster already, with other content.`
        : `The Job ${name} is being deleted.`,
      "Start the batch again: it will get another name.",
    );
  return job;
}

/** Makes the Secret, or gives the one from an earlier call the new content and this Job as its owner. */
async function putSecret(
  cluster: Cluster,
  submission: Parameters<typeof secretFor>[0],
  jobUid: string,
  store: string,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const secret = secretFor(submission, jobUid, store);
  const path = pathOf("secrets", cluster.namespace);
  const query = { fieldValidation: "Strict" };
  const ask = { resource: "secrets", query, body: secret, signal } as const;
  for (let attempt = 1; ; attempt++) {
    const made = await cluster.ask({ verb: "create", path, ...ask });
    if (!isThereAlready(made)) return made;
    const changed = await cluster.ask({ verb: "patch", path: `${path}/${jobName(submission)}`, ...ask });
    // Gone meanwhile: it was an earlier Job's.
    if (changed.status !== 404 || attempt === 3) return changed;
  }
}

const installSelector = (install: string) => `${APP_LABEL}=${APP},${LABELS.install}=${labelValue(install)}`;

async function listJobs(cluster: Cluster, labelSelector: string, signal: AbortSignal | undefined) {
  const answer = await cluster.ask({
    verb: "list",
    resource: "jobs",
    path: pathOf("jobs", cluster.namespace),
    query: { labelSelector },
    signal,
  });
  if (!isDone(answer)) throw refusal(answer, "list Jobs", cluster.namespace);
  return { jobs: itemsOf(jobSchema, answer.body), serverTime: answer.serverTime };
}

export function isDone({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function isThereAlready({ status, body }: Answer): boolean {
  return status === 409 && reasonOf(body) === "AlreadyExists";
}

function isNamespaceMissing({ body }: Answer): boolean {
  return (
    typeof body === "object" &&
    body !== null &&
    /^namespaces /.test(String(Reflect.get(body, "message") ?? ""))
  );
}

function reasonOf(body: unknown): unknown {
  return typeof body === "object" && body !== null ? Reflect.get(body, "reason") : undefined;
}

function parsed(body: unknown): JobObject {
  const job = jobSchema.safeParse(body);
  if (job.success) return job.data;
  throw new AutochromeError(
    "cluster-refused",
    "The cluster answered with something that is no Job.",
    "Check the server's address in the kubeconfig.",
    { cause: job.error },
  );
}

function attemptOf(labels: Readonly<Record<string, string>>): number {
  return Number(labels[LABELS.attempt] ?? 0);
}
