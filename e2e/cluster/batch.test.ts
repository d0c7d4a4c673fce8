// A batch of the library on a cluster: real workers as processes, a real store, the command line's own parts. The API server
// is the small one of the kubernetes folder's tests, and this file plays the kubelet; control-plane tests have a real one.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createClusterExecutor,
  createLocalExecutor,
  createSurroundings,
  type Plan,
  queuePhotos,
  runBatch,
} from "../../app/batches/index.ts";
import {
  getBatch,
  importPhotos,
  type Library,
  listItems,
  listVersions,
  openLibrary,
  photosOf,
  retryFailed,
  setBatchState,
} from "../../app/catalogue/index.ts";
import { type Cluster, connectCluster, openBlobStore } from "../../app/cluster/index.ts";
import {
  type FakeApi,
  JOBS,
  kubeconfigFor,
  SECRETS,
  startFakeApi,
} from "../../app/cluster/kubernetes/testing.ts";
import { hashFile, silentLogger } from "../../app/kernel/index.ts";
import { readPreset, withSettings } from "../../app/workflow/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SAMPLES = join(ROOT, "main/demo/samples");
const log = silentLogger();

let root: string;
let api: FakeApi;
let library: Library;
let surroundings: ReturnType<typeof createSurroundings>;
let kubelet: Kubelet;
const opened: { close(): Promise<void> }[] = [];

/** Runs the pods of Jobs as processes, until it is told to stop. */
interface Kubelet {
  readonly pods: Set<ChildProcess>;
  /** Started so far: "job/index". */
  readonly started: string[];
  isIdle: boolean;
  stop(): Promise<void>;
}

interface JobThing {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completions: number;
    readonly parallelism: number;
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly env: readonly Env[] }[] };
    };
  };
  status?: object;
}
interface Env {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}

