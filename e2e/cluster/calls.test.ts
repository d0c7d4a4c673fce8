// What a batch costs in calls: of the API server, by its own audit log, at 100 photos and at 10,000; of the store, when a
// desk comes back and most has been fetched already. Pods copy photos instead of colouring them (copying-worker.ts says why).
//
// What is counted: every call of the desk to the API server. A batch needs a few of them once, and those are compared one by
// one. The others come by time, as long as it lasts: looks at the Job (each with the list of its unfinished pods, and one of
// events where nothing runs), a second apart at the least, watches, four seconds apart, and at the end looks whether the last
// pods have stopped, half a second apart. Larger batches take longer and so have more of these; not more in the same time.
// Bytes go to an S3 server and are no calls to the API server; where the service is reached through the API server
// ("service://"), every byte passes it, and its requests grow with the photos of course.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runBatch } from "../../app/batches/index.ts";
import { listItems } from "../../app/catalogue/index.ts";
import { findJobs } from "../../app/cluster/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import type { ApiCall } from "./control-plane.ts";
import { missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const log = silentLogger();
const WORKER = fileURLToPath(new URL("copying-worker.ts", import.meta.url));
/** The least between two looks at a Job, two watches (watch.ts), and two looks whether the last pods have stopped (jobs.ts). */
const LOOK_SECONDS = 1;
const WATCH_SECONDS = 4;
const STOP_SECONDS = 0.5;
const BY_TIME = ["get jobs", "list pods", "list events", "watch jobs"];

describe.skipIf(missing)(`calls${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let scene: Scene;
  let image: string;
  beforeAll(async () => {
    image = await mkdtemp(join(tmpdir(), "autochrome-image-"));
    await mkdir(join(image, "main", "worker"), { recursive: true });
    await writeFile(join(image, "main", "worker", "worker.ts"), `import ${JSON.stringify(WORKER)};\n`);
    scene = await startScene({ map: { "/app": image } });
  }, 300_000);
  afterAll(async () => {
    await scene?.stop();
    await rm(image, { recursive: true, force: true });
  }, 60_000);

  /** Calls of one whole batch, by verb and resource, as the API server has them; and how long it took. */
  async function costOf(photos: number) {
    const namespace = await scene.namespace(`calls-${photos}`);
    const album = await scene.album(`calls-${photos}`, photos);
    const batch = await album.queue("cluster");
    const before = (await scene.plane.calls()).length;
    const { executor, cluster } = await scene.desk({ namespace, perChunk: 200, parallelism: 4 });
    const began = performance.now();
    const counts = await runBatch({ library: album.library, executor, batch, log });
    const seconds = (performance.now() - began) / 1000;
    expect(counts).toMatchObject({ done: photos, failed: 0 });
    await executor.close();
    const counted = async () => countsOf((await scene.plane.calls()).slice(before));
    // A watch is in the audit log when it has ended. The desk's own count is the same.
    await expect.poll(counted, { timeout: 30_000 }).toEqual(cluster.calls());
    await album.expectExact(batch);
    return { calls: await counted(), seconds };
  }

  test("of the API server do not grow with the number of photos: 100 and 10,000", async () => {
    const few = await costOf(100);
    const many = await costOf(10_000);
    const once = {
      "get version": 1,
      "create jobs": 1,
      "create secrets": 1,
      "list jobs": 1,
      "delete jobs": 1,
    };
    for (const { calls, seconds } of [few, many]) {
      const others = Object.entries(calls).filter(([name]) => !BY_TIME.includes(name));
      expect(Object.fromEntries(others)).toEqual(once);
      const [looks = 0, pods = 0, events = 0, watches = 0] = BY_TIME.map((name) => calls[name]);
      expect(looks).toBeLessThanOrEqual(1 + Math.ceil(seconds / LOOK_SECONDS));
      expect(pods).toBeLessThanOrEqual(1 + Math.ceil(seconds / STOP_SECONDS));
      expect(events).toBeLessThanOrEqual(looks);
      expect(watches).toBeLessThanOrEqual(1 + Math.ceil(seconds / WATCH_SECONDS));
    }
  }, 7_200_000);

  test("of the store after a restart are about what changed: a record and its files once each, nothing that was taken before", async () => {
    const namespace = await scene.namespace("restart");
    const album = await scene.album("restart", 600);
    const batch = await album.queue("cluster");
    const first = await scene.desk({ namespace, perChunk: 100, parallelism: 2 });
    const stop = new AbortController();
    let taken = 0;
    await runBatch({
      ...{ library: album.library, executor: first.executor, batch, log, stop: stop.signal },
      onItem: () => void (++taken === 250 && stop.abort()),
    });
    await first.executor.close();
    // Meanwhile the cluster goes on by itself.
    const second = await scene.desk({ namespace, perChunk: 100, parallelism: 2 });
    const state = async () => (await findJobs(second.cluster, batch))[0]?.state;
    await expect.poll(state, { timeout: 300_000, interval: 500 }).toBe("complete");

    const left = listItems(album.library.db, batch).filter((item) => item.state === "queued");
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThanOrEqual(350);
    const before = scene.fromHere.seen.length;
    const counts = await runBatch({ library: album.library, executor: second.executor, batch, log });
    expect(counts).toMatchObject({ done: 600, failed: 0, queued: 0 });
    await album.expectExact(batch);
    const seen = scene.fromHere.seen.slice(before);
    const read = (kind: string) =>
      seen.flatMap(({ method, url }) => {
        const [, name] = new RegExp(`/restart/${kind}/${batch}/([^?]+)`).exec(url) ?? [];
        return method === "GET" && name !== undefined ? [name] : [];
      });
    const names = left.flatMap(({ id }) => [id, `${id}.colours`]);
    expect(read("out").sort()).toEqual(names.sort());
    const records = read("done");
    expect(records.length).toBe(left.length);
    expect(new Set(records).size).toBe(left.length);
    // Nothing is sent again, and no Job is made.
    expect(seen.filter(({ method, url }) => method === "PUT" && !url.includes("/check/"))).toEqual([]);
    expect(second.cluster.calls()["create jobs"]).toBeUndefined();
  }, 900_000);
});

/** By verb and resource: "list pods" → 12. */
function countsOf(calls: readonly ApiCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, path } of calls) {
    const { pathname } = new URL(path, "http://server");
    const resource = /\/namespaces\/[^/]+\/([a-z]+)/.exec(pathname)?.[1] ?? pathname.slice(1);
    counts[`${verb} ${resource}`] = (counts[`${verb} ${resource}`] ?? 0) + 1;
  }
  return counts;
}
