// A batch on a cluster that somebody has: the one of AUTOCHROME_TEST_KUBECONFIG, in a namespace of the test's own that it
// removes at the end. AUTOCHROME_TEST_IMAGE is an image that it can pull, AUTOCHROME_TEST_STORE the storage as the setting
// clusterStore says it (keys from the environment); without them a batch is sent as far as it goes. AUTOCHROME_TEST_GPU names
// the resource of a GPU; otherwise pods run on CPUs. Commands are run as their users do.
// Must never: touch anything of the cluster outside its namespace, or anything in the storage but what it put there.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { listVersions, openLibrary, photosOf } from "../../app/catalogue/index.ts";
import {
  type Cluster,
  cancelJob,
  connectCluster,
  findJobs,
  inputKey,
  lookAtJob,
  submissionSchema,
  submitJob,
} from "../../app/cluster/index.ts";
import { hashFile, loadConfig } from "../../app/kernel/index.ts";
import { storeOf } from "../../main/cli/cluster.ts";
import { hashesBelow, run } from "../cli.ts";

const {
  AUTOCHROME_TEST_KUBECONFIG: kubeconfig,
  AUTOCHROME_TEST_IMAGE: image,
  AUTOCHROME_TEST_STORE: storage,
  AUTOCHROME_TEST_GPU: gpu = "none",
  AUTOCHROME_CLUSTER_STORE_KEY: storeKey,
} = process.env;
const PHOTOS = 12;
const why =
  kubeconfig === undefined
    ? " (skipped: AUTOCHROME_TEST_KUBECONFIG names none)"
    : image === undefined || storage === undefined
      ? " (in part: AUTOCHROME_TEST_IMAGE and AUTOCHROME_TEST_STORE are needed for photos)"
      : "";

