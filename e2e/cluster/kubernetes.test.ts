// The control plane side of app/cluster against the real API server, controllers and scheduler.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Cluster,
  cancelJob,
  checkCluster,
  connectCluster,
  deleteOrphans,
  findJobs,
  followJob,
  type JobView,
  lookAtJob,
  rightsFor,
  type SubmissionInput,
  submissionSchema,
  submitJob,
  suspendJob,
} from "../../app/cluster/index.ts";
import { type ControlPlane, findControlPlane, startControlPlane } from "./control-plane.ts";

const IMAGE = "autochrome/worker:test";
const GPU = "nvidia.com/gpu";
const program = await findControlPlane();
if (program.path === undefined) process.stderr.write(`Kubernetes: skipped. ${program.missing}\n`);

/** What the pods run: what it does stands in the manifest's name. */
const WORKER = `
const manifest = process.env.AUTOCHROME_MANIFEST;
const index = Number(process.env.JOB_COMPLETION_INDEX);
console.log(JSON.stringify({ index, failures: process.env.AUTOCHROME_FAILURES, store: process.env.AUTOCHROME_STORE }));
process.on("SIGTERM", () => process.exit(143));
if (manifest === "sleep") setInterval(() => {}, 1000);
if (manifest === "bad" && index === 1) process.exit(42);
if (manifest === "set-up") process.exit(43);
if (manifest === "again" && process.env.AUTOCHROME_FAILURES !== "1") process.exit(1);
if (process.env.AUTOCHROME_STORE !== "the store") process.exit(43);
`;

