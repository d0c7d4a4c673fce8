// `cluster jobs|logs`: what this computer has on the cluster, and what pods said, in sentences.
//
// Owns: how a worker's log reads. Must never: show words of a pod that a terminal would obey.
import {
  type Cluster,
  findJobs,
  type JobFacts,
  type LogLine,
  listInstalled,
  lookAtJob,
  type PodLog,
  readPodLogs,
  type Words,
} from "../../../app/cluster/index.ts";
import { type Config, loadConfig } from "../../../app/kernel/index.ts";
import { clusterOf, installId } from "../cluster.ts";
import { EXIT } from "../exit.ts";
import { duration, type Output, printable } from "../output.ts";

/** Sentences of each pod, and lines that they are made of: a photo's line is short, and many become one sentence. */
const SENTENCES = 20;
const LINES = 400;
/** All that `--pod` may show. */
const ALL_LINES = 100_000;
const MOST_PODS = 20;

/** @throws AutochromeError "usage", "cluster-…" */
export function clusterJobs(output: Output): Promise<number> {
  return withCluster(async (cluster, config) => {
    const jobs = await listInstalled(cluster, await installId());
    for (const job of jobs) {
      // One that ended well has nothing to say.
      const words = job.state === "complete" ? [] : await wordsOf(cluster, job, config);
      const { name, batch, attempt, state, completed, failed, total, active, createdAt } = job;
      output.line({
        ...{ job: name, batch, attempt, state, parts: total, done: completed.length, failed: failed.length },
        ...{ pods: active, createdAt, words: words.map(({ message, next }) => ({ message, next })) },
      });
      output.result(sentenceOf(job));
      for (const { message, next } of words) output.result(`    ${printable(message)} ${printable(next)}`);
    }
    const { context, namespace } = cluster;
    output.summary(
      { jobs: jobs.length, context, namespace },
      jobs.length === 0
        ? `This computer has no Jobs in the namespace ${namespace}. Jobs of batches that are over are removed.`
        : `${count(jobs.length, "Job")} in the namespace ${namespace}. What pods said: autochrome cluster logs BATCH`,
    );
    return EXIT.ok;
  });
}

async function wordsOf(cluster: Cluster, { name }: JobFacts, config: Config): Promise<readonly Words[]> {
  return (await lookAtJob(cluster, name, { gpu: config.clusterGpu })).words;
}

function sentenceOf({
  batch,
  attempt,
  state,
  completed,
  failed,
  total,
  active,
  createdAt,
}: JobFacts): string {
  const bad = failed.length === 0 ? "" : `, ${failed.length} failed`;
  const pods = active === 0 ? "" : `, ${count(active, "pod")}`;
  const age = duration(Math.max(0, Date.now() - Date.parse(createdAt))); // the clocks may differ
  return `${printable(batch)}  attempt ${attempt}, ${state}: ${completed.length} of ${count(total, "part")} done${bad}${pods} (made ${age} ago)`;
}

/** @throws AutochromeError "usage", "cluster-…" */
export function clusterLogs(
  batch: string,
  flags: { readonly pod?: string },
  output: Output,
): Promise<number> {
  return withCluster(async (cluster, config) => {
    const isAll = flags.pod !== undefined;
    const { logs, more } = await readPodLogs(cluster, batch, {
      ...{ pod: flags.pod, most: MOST_PODS, gpu: config.clusterGpu },
      lines: isAll ? ALL_LINES : LINES,
    });
    for (const log of logs) showLog(log, isAll, output);
    const summary = { batch, pods: logs.length, more };
    if (logs.length === 0) {
      output.summary(summary, await whyNone(cluster, batch, flags.pod));
      return EXIT.failed;
    }
    const others = more ? " There are more pods; `--pod NAME` shows one of them." : "";
    const all = isAll ? "" : " All that a pod said: --pod NAME";
    output.summary(summary, `${count(logs.length, "pod")}.${others}${all}`);
    return EXIT.ok;
  });
}

function showLog({ pod, attempt, index, phase, node, lines, words }: PodLog, isAll: boolean, output: Output) {
  const part = index === undefined ? "" : `part ${index + 1} of attempt ${attempt}, `;
  output.result(`${printable(pod)}: ${part}${phase.toLowerCase()}${node === undefined ? "" : ` on ${node}`}`);
  const all = sentencesOf(lines);
  const said = isAll ? all : all.slice(-SENTENCES);
  const about = { pod, attempt, ...(index === undefined ? {} : { part: index + 1 }), state: phase };
  for (const { time, text, next } of said) {
    output.line({ ...about, time, text, ...(next === undefined ? {} : { next }) });
    output.result(`  ${localTime(time)}  ${printable(text)}`);
    if (next !== undefined) output.result(`                       ${printable(next)}`);
  }
  if (words === undefined) return;
  output.line({ ...about, text: words.message, next: words.next });
  output.result(`  ${printable(words.message)} ${printable(words.next)}`);
}