function startKubelet(): Kubelet {
  const pods = new Set<ChildProcess>();
  const started: string[] = [];
  const codes = new Map<string, Map<number, number>>();
  const failures = new Map<string, number>();
  const state = { pods, started, isIdle: false, stop };
  const timer = setInterval(tick, 50);
  const running = new Set<string>();

  function tick(): void {
    if (state.isIdle) return;
    for (const [path, thing] of api.things) {
      if (!path.startsWith(`${JOBS}/`)) continue;
      const job = thing as JobThing;
      const { name } = job.metadata;
      const done = codes.get(name) ?? new Map<number, number>();
      codes.set(name, done);
      const secret = api.things.get(`${SECRETS}/${name}`) as
        | { stringData: Record<string, string> }
        | undefined;
      if (secret === undefined) continue;
      for (let index = 0; index < job.spec.completions; index++) {
        const pod = `${name}/${index}`;
        const here = [...running].filter((one) => one.startsWith(`${name}/`)).length;
        if (done.has(index) || running.has(pod) || here >= job.spec.parallelism) continue;
        running.add(pod);
        started.push(pod);
        void runPod(job, index, secret.stringData).then((code) => {
          running.delete(pod);
          const failed = (failures.get(pod) ?? 0) + (code === 0 ? 0 : 1);
          failures.set(pod, failed);
          if (code === 0 || code === 42 || code === 43 || failed > 3) done.set(index, code ?? -1);
          const ended = [...done];
          const isOver = ended.length === job.spec.completions;
          const isGood = ended.every(([, result]) => result === 0);
          if (!api.things.has(path)) return; // the Job was deleted meanwhile
          api.things.set(path, {
            ...(thing as object),
            status: {
              active: running.size,
              completedIndexes: ended.flatMap(([i, result]) => (result === 0 ? i : [])).join(","),
              failedIndexes: ended.flatMap(([i, result]) => (result === 0 ? [] : i)).join(","),
              conditions: isOver ? [{ type: isGood ? "Complete" : "Failed", status: "True" }] : [],
            },
          });
        });
      }
    }
  }

  async function runPod(
    job: JobThing,
    index: number,
    secret: Record<string, string>,
  ): Promise<number | null> {
    const environment: Record<string, string> = {};
    for (const { name, value, valueFrom } of job.spec.template.spec.containers[0]!.env) {
      const key = valueFrom?.secretKeyRef?.key;
      if (value !== undefined && !["TMPDIR", "HOME", "XDG_CACHE_HOME"].includes(name))
        environment[name] = value;
      else if (key !== undefined) environment[name] = secret[key] ?? "";
    }
    const tmp = await mkdtemp(join(root, "pod-"));
    const child = spawn(process.execPath, [join(ROOT, "main/worker/worker.ts")], {
      env: {
        PATH: process.env.PATH,
        HOME: tmp,
        TMPDIR: tmp,
        ...environment,
        JOB_COMPLETION_INDEX: String(index),
        AUTOCHROME_DEVICE: "cpu",
        AUTOCHROME_CONFIG: join(tmp, "none.json"),
        AUTOCHROME_WORKERS: "1",
        AUTOCHROME_INFERENCE_THREADS: "1",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let words = "";
    child.stderr?.on("data", (text: Buffer) => {
      words = (words + text.toString()).slice(-4000);
    });
    pods.add(child);
    const [code] = (await once(child, "close")) as [number | null];
    pods.delete(child);
    if (code !== 0 && code !== 143 && code !== null) process.stderr.write(`pod ${index}: ${words}\n`);
    return code;
  }

  async function stop(): Promise<void> {
    clearInterval(timer);
    state.isIdle = true;
    const ends = [...pods].map((pod) => once(pod, "close"));
    for (const pod of pods) pod.kill("SIGKILL");
    await Promise.all(ends);
  }
  return state;
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-cluster-batch-"));
  api = await startFakeApi();
  library = await openLibrary(join(root, "library"));
  surroundings = createSurroundings({
    threads: 2,
    inferenceThreads: 2,
    limits: { maxMegapixels: 100 },
    models: join(root, "models"),
    imageModels: join(root, "image-models"),
    log,
  });
  await cp(SAMPLES, join(root, "photos"), { recursive: true });
  await importPhotos(library, [join(root, "photos")], { workers: surroundings.workers });
  kubelet = startKubelet();
});
afterEach(async () => {
  await kubelet.stop();
  for (const one of opened.splice(0)) await one.close();
  await surroundings.close();
  library.close();
  await api.close();
  await rm(root, { recursive: true, force: true });
});

async function clusterExecutor(perChunk: number) {
  const file = join(root, "kubeconfig.json");
  await writeFile(file, JSON.stringify(kubeconfigFor({ server: api.url }, { token: "t" })));
  const cluster: Cluster = await connectCluster({
    kubeconfig: file,
    context: undefined,
    namespace: undefined,
  });
  const store = await openBlobStore({ kind: "folder", folder: join(root, "store") });
  const executor = createClusterExecutor({
    cluster,
    store,
    perChunk,
    submission: { install: "test", image: "autochrome:test", parallelism: 2 },
    log,
    everyMs: 200,
  });
  opened.push(executor);
  return { executor, cluster };
}

async function planOf(): Promise<Plan> {
  const graph = withSettings(await readPreset("quick"), { modelSize: 64, format: "same" });
  return { variants: [{ name: "quick", graph }], existing: "adopt", mayShrink: false };
}
const queue = async () => queuePhotos(library, {}, await planOf(), { executor: "cluster", priority: 0 }).id;
const stored = async () =>
  (await readdir(join(root, "store"), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );

describe("a batch on a cluster", () => {
  it("gives the same versions as here, byte for byte, each once; originals stay, the store is cleared", async () => {
    const before = await Promise.all([...photosOf(library)].map(({ path }) => hashFile(path)));
    const batch = await queue();
    const { executor, cluster } = await clusterExecutor(3);
    const counts = await runBatch({ library, executor, batch, log });
    expect(counts).toMatchObject({ done: before.length, failed: 0 });
    expect(kubelet.started.length).toBe(Math.ceil(before.length / 3));
    expect(await Promise.all([...photosOf(library)].map(({ path }) => hashFile(path)))).toEqual(before);
    const local = createLocalExecutor(surroundings);
    const here = queuePhotos(library, {}, await planOf(), { executor: "local", priority: 0 }).id;
    await runBatch({ library, executor: local, batch: here, log });
    for (const photo of photosOf(library)) {
      const versions = listVersions(library.db, photo.id);
      expect(versions.length).toBe(2);
      const [one, other] = versions;
      expect(await hashFile(join(library.folder, one!.file))).toBe(one!.fileHash);
      // What differs is the time of making, which is written into the file.
      expect([one!.width, one!.height, one!.modelSha256]).toEqual([
        other!.width,
        other!.height,
        other!.modelSha256,
      ]);
      expect(one!.chroma).toBeDefined();
    }
    expect((await stored()).filter(({ parentPath }) => !/[\\/]in$/.test(parentPath))).toEqual([]);
    const calls = Object.values(cluster.calls()).reduce((sum, count) => sum + count, 0);
    expect(calls).toBeLessThan(60);
  });

  it("goes on after the program was stopped in the middle: no photo twice, none lost, no second Job", async () => {
    const batch = await queue();
    const first = await clusterExecutor(2);
    const stop = new AbortController();
    const half = runBatch({
      library,
      executor: first.executor,
      batch,
      log,
      stop: stop.signal,
      onItem: () => stop.abort(),
    });
    await half;
    await opened.pop()!.close();
    const done = listItems(library.db, batch).filter(({ state }) => state === "done").length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(listItems(library.db, batch).length);
    const second = await clusterExecutor(2);
    const counts = await runBatch({ library, executor: second.executor, batch, log });
    expect(counts).toMatchObject({ failed: 0, queued: 0, running: 0 });
    for (const photo of photosOf(library)) expect(listVersions(library.db, photo.id).length).toBe(1);
    expect(new Set(kubelet.started).size).toBe(kubelet.started.length); // every chunk ran once
    expect(kubelet.started.every((pod) => pod.includes(`${batch}-1/`))).toBe(true);
  });

  it("survives pods that are killed: their photos are done by the next pod, those with a record are not done again", async () => {
    const batch = await queue();
    const { executor } = await clusterExecutor(4);
    let kills = 0;
    const killer = setInterval(() => {
      const [pod] = kubelet.pods;
      if (pod !== undefined && kills < 2) {
        kills++;
        pod.kill("SIGKILL");
      }
    }, 1500);
    const counts = await runBatch({ library, executor, batch, log }).finally(() => clearInterval(killer));
    expect(counts).toMatchObject({ failed: 0, queued: 0 });
    for (const photo of photosOf(library)) expect(listVersions(library.db, photo.id).length).toBe(1);
  });

  it("starts anew what a Job left undone that somebody deleted", async () => {
    kubelet.isIdle = true;
    const batch = await queue();
    const { executor } = await clusterExecutor(100);
    const running = runBatch({ library, executor, batch, log });
    await expect
      .poll(() => [...api.things.keys()].some((path) => path.startsWith(`${JOBS}/`)), { timeout: 20_000 })
      .toBe(true);
    for (const path of [...api.things.keys()]) if (path.startsWith(`${JOBS}/`)) api.things.delete(path);
    kubelet.isIdle = false;
    expect(await running).toMatchObject({ failed: 0, queued: 0 });
    expect(kubelet.started).toEqual([expect.stringMatching(/-2\/0$/)]);
  });

  it("cancelled, ends its Job and keeps what is finished", async () => {
    const batch = await queue();
    const { executor } = await clusterExecutor(1);
    const counts = await runBatch({
      library,
      executor,
      batch,
      log,
      onItem({ status }) {
        if (status === "done" && getBatch(library.db, batch).state === "active") {
          setBatchState(library.db, batch, "cancelled");
        }
      },
    });
    expect(counts.done).toBeGreaterThan(0);
    expect(counts.cancelled).toBeGreaterThan(0);
    expect([...api.things.keys()].filter((path) => path.startsWith(`${JOBS}/`))).toEqual([]);
  });

  it("fails only the photo that is bad, with its own sentence", async () => {
    await writeFile(
      join(root, "photos", "raccoon.jpg"),
      (await import("node:fs")).readFileSync(join(root, "photos", "raccoon.jpg")).subarray(0, 20_000),
    );
    const batch = await queue();
    const { executor } = await clusterExecutor(100);
    const counts = await runBatch({ library, executor, batch, log });
    expect(counts.failed).toBe(1);
    const [failed] = listItems(library.db, batch).filter(({ state }) => state === "failed");
    expect(failed?.error?.message.length).toBeGreaterThan(10);
    expect(retryFailed(library.db, batch)).toBe(1);
  });
});
