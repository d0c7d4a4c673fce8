// A batch that is caught in its middle, for tests of faults: some photos are done, pods hold the others, and nothing moves
// until the test says so. So what happens there does not depend on how fast a computer is.
// Owns what pods meet on their way to the store while it stands still.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadYaml } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import { z } from "zod";
import { runBatch } from "../../app/batches/index.ts";
import { type Counts, countItems } from "../../app/catalogue/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import type { Album, Desk, DeskOptions, Scene } from "./scene.ts";

export const SOON = { timeout: 90_000, interval: 100 };

export interface MidBatch {
  readonly namespace: string;
  readonly album: Album;
  readonly batch: string;
  readonly desk: Desk;
  /** The batch, run to its end. */
  readonly over: Promise<Counts>;
  /** Lets the pods go on. */
  goOn(): void;
}

/**
 * A namespace, an album and its batch under way, with some photos done and all others still to be.
 * @param options `done`: how many are let through
 */
export async function catchMidBatch(
  scene: Scene,
  name: string,
  options: Partial<DeskOptions> & { readonly photos?: number; readonly done?: number } = {},
): Promise<MidBatch> {
  const { photos = 8, done = 2, ...wishes } = options;
  const namespace = wishes.namespace ?? (await scene.namespace(name));
  const album = await scene.album(name, photos);
  const batch = await album.queue("cluster");
  const desk = await scene.desk({ perChunk: 2, ...wishes, namespace });
  const goOn = holdRecords(scene, done);
  const over = run(album, desk, batch);
  over.catch(() => undefined); // looked at when its time comes
  await Promise.race([
    over, // not before its middle: then its error is the test's
    expect.poll(() => countItems(album.library.db, batch).done, SOON).toBeGreaterThanOrEqual(done),
  ]);
  return { namespace, album, batch, desk, over, goOn };
}

/** Lets so many records of photos through and holds all others back. @returns what lets them go */
export function holdRecords(scene: Scene, count: number): () => void {
  const gate = Promise.withResolvers<void>();
  let left = count;
  scene.fromPods.set(({ method, url }) =>
    method === "PUT" && url.includes("/done/") && --left < 0
      ? { kind: "hold", until: gate.promise }
      : undefined,
  );
  return () => {
    scene.fromPods.set(undefined);
    gate.resolve();
  };
}

export function run(album: Album, { executor }: Desk, batch: string, stop?: AbortSignal): Promise<Counts> {
  return runBatch({
    ...{ library: album.library, executor, batch, log: silentLogger() },
    ...(stop === undefined ? {} : { stop }),
  });
}

/** Waits for the end of the batch: everything exact, and nothing left on the cluster. */
export async function expectOver(scene: Scene, { over, album, batch, namespace }: MidBatch): Promise<void> {
  await over;
  await album.expectExact(batch);
  await expectNoJobs(scene, namespace);
}

export function expectNoJobs(scene: Scene, namespace: string): Promise<void> {
  return expect.poll(async () => (await listJobs(scene, namespace)).length, SOON).toBe(0);
}

/** Waits until the desk has heard a sentence. */
export function expectHeard({ words }: Desk, pattern: RegExp): Promise<void> {
  return expect.poll(() => words.join("\n"), SOON).toMatch(pattern);
}

const objectsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        deletionTimestamp: z.string().optional(),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
      spec: z.object({ nodeName: z.string().optional() }).prefault({}),
      status: z.object({ phase: z.string().default("") }).prefault({}),
    }),
  ),
});

export async function listJobs(scene: Scene, namespace: string): Promise<string[]> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const { body } = await scene.admin.ask({ verb: "list", resource: "test", path });
  return objectsSchema.parse(body).items.map(({ metadata }) => metadata.name);
}

/** How many Jobs were ever made in a namespace. */
export async function countMadeJobs(scene: Scene, namespace: string): Promise<number> {
  const calls = await scene.plane.calls();
  return calls.filter(
    ({ verb, path, code }) =>
      verb === "create" && path.includes(`/namespaces/${namespace}/jobs`) && code === 201,
  ).length;
}

export interface RunningPod {
  readonly name: string;
  readonly node: string;
  /** Of the Job: a chunk. */
  readonly index: number;
}

/** Pods of a namespace whose container runs, and which nobody has asked to end. */
export async function listRunning(scene: Scene, namespace: string): Promise<RunningPod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const { body } = await scene.admin.ask({ verb: "list", resource: "test", path });
  return objectsSchema.parse(body).items.flatMap(({ metadata, spec, status }) =>
    status.phase === "Running" && metadata.deletionTimestamp === undefined
      ? {
          name: metadata.name,
          node: spec.nodeName ?? "",
          index: Number(metadata.annotations["batch.kubernetes.io/job-completion-index"]),
        }
      : [],
  );
}

/** A pod that runs and is of the kind that is meant, now or soon. */
export function runningPod(
  scene: Scene,
  namespace: string,
  isMeant: (pod: RunningPod) => boolean = () => true,
): Promise<RunningPod> {
  return vi.waitFor(async () => {
    const pod = (await listRunning(scene, namespace)).find(isMeant);
    if (pod === undefined) throw new Error("No such pod runs.");
    return pod;
  }, SOON);
}

/** What the administrator makes, behind everybody's back. */
export async function make(scene: Scene, path: string, body: object): Promise<void> {
  expect(await scene.admin.ask({ verb: "create", resource: "test", path, body })).toMatchObject({
    status: 201,
  });
}

/** The administrator's kubeconfig, with something else in it. @returns its path, the same for the same name */
export async function kubeconfigWith(
  scene: Scene,
  name: string,
  { port, token }: { readonly port?: number; readonly token?: string },
): Promise<string> {
  const config = kubeconfigSchema.parse(loadYaml(await readFile(scene.plane.kubeconfig, "utf8")));
  for (const { cluster } of config.clusters)
    if (port !== undefined) cluster.server = `https://127.0.0.1:${port}`;
  if (token !== undefined) for (const one of config.users) one.user = { token };
  const path = join(scene.folder, `${name}.kubeconfig`);
  await writeFile(path, JSON.stringify(config));
  return path;
}

const kubeconfigSchema = z.looseObject({
  clusters: z.array(z.looseObject({ cluster: z.looseObject({ server: z.string() }) })),
  users: z.array(z.looseObject({ user: z.looseObject({}) })),
});

/** A service account that may do what the chart's Role allows. */
export async function accountWith(
  scene: Scene,
  namespace: string,
  rules: readonly object[],
): Promise<{ token(seconds: number): Promise<string> }> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await make(scene, `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: "app" } });
  await make(scene, `${rbac}/roles`, { metadata: { name: "app" }, rules });
  await make(scene, `${rbac}/rolebindings`, {
    metadata: { name: "app" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "app" },
    subjects: [{ kind: "ServiceAccount", name: "app", namespace }],
  });
  return { token: (seconds) => scene.plane.token(namespace, "app", seconds) };
}
