// A desk with an album, a real cluster and a real store between them, for tests of whole batches: real API server, real
// controllers, workers as processes, S3 by versitygw, and a proxy on either side of the store for its faults.
// Owns all of it and one temporary folder. Tests that use it run where `npm run test:cluster` asks for them only.

import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect } from "vitest";
import { z } from "zod";
import {
  createClusterExecutor,
  createSurroundings,
  type Executor,
  type Plan,
  queuePhotos,
} from "../../app/batches/index.ts";
import {
  countItems,
  importPhotos,
  type Library,
  listVersions,
  openLibrary,
  photosOf,
} from "../../app/catalogue/index.ts";
import {
  type BlobStore,
  type Cluster,
  connectCluster,
  openBlobStore,
  type Patience,
} from "../../app/cluster/index.ts";
import { hashFile, silentLogger } from "../../app/kernel/index.ts";
import { readPreset, withSettings } from "../../app/workflow/index.ts";
import {
  type ControlPlane,
  type ControlPlaneOptions,
  findControlPlane,
  startControlPlane,
} from "./control-plane.ts";
import { type HttpFaultProxy, startHttpFaultProxy } from "./fault-proxy.ts";
import { findS3Server, type S3Server, startS3Server } from "./s3.ts";

export const IMAGE = "autochrome/worker:test";
export const GPU = "nvidia.com/gpu";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PODS = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });
const log = silentLogger();

/** Why scenes cannot be played here; undefined: they can. They take minutes, so they have to be asked for. */
export async function missingForScenes(): Promise<string | undefined> {
  if (process.env.AUTOCHROME_CLUSTER_TESTS !== "1")
    return "`npm run test:cluster` runs it (needs Go, takes minutes).";
  const parts = [await findControlPlane(), await findS3Server("versitygw")];
  return parts.find(({ missing }) => missing !== undefined)?.missing;
}

/** An album of a library of its own. */
export interface Album {
  readonly library: Library;
  /** Queues all photos with the preset "quick" at the smallest size. @returns the batch's id */
  queue(executor: string): Promise<string>;
  /** The library is as if nothing had ever gone wrong: each photo once, whole, and nothing else. */
  expectExact(batch: string): Promise<void>;
  /** sha256 of the photos' files now, by path. */
  originals(): Promise<ReadonlyMap<string, string>>;
}

export interface Desk {
  readonly executor: Executor;
  readonly cluster: Cluster;
  readonly store: BlobStore;
  /** All sentences that were heard while batches waited, oldest first, each change once. */
  readonly words: readonly string[];
}

export interface DeskOptions {
  readonly namespace: string;
  /** Photos of a pod. */
  readonly perChunk: number;
  readonly parallelism?: number;
  readonly kubeconfig?: string;
  /** With the store, before trouble with it is told. */
  readonly patience?: Partial<Patience>;
  /** Changes to what Jobs are like. */
  readonly submission?: Partial<Parameters<typeof createClusterExecutor>[0]["submission"]>;
}

export interface Scene {
  readonly plane: ControlPlane;
  readonly s3: S3Server;
  /** Between this desk and the store. */
  readonly fromHere: HttpFaultProxy;
  /** Between pods and the store. */
  readonly fromPods: HttpFaultProxy;
  readonly folder: string;
  /** The administrator, for what tests do behind everybody's back. */
  readonly admin: Cluster;
  /** A namespace that takes restricted pods only. @returns its name */
  namespace(name: string): Promise<string>;
  /** Pods of a namespace in this phase. */
  pods(namespace: string, phase: "Running" | "Pending" | "Failed"): Promise<string[]>;
  /** An album of so many photos, no two the same. */
  album(name: string, photos: number): Promise<Album>;
  /** What a running program has: an executor with its connections. Closed with the scene, or before. */
  desk(options: DeskOptions): Promise<Desk>;
  /** Settings of the command line that make it this desk, as environment. */
  settings(namespace: string): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startScene(options: ControlPlaneOptions = {}): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-scene-"));
  const plane = await startControlPlane({
    ...{ nodes: 2, gpus: 2, cpu: "32", memory: "128Gi", images: [IMAGE], map: { "/app": ROOT } },
    imageEnv: {
      PATH: `${dirname(execPath)}:${process.env.PATH ?? ""}`,
      // Two cores have to do for all pods together.
      AUTOCHROME_DEVICE: "cpu",
      AUTOCHROME_WORKERS: "1",
      AUTOCHROME_INFERENCE_THREADS: "1",
    },
    ...options,
  });
  const s3 = await startS3Server("versitygw");
  const [fromHere, fromPods] = [
    await startHttpFaultProxy(s3.endpoint),
    await startHttpFaultProxy(s3.endpoint),
  ];
  const admin = await connectCluster({ kubeconfig: plane.kubeconfig }, { environment: {} });
  const surroundings = createSurroundings({
    ...{ threads: 2, inferenceThreads: 1, limits: { maxMegapixels: 100 }, log },
    ...{ models: join(folder, "models"), imageModels: join(folder, "image-models") },
  });
  const open: { close(): Promise<void> | void }[] = [];

