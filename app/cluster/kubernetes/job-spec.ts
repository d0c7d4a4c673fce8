// The Job that a submission becomes: one Indexed Job, a chunk of photos per index.
//
// Owns: its form, names, labels, exit codes. A pure function of what it is given.
// Must never: ask the cluster, or put anything secret, a path or a person's name into a Job.
import { createHash } from "node:crypto";
import type {
  V1Affinity,
  V1Job,
  V1PodFailurePolicyRule,
  V1PodSpec,
  V1Toleration,
} from "@kubernetes/client-node";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import type { ServerVersion } from "./connect.ts";

/** What the worker's exit codes mean to the Job; any other one counts as a failure of the index, which is tried again. */
export const WORKER_EXIT = {
  /** The chunk is done, photos that cannot be coloured included. Never after SIGTERM unless it is really done. */
  done: 0,
  /** The chunk cannot be worked on however often it is tried: its index fails, the others go on. */
  badInput: 42,
  /** Nothing can work: wrong model, no GPU, no manifest. The whole Job fails. */
  setUp: 43,
  /** The storage does not let the pod do its work. Tried again, and no photo is to blame. */
  storage: 44,
  /** Stopped before the end. */
  stopped: 143,
} as const;

export const LABELS = {
  install: "autochrome.io/install",
  batch: "autochrome.io/batch",
  attempt: "autochrome.io/attempt",
  queue: "kueue.x-k8s.io/queue-name",
} as const;
/** sha256 of what was submitted, to know it again. */
export const SPEC_ANNOTATION = "autochrome.io/spec";
/** What pods are selected by. */
export const APP_LABEL = "app.kubernetes.io/name";
export const APP = "autochrome";
/** The one container of a pod that is ours. */
export const CONTAINER = "worker";
/** Key in the Secret. */
export const STORE_KEY = "store";

/** The oldest Kubernetes whose Jobs do what we need (backoffLimitPerIndex is on from there). */
export const OLDEST = { major: 1, minor: 29 } as const;
/** Pods are called after the Job with "-<index>" added, and host names end at 63. */
const LONGEST_NAME = 52;
const MOST_INDEXES = 100_000;

const quantity = z.string().regex(/^\d+(\.\d+)?([EPTGMk]i?|m)?$/, "not an amount as Kubernetes writes it");
const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

export const submissionSchema = z.strictObject({
  /** Id of this installation: two laptops do not take each other's work for theirs. */
  install: z.string().min(1),
  batch: z.string().min(1),
  /** 1, 2, … */
  attempt: z.int().min(1),
  /** Key of the manifest in the store. */
  manifest: z.string().min(1),
  image: z.string().min(1),
  /** Indexes: chunks of photos. */
  chunks: z.int().min(1).max(MOST_INDEXES),
  /** Pods at once. */
  parallelism: z.int().min(1).max(10_000),
  /** How often a chunk is tried again. */
  retries: z.int().min(0).max(100).default(3),
  /** So many chunks may fail before the rest is given up; unset: all are tried. */
  maxFailedChunks: z.int().min(0).max(MOST_INDEXES).optional(),
  /** Longest time for one chunk, in seconds, from when its pod is on a node. */
  chunkSeconds: z
    .int()
    .min(60)
    .default(4 * 3600),
  /** Longest time for all, in seconds, waiting included: the laptop may never come back. */
  totalSeconds: z
    .int()
    .min(60)
    .default(3 * 86_400),
  /** The finished Job is there so long, in seconds. */
  keepSeconds: z
    .int()
    .min(0)
    .default(2 * 86_400),
  /** Time to stop in, in seconds. */
  graceSeconds: z.int().min(5).max(600).default(45),
  cpu: z.strictObject({ request: quantity, limit: quantity }).prefault({ request: "2", limit: "4" }),
  memory: z.strictObject({ request: quantity, limit: quantity }).prefault({ request: "4Gi", limit: "8Gi" }),
  /** Largest size of the temporary files and of the cache, each. */
  scratch: quantity.default("10Gi"),
  /** Name of the resource that one GPU is asked for by; unset: CPUs only. */
  gpu: z.string().min(1).optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
  /** Besides the one that GPU nodes usually want. */
  tolerations: z.array(z.custom<V1Toleration>(isObject)).default([]),
  affinity: z.custom<V1Affinity>(isObject).optional(),
  runtimeClass: z.string().min(1).optional(),
  priorityClass: z.string().min(1).optional(),
  serviceAccount: z.string().min(1).optional(),
  /** LocalQueue of Kueue. */
  queue: z.string().min(1).optional(),
  imagePullSecrets: z.array(z.string().min(1)).default([]),
  /** Further environment of the worker; not for secrets. */
  environment: z.record(z.string(), z.string()).default({}),
});
export type Submission = z.infer<typeof submissionSchema>;
/** As it is written, defaults left out. */
export type SubmissionInput = z.input<typeof submissionSchema>;