describe.skipIf(program.path === undefined)("on a real control plane", () => {
  let folder: string;
  let plane: ControlPlane;
  let admin: Cluster;
  const open: Cluster[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-kubernetes-"));
    await mkdir(join(folder, "main", "worker"), { recursive: true });
    await writeFile(join(folder, "main", "worker", "worker.ts"), WORKER);
    plane = await startControlPlane({ nodes: 2, gpus: 1, images: [IMAGE], map: { "/app": folder } });
    admin = await connect("default");
  }, 300_000);
  afterAll(async () => {
    for (const cluster of open) await cluster.close();
    await plane?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }, 60_000);

  async function connect(namespace: string, kubeconfig = plane.kubeconfig): Promise<Cluster> {
    const cluster = await connectCluster({ kubeconfig, namespace }, { environment: {} });
    open.push(cluster);
    return cluster;
  }

  async function make(path: string, body: object): Promise<void> {
    const answer = await admin.ask({ verb: "create", resource: "test", path, body });
    expect(answer).toMatchObject({ status: 201 });
  }

  /** A namespace that takes restricted pods only, and a handle on it. */
  async function namespaced(name: string): Promise<Cluster> {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await make("/api/v1/namespaces", { metadata: { name, labels } });
    const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    await expect
      .poll(async () => (await admin.ask({ verb: "get", resource: "test", path })).status, {
        timeout: 30_000,
      })
      .toBe(200);
    return connect(name);
  }

  const submission = (batch: string, changes: Partial<SubmissionInput> = {}) =>
    submissionSchema.parse({
      ...{
        install: "laptop",
        batch,
        attempt: 1,
        manifest: "go",
        image: IMAGE,
        chunks: 3,
        parallelism: 2,
        gpu: GPU,
      },
      ...{ cpu: { request: "100m", limit: "1" }, memory: { request: "64Mi", limit: "512Mi" } },
      ...changes,
    });

  /** Follows to the end. @returns the last view and all that were heard */
  async function follow(cluster: Cluster, name: string): Promise<{ last: JobView; views: JobView[] }> {
    const views: JobView[] = [];
    const last = await followJob(cluster, name, {
      ...{ signal: AbortSignal.timeout(100_000), onChange: (view) => views.push(view), gpu: GPU },
      ...{ everyMs: 500, leastMs: 100 },
    });
    return { last, views };
  }

  const sentences = async (cluster: Cluster, name: string) =>
    (await lookAtJob(cluster, name, { gpu: GPU })).words.map(({ message }) => message).join(" ");

  test("a restricted namespace takes our Job as it is, its pods run, and submitting twice is once", async () => {
    const cluster = await namespaced("twice");
    const first = await submitJob(cluster, submission("one"), "the store");
    const second = await submitJob(cluster, submission("one"), "the store");
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.uid).toBe(first.uid);
    const { last } = await follow(cluster, first.name);
    expect(last).toMatchObject({ state: "complete", completed: [0, 1, 2], failed: [] });
    expect(await findJobs(cluster, "one")).toMatchObject([{ uid: first.uid, state: "complete" }]);
    await expect(submitJob(cluster, submission("one", { chunks: 4 }), "the store")).rejects.toMatchObject({
      code: "cluster-refused",
    });
  });

  test("a part that cannot be worked on fails alone, others are tried again and know it; a wrong set-up ends all", async () => {
    const cluster = await namespaced("codes");
    const bad = await submitJob(cluster, submission("bad", { manifest: "bad" }), "the store");
    expect((await follow(cluster, bad.name)).last).toMatchObject({
      state: "failed",
      completed: [0, 2],
      failed: [1],
    });
    const again = await submitJob(
      cluster,
      submission("again", { manifest: "again", chunks: 1 }),
      "the store",
    );
    expect((await follow(cluster, again.name)).last).toMatchObject({ state: "complete", completed: [0] });
    const wrong = await submitJob(cluster, submission("wrong", { manifest: "set-up" }), "the store");
    const { last } = await follow(cluster, wrong.name);
    expect(last).toMatchObject({
      state: "failed",
      words: [{ message: expect.stringContaining("cannot work as they are set up") }],
    });
  });

  test("cancelling removes the Job, its pods and its Secret; pausing stops them and going on starts them", async () => {
    const cluster = await namespaced("cancel");
    const { name } = await submitJob(
      cluster,
      submission("long", { manifest: "sleep", graceSeconds: 5 }),
      "the store",
    );
    const active = async () => (await lookAtJob(cluster, name)).active;
    const things = async (kind: string) => {
      const path = `/api/v1/namespaces/cancel/${kind}`;
      const { body } = await cluster.ask({ verb: "list", resource: kind, path });
      return (body as { items: unknown[] }).items.length;
    };
    await expect
      .poll(async () => (await lookAtJob(cluster, name)).state, { timeout: 60_000 })
      .toBe("running");
    await suspendJob(cluster, name, true);
    await expect.poll(active, { timeout: 60_000 }).toBe(0);
    expect((await lookAtJob(cluster, name)).state).toBe("suspended");
    await suspendJob(cluster, name, false);
    await expect.poll(active, { timeout: 60_000 }).toBe(2);
    expect(await cancelJob(cluster, name)).toBe(true);
    await expect.poll(() => things("pods"), { timeout: 60_000 }).toBe(0);
    await expect.poll(() => things("secrets"), { timeout: 60_000 }).toBe(0);
    await expect.poll(() => cancelJob(cluster, name), { timeout: 60_000 }).toBe(false);
    expect((await lookAtJob(cluster, name)).state).toBe("gone");
  });

  test("why it does not go on: image, GPUs, quota, namespace", async () => {
    const cluster = await namespaced("words");
    const image = await submitJob(cluster, submission("image", { image: "no/such:image" }), "the store");
    await expect
      .poll(() => sentences(cluster, image.name), { timeout: 60_000 })
      .toContain("The image no/such:image cannot be pulled");
    await cancelJob(cluster, image.name);
    const gpu = await submitJob(
      cluster,
      submission("gpu", { manifest: "sleep", chunks: 4, parallelism: 4 }),
      "the store",
    );
    await expect
      .poll(() => sentences(cluster, gpu.name), { timeout: 60_000 })
      .toContain(`Waiting for a GPU node: 0/2 have free ${GPU} (2 pods).`);
    await cancelJob(cluster, gpu.name);
    await make("/api/v1/namespaces/words/resourcequotas", {
      metadata: { name: "none" },
      spec: { hard: { [`requests.${GPU}`]: "0" } },
    });
    await expect
      .poll(
        async () => {
          const { body } = await admin.ask({
            verb: "get",
            resource: "test",
            path: "/api/v1/namespaces/words/resourcequotas/none",
          });
          return JSON.stringify(body);
        },
        { timeout: 30_000 },
      )
      .toContain('"used"');
    const quota = await submitJob(cluster, submission("quota"), "the store");
    await expect
      .poll(() => sentences(cluster, quota.name), { timeout: 60_000 })
      .toContain("The namespace's quota none is used up");
    await cancelJob(cluster, quota.name);
    await expect(submitJob(await connect("nowhere"), submission("x"), "the store")).rejects.toMatchObject({
      ...{ code: "cluster-refused", message: "The namespace nowhere is not there." },
    });
  });

  test("orphans are found by the installation", async () => {
    const cluster = await namespaced("orphans");
    const { name } = await submitJob(cluster, submission("lost", { manifest: "sleep" }), "the store");
    await submitJob(cluster, submission("theirs", { manifest: "sleep", install: "desktop" }), "the store");
    const all = { olderThanMs: -1000, isNeeded: () => false };
    expect(await deleteOrphans(cluster, "laptop", { ...all, olderThanMs: 3_600_000 })).toEqual([]);
    expect(await deleteOrphans(cluster, "laptop", all)).toEqual([name]);
    await deleteOrphans(cluster, "desktop", all);
  });

  test("an API server that stops for a while: the Job is followed to its end, and nothing is started twice", async () => {
    const cluster = await namespaced("stops");
    const { name, uid } = await submitJob(cluster, submission("through"), "the store");
    const followed = follow(cluster, name);
    await plane.stopApiServer();
    await expect(
      cluster.ask({ verb: "get", resource: "version", path: "/version", tries: 1 }),
    ).rejects.toMatchObject({
      code: "cluster-unreachable",
    });
    await plane.startApiServer();
    const { last } = await followed;
    expect(last).toMatchObject({ state: "complete", reachable: true });
    expect(await submitJob(cluster, submission("through"), "the store")).toMatchObject({
      uid,
      created: false,
    });
  });

  test("half the rights missing: the check names every one; with the whole Role and a valid token nothing is missing", async () => {
    const cluster = await namespaced("rights");
    await make("/api/v1/namespaces/rights/serviceaccounts", { metadata: { name: "app" } });
    const all = rightsFor({ queue: undefined, proxied: "autochrome:8188" });
    const given = all.filter((_, index) => index % 2 === 1);
    const ruleFor = ({ group, resource, verb, name }: (typeof all)[number]) => ({
      ...{ apiGroups: [group], resources: [resource], verbs: [verb] },
      ...(name === undefined ? {} : { resourceNames: [name] }),
    });
    const role = "/apis/rbac.authorization.k8s.io/v1/namespaces/rights/roles";
    await make(role, { metadata: { name: "app" }, rules: given.map(ruleFor) });
    await make("/apis/rbac.authorization.k8s.io/v1/namespaces/rights/rolebindings", {
      metadata: { name: "app" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "app" },
      subjects: [{ kind: "ServiceAccount", name: "app", namespace: "rights" }],
    });
    const kubeconfig = await kubeconfigFor(cluster, await plane.token("rights", "app", 600));
    const app = await connect("rights", kubeconfig);
    const options = {
      image: IMAGE,
      gpu: GPU,
      proxied: "autochrome:8188",
      storage: { ok: true, message: "fine", next: "" },
    };
    const missing = async () =>
      (await checkCluster(app, options)).flatMap(({ about, ok }) =>
        about.startsWith("right to ") && !ok ? [about.slice(9)] : [],
      );
    const nameOf = ({ verb, resource }: (typeof all)[number]) => `${verb} ${resource}`;
    await expect
      .poll(missing, { timeout: 30_000 })
      .toEqual(all.filter((_, index) => index % 2 === 0).map(nameOf));
    await admin.ask({
      verb: "patch",
      resource: "test",
      path: `${role}/app`,
      body: { rules: all.map(ruleFor) },
    });
    await expect.poll(missing, { timeout: 30_000 }).toEqual([]);
    expect((await checkCluster(app, options)).filter(({ ok }) => !ok)).toEqual([]);
    // These rights are enough for all that is done.
    const { name } = await submitJob(app, submission("mine"), "the store");
    expect((await follow(app, name)).last.state).toBe("complete");
    expect(await cancelJob(app, name)).toBe(true);
  });

  test("a token that ends is told of, and a new one in the kubeconfig goes on", async () => {
    const cluster = await namespaced("tokens");
    await make("/api/v1/namespaces/tokens/serviceaccounts", { metadata: { name: "app" } });
    const app = await connect("tokens", await kubeconfigFor(cluster, await plane.token("tokens", "app", 2)));
    const ask = async () =>
      (await app.ask({ verb: "list", resource: "jobs", path: "/apis/batch/v1/namespaces/tokens/jobs" }))
        .status;
    expect(await ask()).toBe(403); // known, without rights
    await expect
      .poll(() => ask().catch((error) => error.code), { timeout: 90_000, interval: 1000 })
      .toBe("cluster-sign-in");
    await kubeconfigFor(cluster, await plane.token("tokens", "app", 600));
    expect(await ask()).toBe(403);
  });

  test("what the server does not know of a Job is refused, not dropped", async () => {
    const cluster = await namespaced("strict");
    const answer = await cluster.ask({
      ...{ verb: "create", resource: "jobs", path: "/apis/batch/v1/namespaces/strict/jobs" },
      query: { fieldValidation: "Strict" },
      body: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "x" }, spec: { novel: 1 } },
    });
    expect(answer.status).toBe(400);
  });

  /** The administrator's kubeconfig with a token instead of the certificate. */
  async function kubeconfigFor({ namespace }: Cluster, token: string): Promise<string> {
    const { readFile } = await import("node:fs/promises");
    const { loadYaml } = await import("@kubernetes/client-node");
    const config = loadYaml(await readFile(plane.kubeconfig, "utf8")) as { users: { name: string }[] };
    const path = join(folder, `${namespace}.kubeconfig`);
    await writeFile(
      path,
      JSON.stringify({ ...config, users: config.users.map(({ name }) => ({ name, user: { token } })) }),
    );
    return path;
  }
});