/** What a worker's line, or several about its photos, say to a person. */
export interface Sentence {
  /** ISO time of the last line that it is made of. */
  readonly time: string;
  readonly text: string;
  /** What to do, where there is something. */
  readonly next?: string;
}

/** Photos that went well become one sentence until something else is said. */
export function sentencesOf(lines: readonly LogLine[]): Sentence[] {
  const sentences: Sentence[] = [];
  let photos = { done: 0, failed: 0, time: "" };
  const flush = () => {
    const { done, failed, time } = photos;
    const bad = failed === 0 ? "" : `${done > 0 ? ", " : ""}${count(failed, "photo")} failed`;
    if (done + failed > 0)
      sentences.push({ time, text: `${done > 0 ? `${count(done, "photo")} done` : ""}${bad}.` });
    photos = { done: 0, failed: 0, time: "" };
  };
  for (const line of lines) {
    const { time, message, facts } = line;
    const error = errorIn(facts);
    if (message === "photo over" && error === undefined) {
      const isDone = facts.status === "done";
      photos = { done: photos.done + (isDone ? 1 : 0), failed: photos.failed + (isDone ? 0 : 1), time };
      continue;
    }
    flush();
    const last = sentences.at(-1);
    // The worker's last words repeat its error for whoever reads no logs.
    if (last?.next !== undefined && message === `${last.text} ${last.next}`) continue;
    if (error === undefined) sentences.push({ time, text: plain(line) });
    else {
      const text = message === "photo over" ? `A photo failed: ${error.message}` : error.message;
      sentences.push({ time, text, next: error.next });
    }
  }
  flush();
  return sentences;
}

/** Lines that the worker writes; others are shown as they are. */
function plain({ message, facts }: LogLine): string {
  const number = (name: string) => (typeof facts[name] === "number" ? facts[name] : 0);
  switch (message) {
    case "chunk begins": {
      const failures = number("failures");
      const again =
        failures === 0 ? "" : `; earlier pods failed ${failures === 1 ? "once" : `${failures} times`}`;
      return `Begins with ${count(number("photos"), "photo")}${again}.`;
    }
    case "chunk done": {
      const bad = number("failed") === 0 ? "" : `, ${number("failed")} failed`;
      const there = number("there") === 0 ? "" : `, ${number("there")} were over before`;
      return `Its part is done: ${count(number("done"), "photo")} coloured${bad}${there}.`;
    }
    case "stopped before the end; what has a record stays":
      return "Was stopped before the end; finished photos stay, the others are done again.";
    default:
      return message;
  }
}

function errorIn(facts: LogLine["facts"]): { readonly message: string; readonly next: string } | undefined {
  const { error } = facts;
  if (typeof error !== "object" || error === null) return undefined;
  const [message, next] = [Reflect.get(error, "message"), Reflect.get(error, "next")];
  return typeof message === "string" && typeof next === "string" ? { message, next } : undefined;
}

/** What to do where nobody can be asked any more. */
async function whyNone(cluster: Cluster, batch: string, pod: string | undefined): Promise<string> {
  const jobs = await findJobs(cluster, batch);
  const other = pod === undefined ? "" : "Without --pod all pods are looked at. ";
  if (jobs.length > 0 && pod !== undefined) return `The batch has no pod ${pod} (any more). ${other}`.trim();
  if (jobs.some(({ state }) => state !== "complete" && state !== "failed"))
    return "The batch's Job is on the cluster and has no pods now. `autochrome cluster jobs` says what it waits for.";
  return (
    "No pod of this batch is on the cluster any more, and their logs went with them: they are removed when the batch is over, " +
    `or some days after they ended. ${other}What became of each photo: \`autochrome batch show ${batch}\`. A cluster that ` +
    `keeps logs elsewhere has them under the label autochrome.io/batch=${batch}.`
  );
}

async function withCluster(work: (cluster: Cluster, config: Config) => Promise<number>): Promise<number> {
  const config = loadConfig();
  const cluster = await clusterOf(config, 3); // somebody waits for the answer
  try {
    return await work(cluster, config);
  } finally {
    await cluster.close();
  }
}

const count = (number: number, thing: string) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** "2026-11-24 16:39:15" by this computer's clock and zone. */
function localTime(iso: string): string {
  return new Date(iso).toLocaleString("sv");
}