/**
 * The Job of a submission.
 * @throws AutochromeError "cluster-refused" for a server that is too old
 */
export function jobFor(submission: Submission, version: ServerVersion): V1Job {
  assertNewEnough(version);
  const labels = labelsFor(submission);
  const job: V1Job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(submission),
      labels: { ...labels, ...(submission.queue === undefined ? {} : { [LABELS.queue]: submission.queue }) },
    },
    spec: {
      completionMode: "Indexed",
      completions: submission.chunks,
      parallelism: Math.min(submission.parallelism, submission.chunks),
      backoffLimitPerIndex: submission.retries,
      ...(submission.maxFailedChunks === undefined
        ? {}
        : { maxFailedIndexes: Math.min(submission.maxFailedChunks, submission.chunks) }),
      podFailurePolicy: { rules: FAILURE_RULES },
      activeDeadlineSeconds: submission.totalSeconds,
      ttlSecondsAfterFinished: submission.keepSeconds,
      template: { metadata: { labels }, spec: podFor(submission) },
    },
  };
  return {
    ...job,
    metadata: { ...job.metadata, annotations: { [SPEC_ANNOTATION]: digestOf(job) } },
  };
}

/** @throws AutochromeError "cluster-refused" */
export function assertNewEnough({ major, minor, words }: ServerVersion): void {
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return;
  throw new AutochromeError(
    "cluster-refused",
    `The cluster runs Kubernetes ${words}, which is too old.`,
    `Use a cluster with Kubernetes ${OLDEST.major}.${OLDEST.minor} or newer.`,
  );
}

/** "autochrome-<batch>-<attempt>": the same submission has the same name, and different ones have different names. */
export function jobName({ batch, attempt }: Pick<Submission, "batch" | "attempt">): string {
  const end = `-${attempt}`;
  return `${APP}-${wordOf(batch, LONGEST_NAME - APP.length - 1 - end.length)}${end}`;
}

/** A value for a label: itself where Kubernetes takes it, otherwise something like it that is no other's. */
export function labelValue(text: string): string {
  return /^[a-zA-Z0-9]([\w.-]{0,61}[a-zA-Z0-9])?$/.test(text) ? text : wordOf(text, 63);
}

export function labelsFor({
  install,
  batch,
  attempt,
}: Pick<Submission, "install" | "batch" | "attempt">): Record<string, string> {
  return {
    [APP_LABEL]: APP,
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/managed-by": APP,
    [LABELS.install]: labelValue(install),
    [LABELS.batch]: labelValue(batch),
    [LABELS.attempt]: String(attempt),
  };
}

/** The Secret that the pods read the way to the store from. Owned by the Job: it goes when the Job goes. */
export function secretFor(
  submission: Pick<Submission, "install" | "batch" | "attempt">,
  jobUid: string,
  store: string,
): object {
  const name = jobName(submission);
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "Opaque",
    metadata: {
      name,
      labels: labelsFor(submission),
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid: jobUid }],
    },
    stringData: { [STORE_KEY]: store },
  };
}

/**
 * Cuts `count` photos into chunks of `perChunk`, larger where there would be more than `maxChunks`; all are about equal.
 * @returns for each chunk its first photo and the one after its last
 */
export function chunksFor(
  count: number,
  perChunk: number,
  maxChunks: number = MOST_INDEXES,
): { readonly start: number; readonly end: number }[] {
  const chunks = Math.min(Math.ceil(count / perChunk), maxChunks);
  return Array.from({ length: chunks }, (_, index) => ({
    start: Math.floor((index * count) / chunks),
    end: Math.floor(((index + 1) * count) / chunks),
  }));
}