  async function ask(path: string, body: object): Promise<void> {
    const answer = await admin.ask({ verb: "create", resource: "test", path, body });
    expect(answer).toMatchObject({ status: 201 });
  }

  async function namespace(name: string): Promise<string> {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await ask("/api/v1/namespaces", { metadata: { name, labels } });
    const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    const account = async () => (await admin.ask({ verb: "get", resource: "test", path })).status;
    await expect.poll(account, { timeout: 30_000 }).toBe(200);
    return name;
  }

  async function pods(name: string, phase: string): Promise<string[]> {
    const path = `/api/v1/namespaces/${name}/pods`;
    const query = { fieldSelector: `status.phase=${phase}` };
    const { body } = await admin.ask({ verb: "list", resource: "test", path, query });
    return PODS.parse(body).items.map(({ metadata }) => metadata.name);
  }

  async function album(name: string, count: number): Promise<Album> {
    const photos = join(folder, name, "photos");
    await mkdir(photos, { recursive: true });
    for (let nth = 0; nth < count; nth++) await writeFile(join(photos, `${nth}.jpg`), await picture(nth));
    const library = await openLibrary(join(folder, name, "library"));
    open.push(library);
    await importPhotos(library, [photos], { workers: surroundings.workers });
    const paths = [...photosOf(library)].map(({ path }) => path);
    const originals = async () =>
      new Map(await Promise.all(paths.map(async (path) => [path, await hashFile(path)] as const)));
    const before = await originals();
    return {
      library,
      originals,
      async queue(executor) {
        const graph = withSettings(await readPreset("quick"), { modelSize: 64, format: "same" });
        const plan: Plan = { variants: [{ name: "quick", graph }], existing: "adopt", mayShrink: false };
        return queuePhotos(library, {}, plan, { executor, priority: 0 }).id;
      },
      async expectExact(batch) {
        expect(countItems(library.db, batch)).toMatchObject({
          done: count,
          failed: 0,
          queued: 0,
          running: 0,
        });
        const files: string[] = [];
        for (const photo of photosOf(library)) {
          const [version, ...others] = listVersions(library.db, photo.id);
          expect(others).toEqual([]);
          expect(await hashFile(join(library.folder, version!.file))).toBe(version!.fileHash);
          expect(version!.sourceHash).toBe(before.get(photo.path));
          files.push(version!.file, version!.chroma!);
        }
        const present = await readdir(join(library.folder, "versions"), {
          recursive: true,
          withFileTypes: true,
        });
        const found = present
          .filter((entry) => entry.isFile())
          .map((entry) => relative(library.folder, join(entry.parentPath, entry.name)));
        expect(found.sort()).toEqual(files.sort());
        expect(await originals()).toEqual(before);
      },
    };
  }

  async function desk(wanted: DeskOptions): Promise<Desk> {
    const { kubeconfig = plane.kubeconfig, perChunk, parallelism = 4 } = wanted;
    const cluster = await connectCluster({ kubeconfig, namespace: wanted.namespace }, { environment: {} });
    const store = await openBlobStore(
      {
        ...{ kind: "s3", bucket: s3.bucket, region: s3.region, credentials: s3 },
        ...{ endpoint: fromHere.url, insideEndpoint: fromPods.url, prefix: wanted.namespace },
      },
      wanted.patience,
    );
    const words: string[] = [];
    const executor = createClusterExecutor({
      ...{ cluster, store, perChunk, log, everyMs: 300 },
      submission: {
        ...{ install: "desk", image: IMAGE, parallelism, gpu: GPU, graceSeconds: 10 },
        ...{ cpu: { request: "100m", limit: "2" }, memory: { request: "64Mi", limit: "2Gi" } },
        ...wanted.submission,
      },
      onWords(_, now) {
        for (const { message, next } of now)
          if (words.at(-1) !== `${message} ${next}`) words.push(`${message} ${next}`);
      },
    });
    open.push(executor);
    return { executor, cluster, store, words };
  }

  return {
    ...{ plane, s3, fromHere, fromPods, folder, admin, namespace, pods, album, desk },
    settings: async (name) => ({
      AUTOCHROME_KUBECONFIG: plane.kubeconfig,
      AUTOCHROME_KUBE_NAMESPACE: name,
      AUTOCHROME_CLUSTER_IMAGE: IMAGE,
      AUTOCHROME_CLUSTER_STORE: `s3://${s3.bucket}/${name}?endpoint=${fromHere.url}&inside=${fromPods.url}&region=${s3.region}`,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      XDG_DATA_HOME: join(folder, "data"),
    }),
    async stop() {
      for (const one of open.splice(0).reverse()) await one.close();
      await admin.close();
      await plane.stop();
      await Promise.all([fromHere.stop(), fromPods.stop(), s3.stop()]);
      await surroundings.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A small grey photo that is no other's. */
function picture(nth: number): Promise<Buffer> {
  const [width, height] = [96, 72 + Math.floor(nth / 256)]; // greys repeat after 256
  const grey = Buffer.from(
    Array.from(
      { length: width * height },
      (_, at) => (at * (nth + 3) + Math.floor(at / width) * 5 + nth) % 256,
    ),
  );
  return sharp(grey, { raw: { width, height, channels: 1 } })
    .blur(2)
    .jpeg()
    .toBuffer();
}