describe.skipIf(kubeconfig === undefined)(`an existing cluster${why}`, () => {
  const namespace = `autochrome-test-${randomUUID().slice(0, 8)}`;
  let folder: string;
  let cluster: Cluster;
  let settings: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-existing-"));
    cluster = await connectCluster({ kubeconfig, namespace });
    settings = {
      ...{ AUTOCHROME_KUBECONFIG: kubeconfig ?? "", AUTOCHROME_KUBE_NAMESPACE: namespace },
      ...{ AUTOCHROME_CLUSTER_GPU: gpu, AUTOCHROME_CLUSTER_PHOTOS_PER_POD: "5" },
      ...(image === undefined ? {} : { AUTOCHROME_CLUSTER_IMAGE: image }),
      ...(storage === undefined ? {} : { AUTOCHROME_CLUSTER_STORE: storage }),
      ...(storeKey === undefined ? {} : { AUTOCHROME_CLUSTER_STORE_KEY: storeKey }),
      ...{ AUTOCHROME_LIBRARY: join(folder, "library"), XDG_DATA_HOME: join(folder, "data") },
    };
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await make("/api/v1/namespaces", { metadata: { name: namespace, labels } });
    // What pods may take, as the chart would say it: a small cluster has room for these.
    const amounts = { cpu: { request: "100m", limit: "2" }, memory: { request: "256Mi", limit: "4Gi" } };
    await make(`/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name: "autochrome-worker" },
      data: { "jobs.json": JSON.stringify(amounts) },
    });
    await untilStatus(`/api/v1/namespaces/${namespace}/serviceaccounts/default`, 200);
  }, 120_000);
  afterAll(async () => {
    const path = `/api/v1/namespaces/${namespace}`;
    await cluster.ask({ verb: "delete", resource: "namespaces", path });
    await untilStatus(path, 404);
    await cluster.close();
    await rm(folder, { recursive: true, force: true });
  }, 180_000);

  async function make(path: string, body: object): Promise<void> {
    const answer = await cluster.ask({ verb: "create", resource: "test", path, body });
    expect(answer, `the kubeconfig must allow to create ${path}`).toMatchObject({ status: 201 });
  }
  async function untilStatus(path: string, status: number): Promise<void> {
    const look = () => cluster.ask({ verb: "get", resource: "test", path });
    await vi.waitFor(async () => expect(await look()).toMatchObject({ status }), {
      timeout: 110_000,
      interval: 500,
    });
  }

  test("the check says of everything whether it is there, and what to do where it is not", async () => {
    const { lines, summary } = await run(["cluster", "check"], settings);
    expect(summary).toMatchObject({ namespace });
    const findings = lines.slice(0, -1);
    const rights = findings.filter(({ about }) => String(about).startsWith("right to "));
    expect(rights.length).toBeGreaterThan(8);
    expect(rights.filter(({ ok }) => ok !== true)).toEqual([]);
    expect(findings).toContainEqual(expect.objectContaining({ about: "version", ok: true }));
    for (const { ok, next } of findings) if (ok === false) expect(next).toEqual(expect.any(String));
    const needed = findings.filter(({ about }) => about === "storage");
    if (storage !== undefined) expect(needed).toMatchObject([{ ok: true }]);
  });

  test("a batch whose image is not there says so, and is cancelled without a trace", async () => {
    const submission = submissionSchema.parse({
      ...{ install: "test", batch: `missing-${randomUUID().slice(0, 8)}`, attempt: 1, manifest: "none/1" },
      ...{ image: "registry.invalid/autochrome/none:0", chunks: 2, parallelism: 2 },
      ...{ cpu: { request: "10m", limit: "1" }, memory: { request: "16Mi", limit: "1Gi" } },
    });
    const { name, created } = await submitJob(cluster, submission, "{}");
    expect(created).toBe(true);
    const words = async () => (await lookAtJob(cluster, name)).words.map(({ message }) => message).join(" ");
    await expect
      .poll(words, { timeout: 120_000, interval: 1000 })
      .toContain("registry.invalid/autochrome/none:0 cannot be pulled");
    expect(await cancelJob(cluster, name)).toBe(true);
    await expect
      .poll(() => findJobs(cluster, submission.batch), { timeout: 120_000, interval: 500 })
      .toEqual([]);
    const pods = async () => {
      const path = `/api/v1/namespaces/${namespace}/pods`;
      return (await cluster.ask({ verb: "list", resource: "pods", path })).body;
    };
    await expect.poll(pods, { timeout: 120_000, interval: 500 }).toMatchObject({ items: [] });
  }, 400_000);

  test.skipIf(image === undefined || storage === undefined)(
    `${PHOTOS} photos: coloured, fetched, recorded once; originals untouched, the storage as before`,
    async () => {
      const photos = join(folder, "photos");
      await mkdir(photos);
      for (let nth = 0; nth < PHOTOS; nth++) {
        const grey = { raw: { width: 96, height: 72, channels: 1 } } as const;
        await sharp(randomBytes(96 * 72), grey)
          .blur(3)
          .toFile(join(photos, `${nth}.jpg`));
      }
      const originals = await hashesBelow(photos);
      expect((await run(["import", photos], settings)).summary).toMatchObject({ imported: PHOTOS });
      const store = await storeOf(loadConfig({ ...settings, AUTOCHROME_CONFIG: "/nonexistent" }), cluster);
      try {
        const wanted = ["--all", "--workflow", "quick", "--model-size", "64", "--on", "cluster"];
        const { code, summary, stderr, lines } = await run(["batch", "run", ...wanted], settings);
        expect({ code, summary }, stderr).toMatchObject({ code: 0, summary: { done: PHOTOS, failed: 0 } });
        expect(await hashesBelow(photos)).toEqual(originals);
        const library = await openLibrary(join(folder, "library"));
        try {
          for (const photo of photosOf(library)) {
            const [version, ...others] = listVersions(library.db, photo.id);
            expect(others).toEqual([]);
            expect(version).toMatchObject({ sourceHash: photo.hash });
            expect(await hashFile(join(library.folder, version!.file))).toBe(version!.fileHash);
          }
        } finally {
          library.close();
        }
        const batch = String(lines[0]?.batch);
        expect(await findJobs(cluster, batch)).toEqual([]);
        for (const kind of ["batch", "done", "out"]) {
          for await (const { key } of store.list(`${kind}/${batch}/`)) expect.fail(`${key} is left`);
        }
      } finally {
        await store.delete([...originals.values()].map(inputKey));
        await store.close();
      }
    },
    1_200_000,
  );
});