/** The first rule that fits decides. */
const FAILURE_RULES: V1PodFailurePolicyRule[] = [
  // Eviction, preemption, a node that went: not the chunk's fault.
  { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
  {
    action: "FailJob",
    onExitCodes: { containerName: CONTAINER, operator: "In", values: [WORKER_EXIT.setUp] },
  },
  {
    action: "FailIndex",
    onExitCodes: { containerName: CONTAINER, operator: "In", values: [WORKER_EXIT.badInput] },
  },
  // Out of memory: tried again, and the worker goes smaller.
  { action: "Count", onExitCodes: { containerName: CONTAINER, operator: "In", values: [137] } },
];

const FOLDERS = { tmp: "/tmp", cache: "/var/cache/autochrome", home: "/home/autochrome" } as const;

function podFor(submission: Submission): V1PodSpec {
  const { gpu, cpu, memory, scratch } = submission;
  // The same amount on both sides: GPUs cannot be asked for in any other way.
  const gpus = gpu === undefined ? {} : { [gpu]: "1" };
  const usual: V1Toleration[] =
    gpu === undefined
      ? []
      : [
          {
            key: gpu.startsWith("nvidia.com/") ? "nvidia.com/gpu" : gpu,
            operator: "Exists",
            effect: "NoSchedule",
          },
        ];
  const folders = Object.entries(FOLDERS);
  return {
    restartPolicy: "Never", // otherwise there are no limits per index
    activeDeadlineSeconds: submission.chunkSeconds,
    terminationGracePeriodSeconds: submission.graceSeconds,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    ...(submission.nodeSelector === undefined ? {} : { nodeSelector: submission.nodeSelector }),
    ...(usual.length + submission.tolerations.length === 0
      ? {}
      : { tolerations: [...usual, ...submission.tolerations] }),
    ...(submission.affinity === undefined ? {} : { affinity: submission.affinity }),
    ...(submission.runtimeClass === undefined ? {} : { runtimeClassName: submission.runtimeClass }),
    ...(submission.priorityClass === undefined ? {} : { priorityClassName: submission.priorityClass }),
    ...(submission.serviceAccount === undefined ? {} : { serviceAccountName: submission.serviceAccount }),
    ...(submission.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: submission.imagePullSecrets.map((name) => ({ name })) }),
    volumes: folders.map(([name]) => ({ name, emptyDir: { sizeLimit: scratch } })),
    containers: [
      {
        name: CONTAINER,
        image: submission.image,
        command: ["node", "main/worker/worker.ts"],
        workingDir: "/app", // where the image has us
        env: [
          ...Object.entries(submission.environment).map(([name, value]) => ({ name, value })),
          { name: "AUTOCHROME_MANIFEST", value: submission.manifest },
          {
            name: "AUTOCHROME_STORE",
            valueFrom: { secretKeyRef: { name: jobName(submission), key: STORE_KEY } },
          },
          // How often this index has failed. After running out of memory the worker goes smaller.
          {
            name: "AUTOCHROME_FAILURES",
            valueFrom: {
              fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-index-failure-count']" },
            },
          },
          { name: "AUTOCHROME_POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "TMPDIR", value: FOLDERS.tmp },
          { name: "HOME", value: FOLDERS.home },
          { name: "XDG_CACHE_HOME", value: FOLDERS.cache },
          { name: "CUDA_CACHE_PATH", value: `${FOLDERS.cache}/cuda` },
        ],
        resources: {
          requests: { cpu: cpu.request, memory: memory.request, ...gpus },
          limits: { cpu: cpu.limit, memory: memory.limit, ...gpus },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: folders.map(([name, mountPath]) => ({ name, mountPath })),
      },
    ],
  };
}

/** Lower-case letters, digits and dashes, at most so long, never two texts the same. */
function wordOf(text: string, longest: number): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  if (plain === text && text.length <= longest) return text;
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 10);
  const start = plain.slice(0, longest - digest.length - 1).replace(/-+$/, "");
  return start === "" ? digest : `${start}-${digest}`;
}

function digestOf(job: V1Job): string {
  // Keys in their order: the same Job is written in the same way each time.
  return createHash("sha256")
    .update(JSON.stringify(sorted(job)))
    .digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
