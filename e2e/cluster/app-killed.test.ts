// The program on the desk is killed while an album is on a cluster, whenever that is, or stays closed, or a batch is called
// off: what is on the cluster is found again, nothing is sent or done twice, and nothing stays behind.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createClusterExecutor, runBatch } from "../../app/batches/index.ts";
import { countItems, listItems, listVersions, photosOf } from "../../app/catalogue/index.ts";
import { type Cluster, findJobs } from "../../app/cluster/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { type Running, run, start } from "../cli.ts";
import type { HttpFault, SeenRequest } from "./fault-proxy.ts";
import { type Album, type Desk, GPU, IMAGE, missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const PHOTOS = 24;
const PER_POD = 4;
const SEED = Number(process.env.AUTOCHROME_TEST_SEED ?? Date.now() % 1_000_000);
const log = silentLogger();

/** Holds requests back until it is released. */
function hold(isMeant: (one: SeenRequest) => boolean) {
  const { promise: until, resolve: release } = Promise.withResolvers<void>();
  const choose = (one: SeenRequest): HttpFault | undefined =>
    isMeant(one) ? { kind: "hold", until } : undefined;
  return { choose, release };
}

/** An album, and the command line that colours it on the cluster. */
interface Place {
  readonly namespace: string;
  readonly album: Album;
  readonly desk: Desk;
  /** Settings of the command line. */
  readonly environment: Record<string, string>;
  /** Starts a command of this library. */
  start(...words: string[]): Running;
  /** Key of a request in the storage; empty for lists. */
  keyOf(request: SeenRequest): string;
  /** How often Jobs were made, those that are gone included. */
  jobsMade(): Promise<number>;
  expectExact(batch: string): Promise<void>;
  /** What lies in the storage, below these kinds. */
  stored(...kinds: string[]): Promise<string[]>;
}

describe.skipIf(missing)(
  `a program that is killed${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 900_000 },
  () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene();
    }, 300_000);
    afterAll(() => scene?.stop(), 60_000);
    const started: Running[] = [];
    afterEach(() => {
      for (const one of started.splice(0)) kill(one);
      scene.fromHere.set(undefined);
      scene.fromPods.set(undefined);
    });

    async function place(name: string): Promise<Place> {
      const namespace = await scene.namespace(name);
      const album = await scene.album(name, PHOTOS);
      const desk = await scene.desk({ namespace, perChunk: PER_POD });
      const environment = {
        ...(await scene.settings(namespace)),
        AUTOCHROME_CLUSTER_PHOTOS_PER_POD: String(PER_POD),
        AUTOCHROME_CLUSTER_PODS: "3",
        AUTOCHROME_LIBRARY: album.library.folder,
      };
      const stored = async (...kinds: string[]) => {
        const keys: string[] = [];
        for (const kind of kinds) for await (const { key } of desk.store.list(`${kind}/`)) keys.push(key);
        return keys;
      };
      return {
        ...{ namespace, album, desk, environment, stored },
        start(...words) {
          const running = start(words, environment);
          started.push(running);
          return running;
        },
        keyOf: ({ url }) => new URL(url, "http://store").pathname.split(`/${namespace}/`)[1] ?? "",
        jobsMade: async () =>
          (await scene.plane.calls()).filter(
            ({ verb, path, code }) =>
              verb === "create" &&
              path.startsWith(`/apis/batch/v1/namespaces/${namespace}/jobs`) &&
              code === 201,
          ).length,
        async expectExact(batch) {
          await album.expectExact(batch);
          expect(await stored("batch", "done", "out")).toEqual([]);
          expect(await findJobs(desk.cluster, batch)).toEqual([]);
        },
      };
    }

    const RUN = ["batch", "run", "--all", "--on", "cluster", "--workflow", "quick", "--model-size", "64"];
    const batchOf = async (running: Running): Promise<string> =>
      String((await running.lineWith(({ batch }) => typeof batch === "string")).batch);
    /** With all that it started, as when the power goes. */
    function kill({ child }: Running): void {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
        process.kill(-child.pid, "SIGKILL");
    }
    const isDone = ({ status }: Record<string, unknown>) => status === "done";

    test(`at 8 random moments: gone on with each time, all exact in the end (seed ${SEED})`, async () => {
      const here = await place("killed");
      /** Kills at the nth request to the storage that is meant. */
      const killed = async (running: Running, nth: number, isMeant: (one: SeenRequest) => boolean) => {
        let count = 0;
        scene.fromHere.set((one) => {
          if (isMeant(one) && ++count === nth) kill(running);
          return undefined;
        });
        const { code, stderr } = await running.ended;
        scene.fromHere.set(undefined);
        expect([code, stderr]).toEqual([null, expect.any(String)]);
      };
      const isOf = (kind: string) => (one: SeenRequest) => here.keyOf(one).startsWith(`${kind}/`);
      const isPut = (one: SeenRequest) => one.method === "PUT";
      const isList = (one: SeenRequest) => here.keyOf(one) === "" && one.url.includes("prefix=");
      const lists = (kind: string) => (one: SeenRequest) =>
        isList(one) && decodeURIComponent(one.url).includes(`prefix=${here.namespace}/${kind}/`);
      const [early, sending, chunk, look, ...fetching] = fc.sample(fc.nat(0xffff), {
        seed: SEED,
        numRuns: 7,
      });
      const within = (random: number | undefined, most: number) => 1 + ((random ?? 0) % most);

      const first = here.start(...RUN);
      const known = batchOf(first);
      await killed(first, within(early, 20), isPut); // before photos are sent, or among the first
      const batch = await known;
      const resume = () => here.start("batch", "resume", batch);
      await killed(resume(), within(sending, 24), isOf("in"));
      await killed(resume(), within(chunk, 6), (one) => isPut(one) && isOf("batch")(one));
      // The list of the first attempt: its Job is not made any more.
      await killed(resume(), 1, (one) => isPut(one) && /\/attempt-1$/.test(here.keyOf(one)));
      // The Job is there, and there may be no record yet.
      await killed(resume(), within(look, 4), lists("done"));
      for (const random of fetching) await killed(resume(), within(random, 6), isOf("out"));

      const last = await resume().ended;
      expect([last.code, last.stderr]).toEqual([0, expect.any(String)]);
      await here.expectExact(batch);
      expect(await here.jobsMade()).toBe(1);
      const records = scene.fromPods.seen.filter((one) => isPut(one) && isOf("done")(one));
      expect(records.length).toBe(PHOTOS);
      expect(new Set(records.map(here.keyOf)).size).toBe(PHOTOS);
    });

    test("stays closed until all pods have ended: all is fetched without a pod; after that only what is new", async () => {
      /** What the next start asks the storage for. */
      const askedBy = async (here: Place, batch: string) => {
        const [asked, done] = [scene.fromHere.seen.length, scene.fromPods.seen.length];
        const { code, summary } = await here.start("batch", "resume", batch).ended;
        expect([code, summary]).toEqual([0, expect.objectContaining({ state: "finished" })]);
        await here.expectExact(batch);
        expect(await here.jobsMade()).toBe(1);
        expect(scene.fromPods.seen.length).toBe(done); // no pod has begun
        const requests = scene.fromHere.seen.slice(asked);
        const fetched = (kind: string) =>
          requests.filter((one) => one.method === "GET" && here.keyOf(one).startsWith(`${kind}/`)).length;
        return {
          all: requests.length,
          records: fetched("done"),
          files: fetched("out"),
          inputs: fetched("in"),
        };
      };
      const state = async ({ desk }: Place, batch: string) =>
        (await findJobs(desk.cluster, batch)).at(-1)?.state;

      const closed = await place("closed");
      const first = closed.start(...RUN);
      const batch = await batchOf(first);
      await expect.poll(() => state(closed, batch), { timeout: 120_000 }).toBe("running");
      kill(first);
      await first.ended;
      await expect.poll(() => state(closed, batch), { timeout: 300_000 }).toBe("complete");
      const before = countItems(closed.album.library.db, batch).done;
      const everything = await askedBy(closed, batch);
      expect(everything).toMatchObject({ records: PHOTOS - before, inputs: 0 });
      expect(everything.files).toBe(2 * (PHOTOS - before)); // of each the version and its colours

      // Five of six parts are fetched, then the program is closed, then the sixth is done.
      const short = await place("short");
      const sixth = hold((one) => short.keyOf(one).endsWith("/1-5"));
      scene.fromPods.set(sixth.choose);
      const second = short.start(...RUN);
      const other = await batchOf(second);
      const fetchedBefore = () => countItems(short.album.library.db, other).done;
      await expect.poll(fetchedBefore, { timeout: 300_000 }).toBe(PHOTOS - PER_POD);
      kill(second);
      await second.ended;
      sixth.release();
      await expect.poll(() => state(short, other), { timeout: 300_000 }).toBe("complete");
      const news = await askedBy(short, other);
      expect(news).toMatchObject({ records: PER_POD, files: 2 * PER_POD, inputs: 0 });
      expect(news.all).toBeLessThan(everything.all / 2);
    });

    test("between a Job and its Secret: the pods that wait for it get it, and no other Job is made", async () => {
      const here = await place("no-secret");
      const batch = await here.album.queue("cluster");
      const stop = new AbortController();
      const { cluster, store } = here.desk;
      const broken: Cluster = {
        ...cluster,
        async ask(request) {
          if (request.resource !== "secrets") return cluster.ask(request);
          stop.abort();
          throw stop.signal.reason;
        },
      };
      const submission = { install: "desk", image: IMAGE, parallelism: 3, gpu: GPU } as const;
      const executor = createClusterExecutor({ cluster: broken, store, submission, perChunk: PER_POD, log });
      const left = await runBatch({ library: here.album.library, executor, batch, log, stop: stop.signal });
      expect(left).toMatchObject({ queued: PHOTOS });
      expect(await findJobs(cluster, batch)).toHaveLength(1);
      const counts = await runBatch({
        library: here.album.library,
        executor: here.desk.executor,
        batch,
        log,
      });
      expect(counts).toMatchObject({ done: PHOTOS, failed: 0 });
      expect(await here.jobsMade()).toBe(1);
      await here.expectExact(batch);
    });

    test("called off by another process: Job and pods go, what is finished stays, the storage is cleared", async () => {
      const here = await place("cancelled");
      scene.fromPods.set(hold((one) => here.keyOf(one).endsWith("/1-5")).choose);
      const running = here.start(...RUN);
      const batch = await batchOf(running);
      await running.lineWith(isDone);
      const cancelled = await here.start("batch", "cancel", batch).ended;
      expect([cancelled.code, cancelled.stderr]).toEqual([0, expect.any(String)]);
      const { code, summary } = await running.ended;
      expect([code, summary]).toMatchObject([0, { state: "cancelled" }]);
      expect(await findJobs(here.desk.cluster, batch)).toEqual([]);
      for (const phase of ["Running", "Pending"] as const)
        await expect.poll(() => scene.pods(here.namespace, phase), { timeout: 60_000 }).toEqual([]);
      expect(await here.stored("batch", "done", "out")).toEqual([]);
      const { library } = here.album;
      const counts = countItems(library.db, batch);
      expect(counts).toMatchObject({ queued: 0, running: 0, failed: 0 });
      expect(counts.done).toBeGreaterThan(0);
      expect(counts.cancelled).toBe(PHOTOS - counts.done);
      const versions = [...photosOf(library)].flatMap(({ id }) => listVersions(library.db, id));
      expect(versions.length).toBe(counts.done);
      expect(listItems(library.db, batch).flatMap(({ error }) => error ?? [])).toEqual([]);
    });

    test("whose library is gone: `cluster clean` removes what it left", async () => {
      const here = await place("vanished");
      scene.fromPods.set(hold((one) => here.keyOf(one).startsWith("batch/")).choose);
      const running = here.start(...RUN);
      const batch = await batchOf(running);
      const jobs = async () => (await findJobs(here.desk.cluster, batch)).length;
      await expect.poll(jobs, { timeout: 120_000 }).toBe(1);
      kill(running);
      await running.ended;
      expect((await here.stored("batch", "in")).length).toBeGreaterThan(PHOTOS);
      const other = join(scene.folder, "another-library");
      await mkdir(other);
      const clean = (...days: string[]) =>
        run(["cluster", "clean", "--library", other, ...days], here.environment);
      // It may be another computer's of ours: a week is waited.
      expect((await clean()).summary).toMatchObject({ jobs: 0, files: 0 });
      expect((await clean("--older-than-days", "0")).summary).toMatchObject({ jobs: 1 });
      expect(await jobs()).toBe(0);
      expect(await here.stored("batch", "in", "done", "out", "check")).toEqual([]);
      await expect.poll(() => scene.pods(here.namespace, "Running"), { timeout: 60_000 }).toEqual([]);
      await rm(other, { recursive: true });
    });
  },
);
