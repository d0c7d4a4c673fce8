// The control plane of this folder is what it claims to be: real controllers, a real scheduler, real admission,
// and a kubelet whose pods are local processes. Everything else in e2e/cluster trusts this.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  type V1Job,
  type V1Pod,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ControlPlane, findControlPlane, startControlPlane } from "./control-plane.ts";
import { freePort } from "./s3.ts";

const IMAGE = "autochrome/worker:test";
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};

const program = await findControlPlane();
if (program.path === undefined) process.stderr.write(`Control plane: skipped. ${program.missing}\n`);

describe.skipIf(program.path === undefined)("control plane", () => {
  let data: string;
  let cluster: ControlPlane;
  let core: CoreV1Api;
  let batch: BatchV1Api;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "autochrome-control-plane-"));
    await start();
  }, 300_000);
  afterAll(async () => {
    await cluster?.stop();
    await rm(data, { recursive: true, force: true, maxRetries: 5 });
  }, 60_000);

  async function start(): Promise<void> {
    cluster = await startControlPlane({ data, nodes: 2, gpus: 2, images: [IMAGE] });
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    core = config.makeApiClient(CoreV1Api);
    batch = config.makeApiClient(BatchV1Api);
  }

  /** A namespace of its own for each test, with PodSecurity restricted as the chart sets it. */
  async function namespace(name: string): Promise<string> {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await core.createNamespace({ body: { metadata: { name, labels } } });
    await until(() => core.readNamespacedServiceAccount({ namespace: name, name: "default" }));
    return name;
  }

  const pods = async (ns: string): Promise<V1Pod[]> =>
    (await core.listNamespacedPod({ namespace: ns })).items;

  const podNamed = (ns: string, name: string) => core.readNamespacedPod({ namespace: ns, name });

  const logOf = (ns: string, name: string) => core.readNamespacedPodLog({ namespace: ns, name });

  it("refuses a pod that the restricted profile forbids", async () => {
    const ns = await namespace("restricted");
    const body = pod("bad", "0", { securityContext: { privileged: true } });
    await expect(core.createNamespacedPod({ namespace: ns, body })).rejects.toThrow(
      /violates PodSecurity \\*"restricted/,
    );
  });

  it("runs an Indexed Job as processes: one index fails for good, the others complete", async () => {
    const ns = await namespace("indexed");
    const script = `
      const index = process.env.JOB_COMPLETION_INDEX;
      console.log("index " + index + " on " + process.env.NODE + " cpu " + process.env.CPU);
      process.exit(index === "2" ? 42 : 0);`;
    const job = indexedJob("colours", 4, script);
    await batch.createNamespacedJob({ namespace: ns, body: job });
    const ended = await until(async () => {
      const { status } = await batch.readNamespacedJob({ namespace: ns, name: "colours" });
      return status?.conditions?.some(({ type, status: on }) => type === "Failed" && on === "True")
        ? status
        : undefined;
    });
    expect(ended).toMatchObject({ completedIndexes: "0,1,3", failedIndexes: "2", succeeded: 3, failed: 1 });
    const all = await pods(ns);
    const codes = all.map((each) => each.status?.containerStatuses?.[0]?.state?.terminated?.exitCode);
    expect(codes.sort()).toEqual([0, 0, 0, 42]);
    const first = all.find(
      (each) => each.metadata?.annotations?.["batch.kubernetes.io/job-completion-index"] === "0",
    );
    expect(await logOf(ns, first?.metadata?.name ?? "")).toMatch(/^index 0 on node-[01] cpu 4\n$/);
  });

  it("ends the pods of a Job that is deleted, and lets them end by themselves first", async () => {
    const ns = await namespace("deleted");
    const folder = await mkdtemp(join(tmpdir(), "autochrome-sigterm-"));
    const mark = join(folder, "ended");
    const script = `
      process.on("SIGTERM", () => { require("node:fs").writeFileSync(${JSON.stringify(mark)}, "x"); process.exit(143); });
      console.log(process.pid);
      setInterval(() => {}, 1000);`;
    await batch.createNamespacedJob({ namespace: ns, body: indexedJob("long", 1, script) });
    const running = await until(async () => (await pods(ns)).find(isRunning));
    const log = await until(async () => (await logOf(ns, running.metadata?.name ?? "")) || undefined);
    await batch.deleteNamespacedJob({ namespace: ns, name: "long", propagationPolicy: "Background" });
    await until(async () => (await pods(ns)).length === 0 || undefined);
    expect(existsSync(mark)).toBe(true);
    expect(isAlive(Number(log))).toBe(false);
    await rm(folder, { recursive: true });
  });

  it("says why a pod waits: an image that is not there, more GPUs than there are", async () => {
    const ns = await namespace("waiting");
    await core.createNamespacedPod({
      namespace: ns,
      body: pod("no-image", "0", { image: "registry.invalid/nothing:1" }),
    });
    const waiting = await until(async () => {
      const state = (await podNamed(ns, "no-image")).status?.containerStatuses?.[0]?.state?.waiting;
      return state?.reason === "ImagePullBackOff" ? state : undefined;
    });
    expect(waiting.message).toContain("registry.invalid/nothing:1: not found");
    const events = await until(async () => {
      const { items } = await core.listNamespacedEvent({ namespace: ns });
      const words = items.map(({ message }) => message);
      return words.includes("Error: ImagePullBackOff") ? words : undefined;
    });
    expect(events).toContain("Error: ErrImagePull");

    const gpus = { limits: { "nvidia.com/gpu": "3" } };
    await core.createNamespacedPod({ namespace: ns, body: pod("greedy", "0", { resources: gpus }) });
    const scheduled = await until(async () =>
      (await podNamed(ns, "greedy")).status?.conditions?.find(
        ({ type, status }) => type === "PodScheduled" && status === "False",
      ),
    );
    expect(scheduled.reason).toBe("Unschedulable");
    expect(scheduled.message).toMatch(/^0\/2 nodes are available: 2 Insufficient nvidia\.com\/gpu/);
  });

  it("gives a container its Secret, ConfigMap, token and scratch, at paths that the process finds", async () => {
    const ns = await namespace("volumes");
    await core.createNamespacedSecret({
      namespace: ns,
      body: { metadata: { name: "store" }, stringData: { key: "s3cret" } },
    });
    await core.createNamespacedConfigMap({
      namespace: ns,
      body: { metadata: { name: "settings" }, data: { "a.json": "{}" } },
    });
    const script = `
      const fs = require("node:fs");
      const [, secret, config, token] = process.argv;
      fs.writeFileSync(process.env.SCRATCH + "/x", "written");
      console.log(JSON.stringify({
        secret: fs.readFileSync(secret, "utf8"), config: fs.readFileSync(config, "utf8"), key: process.env.KEY,
        token: fs.readFileSync(token, "utf8").split(".").length, scratch: fs.readFileSync(process.env.SCRATCH + "/x", "utf8"),
      }));`;
    const body = pod("reader", script, {
      args: ["/store/key", "/etc/autochrome/a.json", "/var/run/own/token"],
      env: [
        { name: "SCRATCH", value: "/scratch" },
        { name: "KEY", valueFrom: { secretKeyRef: { name: "store", key: "key" } } },
      ],
      volumeMounts: [
        { name: "store", mountPath: "/store" },
        { name: "settings", mountPath: "/etc/autochrome" },
        { name: "scratch", mountPath: "/scratch" },
        { name: "own", mountPath: "/var/run/own" },
      ],
    });
    body.spec!.volumes = [
      { name: "store", secret: { secretName: "store" } },
      { name: "settings", configMap: { name: "settings" } },
      { name: "scratch", emptyDir: {} },
      { name: "own", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
    ];
    await core.createNamespacedPod({ namespace: ns, body });
    await until(
      async () => (await podNamed(ns, "reader")).status?.phase?.match(/Succeeded|Failed/) ?? undefined,
    );
    expect(JSON.parse(await logOf(ns, "reader"))).toEqual({
      secret: "s3cret",
      config: "{}",
      key: "s3cret",
      token: 3,
      scratch: "written",
    });
  });

  it("reaches a pod's port through the API server's service proxy", async () => {
    const ns = await namespace("proxied");
    const port = await freePort();
    const script = `require("node:http").createServer((_, to) => to.end("here")).listen(${port}, "127.0.0.1")`;
    const body = pod("gateway", script);
    body.metadata!.labels = { app: "gateway" };
    await core.createNamespacedPod({ namespace: ns, body });
    await core.createNamespacedService({
      namespace: ns,
      body: { metadata: { name: "gateway" }, spec: { selector: { app: "gateway" }, ports: [{ port }] } },
    });
    const answer = await until(() =>
      core.connectGetNamespacedServiceProxyWithPath({ namespace: ns, name: `gateway:${port}`, path: "x" }),
    );
    expect(answer).toBe("here");
  });

  it("kills what uses too much memory, and says so", async () => {
    const ns = await namespace("memory");
    const script = "const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 20);";
    const resources = { limits: { memory: "150Mi" } };
    await core.createNamespacedPod({ namespace: ns, body: pod("hungry", script, { resources }) });
    const terminated = await until(
      async () => (await podNamed(ns, "hungry")).status?.containerStatuses?.[0]?.state?.terminated,
    );
    expect(terminated).toMatchObject({ reason: "OOMKilled", exitCode: 137 });
  });

  it("evicts as the API and as the node do it: with the condition that Jobs ignore", async () => {
    const ns = await namespace("evicted");
    for (const name of ["by-api", "by-node"])
      await core.createNamespacedPod({ namespace: ns, body: pod(name, "setInterval(() => {}, 1000)") });
    await until(async () => ((await pods(ns)).filter(isRunning).length === 2 ? true : undefined));
    await cluster.fault({ fault: "evictPod", namespace: ns, pod: "by-node" });
    const failed = await until(async () => {
      const { status } = await podNamed(ns, "by-node");
      return status?.phase === "Failed" ? status : undefined;
    });
    expect(failed.reason).toBe("Evicted");
    expect(failed.conditions).toContainEqual(
      expect.objectContaining({ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet" }),
    );
    await core.createNamespacedPodEviction({
      namespace: ns,
      name: "by-api",
      body: { metadata: { name: "by-api", namespace: ns } },
    });
    await until(async () => ((await pods(ns)).length === 1 ? true : undefined));
  });

  it("stops and starts the API server on the same port, and goes on", async () => {
    const ns = await namespace("restarted");
    await cluster.stopApiServer();
    await expect(pods(ns)).rejects.toThrow();
    expect((await cluster.state()).apiServer).toBe(false);
    await cluster.startApiServer();
    await core.createNamespacedPod({ namespace: ns, body: pod("after", "console.log(1)") });
    await until(async () => ((await podNamed(ns, "after")).status?.phase === "Succeeded" ? true : undefined));
    const calls = await cluster.calls();
    expect(calls.some(({ verb, path }) => verb === "create" && path.includes(`/${ns}/pods`))).toBe(true);
  });

  it("shows callers a certificate as a wrong clock would see it", async () => {
    await cluster.fault({ fault: "certificateClock", seconds: 3600 });
    await until(async () => {
      const problem = await pods("default").then(
        () => undefined,
        (error: unknown) => String(error instanceof Error ? (error.cause ?? error) : error),
      );
      return problem?.match(/not yet valid/) ?? undefined;
    });
    await cluster.fault({ fault: "certificateClock", seconds: 0 });
    await until(() =>
      pods("default").then(
        () => true,
        () => undefined,
      ),
    );
  });

  it("gives tokens that expire when told", async () => {
    const ns = await namespace("tokens");
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const token = await cluster.token(ns, "default", 5);
    config.loadFromClusterAndUser(config.getCurrentCluster()!, { name: "account", token });
    const status = () =>
      config
        .makeApiClient(CoreV1Api)
        .listNamespacedPod({ namespace: ns })
        .then(
          () => 200,
          (error: unknown) => (error instanceof ApiException ? error.code : 0),
        );
    // Known, and allowed nothing; then no longer known.
    expect(await status()).toBe(403);
    await until(async () => ((await status()) === 401 ? true : undefined));
  });

  it("cuts a node off for a moment: its processes go on and are there again", async () => {
    const ns = await namespace("cut-off");
    await core.createNamespacedPod({
      namespace: ns,
      body: pod("steady", "console.log(process.pid); setInterval(() => {}, 1000)"),
    });
    const running = await until(async () => (await pods(ns)).find(isRunning));
    const pid = Number(await until(async () => (await logOf(ns, "steady")) || undefined));
    const node = running.spec?.nodeName ?? "";
    await cluster.fault({ fault: "nodeGone", node, keepProcesses: true });
    await expect(logOf(ns, "steady")).rejects.toThrow();
    expect(isAlive(pid)).toBe(true);
    await cluster.fault({ fault: "nodeBack", node });
    await cluster.fault({ fault: "killPod", namespace: ns, pod: "steady" });
    const ended = await until(
      async () => (await podNamed(ns, "steady")).status?.containerStatuses?.[0]?.state?.terminated,
    );
    expect(ended).toMatchObject({ exitCode: 137, reason: "Error" });
  });

  it("loses a node: its pods fail, and the Job goes on on the other", async () => {
    const ns = await namespace("lost");
    const job = indexedJob("moved", 1, `setTimeout(() => {}, process.env.NODE === "node-0" ? 600000 : 500)`);
    job.spec!.template.spec!.affinity = preferring("node-0");
    await batch.createNamespacedJob({ namespace: ns, body: job });
    await until(async () => (await pods(ns)).find(isRunning));
    await cluster.fault({ fault: "nodeGone", node: "node-0" });
    const tainted = await until(async () => {
      const node = await core.readNode({ name: "node-0" });
      return node.spec?.taints?.find(({ key }) => key === "node.kubernetes.io/unreachable");
    });
    expect(tainted.effect).toMatch(/NoSchedule|NoExecute/);
    // What the cloud's own controller does when the machine is gone for good.
    await core.deleteNode({ name: "node-0" });
    const status = await until(async () => {
      const found = await batch.readNamespacedJob({ namespace: ns, name: "moved" });
      return found.status?.completedIndexes === "0" ? found.status : undefined;
    }, 180_000);
    expect(status).toMatchObject({ succeeded: 1 });
    await cluster.fault({ fault: "nodeBack", node: "node-0" });
    await until(async () =>
      (await core.readNode({ name: "node-0" })).status?.conditions?.find(
        ({ type, status: on }) => type === "Ready" && on === "True",
      ),
    );
  }, 300_000);

  it("keeps everything when it is ended and started again with its folder", async () => {
    const ns = await namespace("kept");
    await core.createNamespacedPod({ namespace: ns, body: pod("old", "setInterval(() => {}, 1000)") });
    await until(async () => (await pods(ns)).find(isRunning));
    const before = cluster.apiServer;
    await cluster.stop();
    await start();
    expect(cluster.apiServer).toBe(before);
    const old = await until(async () => {
      const { status } = await podNamed(ns, "old");
      return status?.phase === "Failed" ? status : undefined;
    });
    expect(old.containerStatuses?.[0]?.state?.terminated?.reason).toBe("ContainerStatusUnknown");
  }, 300_000);
});

/** Asks again until there is something; errors count as nothing. Fails after so long, in milliseconds. */
async function until<T>(ask: () => Promise<T | undefined>, ms = 90_000): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + ms; Date.now() < end; ) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`Nothing came of it within ${ms / 1000} s. ${last ?? ""}`);
}

function isRunning(each: V1Pod): boolean {
  return each.status?.phase === "Running";
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A pod with one container that runs a script of Node and ends with it. */
function pod(name: string, script: string, container: object = {}): V1Pod {
  return {
    metadata: { name },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          name: "worker",
          image: IMAGE,
          command: [process.execPath, "-e", script],
          securityContext: RESTRICTED,
          ...container,
        },
      ],
    },
  };
}

function indexedJob(name: string, completions: number, script: string): V1Job {
  const template = pod(name, script, {
    resources: { limits: { cpu: "4" } },
    env: [
      { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
      { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
    ],
  });
  return {
    metadata: { name },
    spec: {
      completionMode: "Indexed",
      completions,
      parallelism: completions,
      backoffLimitPerIndex: 1,
      podFailurePolicy: {
        rules: [
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          { action: "FailIndex", onExitCodes: { operator: "In", values: [42] } },
        ],
      },
      template: { spec: template.spec! },
    },
  };
}

function preferring(node: string) {
  const term = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }] };
  return {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: term }] },
  };
}
