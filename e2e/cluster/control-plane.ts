// Starts the real Kubernetes control plane of this folder (control-plane/) for a test, and makes its faults.
// Owns the process and, unless the test names one, a temporary data folder. Never touches another cluster.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { buildProgram, type Found, findOrBuild, type GoProgram } from "./go.ts";

/** Of the modules that go.mod names. Kubernetes itself learns it from the linker only. */
const KUBERNETES = { major: 1, minor: 36, patch: 3 } as const;
const VERSION = `v${KUBERNETES.major}.${KUBERNETES.minor}.${KUBERNETES.patch}`;
const VARIABLES = {
  gitVersion: VERSION,
  gitMajor: KUBERNETES.major,
  gitMinor: KUBERNETES.minor,
};
const PROGRAM: GoProgram = {
  name: "control-plane",
  folder: "./control-plane/",
  linkerFlags: Object.entries(VARIABLES).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  ),
};

const READY = z.object({
  kubeconfig: z.string(),
  apiServer: z.string(),
  admin: z.string(),
  auditLog: z.string(),
  version: z.string(),
});
const STATE = z.object({
  apiServer: z.boolean(),
  images: z.array(z.string()).nullable(),
  nodes: z.array(z.object({ name: z.string(), online: z.boolean(), pods: z.array(z.string()) })),
});
const AUDIT = z.object({
  verb: z.string(),
  requestURI: z.string(),
  user: z.object({ username: z.string().optional() }),
  userAgent: z.string().optional(),
  responseStatus: z.object({ code: z.number().optional() }).optional(),
});

/** What the cluster is made of. */
export interface ControlPlaneOptions {
  /** Keeps everything here and leaves it; a temporary folder, removed at the end, when left out. */
  readonly data?: string;
  /** Nodes are named node-0, node-1, … (2). */
  readonly nodes?: number;
  /** nvidia.com/gpu of each node (2). */
  readonly gpus?: number;
  /** CPUs and memory of each node, as Kubernetes writes them ("16", "64Gi"). */
  readonly cpu?: string;
  readonly memory?: string;
  /** Images that can be pulled; all others give ErrImagePull. */
  readonly images?: readonly string[];
  /** What an image runs when the pod names no command. */
  readonly entrypoint?: readonly string[];
  /** Environment that all images set. */
  readonly imageEnv?: Readonly<Record<string, string>>;
  /** Where the images' own paths lie on this computer, e.g. { "/app": repository }. */
  readonly map?: Readonly<Record<string, string>>;
  /** First wait of the Job controller after a failed pod, in seconds (a real cluster's is 10; 1 here). */
  readonly jobBackoffSeconds?: number;
}

/** Faults of the cluster; those that the API itself offers (eviction, quotas, roles) are made there. */
export type Fault =
  | { readonly fault: "stopApiServer" | "startApiServer" }
  /** Callers see a certificate as with a clock that is wrong by so much: above 0 not yet valid, below expired. */
  | { readonly fault: "certificateClock"; readonly seconds: number }
  | { readonly fault: "setImages"; readonly images: readonly string[] }
  | { readonly fault: "killPod" | "oomPod" | "evictPod"; readonly namespace: string; readonly pod: string }
  /** Its processes die as in a power cut, or with keepProcesses go on unseen, as when only its network is cut. */
  | { readonly fault: "nodeGone"; readonly node: string; readonly keepProcesses?: boolean }
  | { readonly fault: "nodeBack"; readonly node: string };

/** One call to the API server by somebody who is not part of the cluster. */
export interface ApiCall {
  readonly verb: string;
  readonly path: string;
  readonly user: string;
  readonly agent: string;
  readonly code: number;
}

export interface ControlPlane {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** https://127.0.0.1:PORT; the port stays the same when started again with the same data folder. */
  readonly apiServer: string;
  readonly data: string;
  /** Version of Kubernetes, "v1.36.3". */
  readonly version: string;
  fault(fault: Fault): Promise<void>;
  /** As a kill: the port closes and every connection breaks at once. */
  stopApiServer(): Promise<void>;
  /** Resolves when the API server is ready again. */
  startApiServer(): Promise<void>;
  state(): Promise<z.infer<typeof STATE>>;
  /** A service account's token that the server accepts for so many seconds (the API gives none under 600). */
  token(namespace: string, account: string, seconds: number): Promise<string>;
  /** All finished calls from outside since the start, oldest first. A watch is listed when it has ended. */
  calls(): Promise<ApiCall[]>;
  /** Ends the cluster and all processes of its pods. */
  stop(): Promise<void>;
}

/** The program as it was built before, or built now when AUTOCHROME_CLUSTER_TESTS=1; else why not. */
export function findControlPlane(): Found | Promise<Found> {
  return findOrBuild(PROGRAM);
}

/** The program, built now if need be (minutes the first time). */
export function buildControlPlane(): Promise<Found> {
  return buildProgram(PROGRAM);
}

/** Starts a cluster; resolves when its nodes take pods. Fails when the program is missing or does not come up. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const program = await findControlPlane();
  if (program.path === undefined) throw new Error(program.missing);
  const data = options.data ?? (await mkdtemp(join(tmpdir(), "autochrome-cluster-")));
  const child = spawn(program.path, argumentsOf(data, options), { stdio: ["pipe", "pipe", "pipe"] });
  const tidy = async () => {
    await end(child);
    if (options.data === undefined) await rm(data, { recursive: true, force: true, maxRetries: 5 });
  };
  let ready: z.infer<typeof READY>;
  try {
    ready = READY.parse(JSON.parse(await firstLine(child)));
  } catch (error) {
    await tidy();
    throw error;
  }
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(ready.admin + path, { method: "POST", body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`The control plane refused ${JSON.stringify(body)}: ${text}`);
    return JSON.parse(text);
  };
  const fault = async (wanted: Fault) => {
    await post("/faults", wanted);
  };
  return {
    kubeconfig: ready.kubeconfig,
    apiServer: ready.apiServer,
    version: ready.version,
    data,
    fault,
    stopApiServer: () => fault({ fault: "stopApiServer" }),
    startApiServer: () => fault({ fault: "startApiServer" }),
    state: async () => STATE.parse(await (await fetch(`${ready.admin}/state`)).json()),
    token: async (namespace, account, seconds) =>
      z.object({ token: z.string() }).parse(await post("/token", { namespace, account, seconds })).token,
    calls: () => readCalls(ready.auditLog),
    stop: tidy,
  };
}

function argumentsOf(data: string, options: ControlPlaneOptions): string[] {
  const words = [
    "--until-stdin-closes",
    `--data=${data}`,
    `--nodes=${options.nodes ?? 2}`,
    `--gpus=${options.gpus ?? 2}`,
    `--job-backoff=${options.jobBackoffSeconds ?? 1}s`,
  ];
  if (options.cpu !== undefined) words.push(`--cpu=${options.cpu}`);
  if (options.memory !== undefined) words.push(`--memory=${options.memory}`);
  for (const image of options.images ?? []) words.push(`--images=${image}`);
  for (const word of options.entrypoint ?? []) words.push(`--entrypoint=${word}`);
  for (const [name, value] of Object.entries(options.imageEnv ?? {}))
    words.push(`--image-env=${name}=${value}`);
  for (const [inside, outside] of Object.entries(options.map ?? {})) words.push(`--map=${inside}=${outside}`);
  return words;
}

/** The child's first line; fails with its last words when it ends before. */
function firstLine(child: ChildProcess): Promise<string> {
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The control plane ended (${code}): ${errors}`)));
    if (child.stdout) createInterface({ input: child.stdout }).once("line", resolve);
  });
}

/** Asks the process to end, and after half a minute makes it. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  await gone;
  clearTimeout(timer);
}

async function readCalls(path: string): Promise<ApiCall[]> {
  const calls: ApiCall[] = [];
  for (const line of (await readFile(path, "utf8")).split("\n")) {
    // The last line may be half written.
    if (!line.endsWith("}")) continue;
    const entry = AUDIT.parse(JSON.parse(line));
    calls.push({
      verb: entry.verb,
      path: entry.requestURI,
      user: entry.user.username ?? "",
      agent: entry.userAgent ?? "",
      code: entry.responseStatus?.code ?? 0,
    });
  }
  return calls;
}
