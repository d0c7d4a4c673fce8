// Everything that can happen to the storage while an album is on a cluster. Whatever it was, in the end each photo is done
// once, and who waited heard a sentence that says what was the matter.
import { readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { runBatch } from "../../app/batches/index.ts";
import { type Counts, countItems, listItems } from "../../app/catalogue/index.ts";
import { batchKey, findJobs } from "../../app/cluster/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import type { HttpFault, SeenRequest } from "./fault-proxy.ts";
import {
  type Album,
  type Desk,
  type DeskOptions,
  missingForScenes,
  type Scene,
  startScene,
} from "./scene.ts";

const missing = await missingForScenes();
const PHOTOS = 8;
const REFUSED: HttpFault = {
  ...{ kind: "status", status: 403 },
  body: "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>",
};
const log = silentLogger();
const attemptFile = z.object({ chunks: z.array(z.array(z.string())) });

const isPut = ({ method }: SeenRequest) => method === "PUT";
/** The list of the first attempt: all that it names is there then, and its Job is not. */
const isList = (one: SeenRequest) => isPut(one) && one.url.includes("/attempt-1");
const isOf =
  (kind: string) =>
  ({ url }: SeenRequest) =>
    url.includes(`/${kind}/`);

/** An album whose batch waits in the queue, and what is needed to run it. */
interface Stage {
  readonly namespace: string;
  readonly album: Album;
  readonly batch: string;
  readonly photos: number;
  /** Where the storage has what belongs to this desk, as files. */
  readonly files: string;
  desk(options?: Partial<DeskOptions>): Promise<Desk>;
  /** Runs the batch until it is over or cannot go on. */
  run(desk: Desk, stop?: AbortSignal): Promise<Counts>;
  /** All photos done, nothing else anywhere. */
  expectExact(desk: Desk): Promise<void>;
}

describe.skipIf(missing)(
  `a storage with faults${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 600_000 },
  () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene();
    }, 300_000);
    afterAll(() => scene?.stop(), 60_000);
    afterEach(async () => {
      scene.fromHere.set(undefined);
      scene.fromPods.set(undefined);
      await scene.s3.up();
    });

    async function stage(name: string, photos = PHOTOS): Promise<Stage> {
      const namespace = await scene.namespace(name);
      const album = await scene.album(name, photos);
      const batch = await album.queue("cluster");
      return {
        ...{ namespace, album, batch, photos, files: join(scene.s3.files, namespace) },
        desk: (options = {}) =>
          scene.desk({
            ...{ namespace, perChunk: 4, parallelism: 2, patience: { retries: 6, backoffMs: 50 } },
            ...options,
          }),
        run(desk, stop) {
          const running = runBatch({
            ...{ library: album.library, executor: desk.executor, batch, log },
            ...(stop === undefined ? {} : { stop }),
          });
          running.catch(() => undefined); // looked at when its time has come
          return running;
        },
        async expectExact(desk) {
          expect(listItems(album.library.db, batch).flatMap(({ error }) => error ?? [])).toEqual([]);
          await album.expectExact(batch);
          const left: string[] = [];
          for (const kind of ["batch/", "done/", "out/"])
            for await (const { key } of desk.store.list(kind)) left.push(key);
          expect(left).toEqual([]);
          expect(await findJobs(desk.cluster, batch)).toEqual([]);
          await desk.executor.close();
        },
      };
    }

    const heard = (desk: Desk, words: RegExp) =>
      expect.poll(() => desk.words.join("\n"), { timeout: 120_000, interval: 100 }).toMatch(words);

    /** What happens at the nth request of a kind. */
    function at(nth: number, isMeant: (request: SeenRequest) => boolean, then: () => HttpFault | undefined) {
      let count = 0;
      return (request: SeenRequest) => (isMeant(request) && ++count === nth ? then() : undefined);
    }
    const down = (): HttpFault => {
      void scene.s3.down();
      return { kind: "refuse" };
    };
    const jobOf = async (desk: Desk, { batch }: Stage) => (await findJobs(desk.cluster, batch)).at(-1);
    /** How often Jobs were made in a namespace, those that are gone included. */
    const jobsMade = async (namespace: string) =>
      (await scene.plane.calls()).filter(
        ({ verb, path, code }) =>
          verb === "create" && path.startsWith(`/apis/batch/v1/namespaces/${namespace}/jobs`) && code === 201,
      ).length;

    /** The cluster does its work, and nobody fetches anything of it. @returns ids of photos by chunk */
    async function workedOff(here: Stage): Promise<string[][]> {
      scene.fromHere.set((one) => (isOf("out")(one) ? { kind: "status", status: 503 } : undefined));
      const stop = new AbortController();
      const desk = await here.desk();
      const running = here.run(desk, stop.signal);
      const state = async () => (await jobOf(desk, here))?.state;
      await expect.poll(state, { timeout: 120_000 }).toBe("complete");
      stop.abort();
      expect(await running).toMatchObject({ queued: here.photos });
      scene.fromHere.set(undefined);
      const list = await desk.store.getBytes(batchKey(here.batch, "attempt-1"), { maxBytes: 1e6 });
      await desk.executor.close();
      return attemptFile.parse(JSON.parse(Buffer.from(list).toString())).chunks;
    }

    describe("that is not there for a while", () => {
      test("while photos are sent", async () => {
        const here = await stage("down-sending");
        const desk = await here.desk();
        scene.fromHere.set(at(3, (one) => isPut(one) && isOf("in")(one), down));
        const running = here.run(desk);
        await heard(desk, /The bucket .* cannot be reached: .* Check the network.* It is tried again\./);
        await scene.s3.up();
        await running;
        await here.expectExact(desk);
      });

      test("while pods work: they end, and are tried again", async () => {
        const here = await stage("down-working");
        const desk = await here.desk();
        scene.fromPods.set(at(2, (one) => isPut(one) && isOf("done")(one), down));
        const running = here.run(desk);
        await heard(desk, /The bucket .* cannot be reached/);
        const failed = async () => (await scene.pods(here.namespace, "Failed")).length;
        await expect.poll(failed, { timeout: 120_000 }).toBeGreaterThan(0);
        await scene.s3.up();
        await running;
        await here.expectExact(desk);
      });

      test("while results are fetched", async () => {
        const here = await stage("down-fetching");
        const desk = await here.desk();
        scene.fromHere.set(at(2, isOf("out"), down));
        const running = here.run(desk);
        await heard(desk, /The bucket .* cannot be reached/);
        await scene.s3.up();
        await running;
        await here.expectExact(desk);
      });
    });

    describe("on a bad way", () => {
      const faults: readonly (readonly [string, HttpFault])[] = [
        ["refuses", { kind: "refuse" }],
        ["breaks off", { kind: "cut", after: 700 }],
        ["breaks off uploads", { kind: "cut-upload", after: 700 }],
        ["truncates", { kind: "truncate", to: 700 }],
        ["changes what is fetched", { kind: "corrupt" }],
        ["changes what is sent", { kind: "corrupt-upload" }],
        ["loses answers", { kind: "lose-answer" }],
        ["is slow", { kind: "slow", bytesPerSecond: 20_000 }],
        ["is late", { kind: "delay", ms: 700 }],
      ];
      /** Whatever is asked for, the first time for each thing. */
      const firstOfEach = (fault: HttpFault) => {
        const met = new Set<string>();
        return ({ method, url }: SeenRequest) => {
          const { pathname, searchParams } = new URL(url, "http://store");
          const thing = `${method} ${pathname} ${searchParams.get("prefix") ?? ""}`;
          const isFirst = !met.has(thing);
          met.add(thing);
          return isFirst ? fault : undefined;
        };
      };
      test.each(faults)("%s the first time for each thing, on both sides", async (name, fault) => {
        const here = await stage(`way-${name.replaceAll(/\W+/g, "-")}`);
        for (const proxy of [scene.fromHere, scene.fromPods]) proxy.set(firstOfEach(fault));
        const desk = await here.desk();
        await here.run(desk);
        expect(await jobsMade(here.namespace)).toBe(1);
        await here.expectExact(desk);
      });

      test.each([503, 429])("storms of %i, on both sides", async (status) => {
        const here = await stage(`storm-${status}`);
        for (const proxy of [scene.fromHere, scene.fromPods]) {
          let count = 0;
          proxy.set(() => (++count % 30 > 24 ? { kind: "status", status } : undefined));
        }
        const desk = await here.desk();
        await here.run(desk);
        await here.expectExact(desk);
      });
    });

    describe("that has something else than it should", () => {
      test("results and records: what is wrong is done again, and nothing else", async () => {
        const here = await stage("wrong-results", 12);
        const [first, second, third] = await workedOff(here);
        const out = (id: string | undefined) => join(here.files, "out", here.batch, id ?? "");
        const desk = await here.desk();
        const records: string[] = [];
        for await (const { key } of desk.store.list("done/")) records.push(key);
        const record = (chunk: number, place: number) => records[4 * chunk + place] ?? "";
        const { length } = await readFile(out(first?.[0]));
        await writeFile(out(first?.[0]), Buffer.alloc(length, 7));
        await writeFile(out(first?.[1]), "short");
        await rm(out(first?.[2]));
        await desk.store.putBytes(record(0, 3), Buffer.from("no record"));
        await writeFile(join(here.files, record(1, 0)), "no digest");
        await writeFile(out(`${second?.[1]}.colours`), "no colours");
        const failed = { code: "gave-up", message: "It is another photo's.", next: "Nothing." };
        const foreign = { status: "failed", id: third?.[1], error: failed, pod: "nobody" };
        await desk.store.putBytes(record(2, 0), Buffer.from(JSON.stringify(foreign)));
        await rm(join(here.files, record(2, 2))); // who reads in order sees nothing of what is behind it
        const before = scene.fromPods.seen.length;
        await here.run(desk);
        const again = scene.fromPods.seen.slice(before).filter((one) => isPut(one) && isOf("done")(one));
        expect(again.length).toBe(9);
        expect(await jobsMade(here.namespace)).toBe(2);
        await here.expectExact(desk);
      });

      test("a list of an attempt that cannot be read, and one that is gone: all is done by the next attempt", async () => {
        for (const spoil of ["garbage", "gone"]) {
          const here = await stage(`wrong-list-${spoil}`);
          await workedOff(here);
          const desk = await here.desk();
          const key = batchKey(here.batch, "attempt-1");
          if (spoil === "gone") await desk.store.delete([key]);
          else await desk.store.putBytes(key, Buffer.from("no list"));
          await here.run(desk);
          await here.expectExact(desk);
        }
      });

      test("a chunk that is gone before its pod begins: its photos are sent once more", async () => {
        const here = await stage("no-chunk");
        const desk = await here.desk();
        scene.fromHere.set(
          at(1, isList, () => {
            rmSync(join(here.files, "batch", here.batch, "1-0"));
            return undefined;
          }),
        );
        await here.run(desk);
        await heard(
          desk,
          /trouble with the storage: Something that should be in the storage .* is not there/,
        );
        await here.expectExact(desk);
      });

      test("photos that are gone or other ones before their pod begins: they are sent once more", async () => {
        const here = await stage("no-inputs");
        const desk = await here.desk();
        scene.fromHere.set(
          at(1, isList, () => {
            const folder = join(here.files, "in");
            const [one, other] = readdirSync(folder).sort();
            rmSync(join(folder, one ?? ""));
            const { size } = statSync(join(folder, other ?? ""));
            writeFileSync(join(folder, other ?? ""), Buffer.alloc(size, 7));
            return undefined;
          }),
        );
        const before = scene.fromHere.seen.length;
        await here.run(desk);
        const sent = scene.fromHere.seen.slice(before).filter((one) => isPut(one) && isOf("in")(one));
        expect(sent.length).toBe(PHOTOS + 2);
        expect(await jobsMade(here.namespace)).toBe(2);
        await here.expectExact(desk);
      });
    });

    describe("that refuses us", () => {
      test("at the start: the batch waits in the queue", async () => {
        const here = await stage("refused-start");
        const desk = await here.desk();
        scene.fromHere.set(() => REFUSED);
        const error = await here.run(desk).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: "storage-denied",
          message: expect.stringMatching(/The bucket .* does not permit us to write there\.$/),
          next: expect.stringMatching(/Give the key the right/),
        });
        expect(countItems(here.album.library.db, here.batch)).toMatchObject({ queued: PHOTOS, failed: 0 });
        scene.fromHere.set(undefined);
        await here.run(desk);
        await here.expectExact(desk);
      });

      test("while photos are sent: the batch waits in the queue", async () => {
        const here = await stage("refused-sending");
        const desk = await here.desk();
        scene.fromHere.set((one) => (isPut(one) && isOf("in")(one) ? REFUSED : undefined));
        const error = await here.run(desk).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: "storage-denied",
          message: expect.stringMatching(/The bucket .* does not permit us to write there\.$/),
        });
        expect(countItems(here.album.library.db, here.batch)).toMatchObject({ queued: PHOTOS, failed: 0 });
        scene.fromHere.set(undefined);
        await here.run(desk);
        await here.expectExact(desk);
      });

      test("in the middle: it is waited for with words, and gone on with", async () => {
        const here = await stage("refused-middle");
        const desk = await here.desk();
        let isRefusing = false;
        const refusing = () => (isRefusing ? REFUSED : undefined);
        scene.fromHere.set(refusing);
        scene.fromPods.set((one) => {
          if (isPut(one) && isOf("done")(one)) isRefusing = true;
          return refusing();
        });
        const running = here.run(desk);
        await heard(desk, /The bucket .* does not permit us to see what is there\. Give the key the right/);
        const failed = async () => (await scene.pods(here.namespace, "Failed")).length;
        await expect.poll(failed, { timeout: 120_000 }).toBeGreaterThan(0);
        scene.fromHere.set(undefined);
        scene.fromPods.set(undefined);
        await running;
        await here.expectExact(desk);
      });

      test("only in the pods: no photo is to blame, the batch waits in the queue", async () => {
        const here = await stage("refused-pods");
        const desk = await here.desk({ submission: { retries: 0 } });
        scene.fromPods.set(() => REFUSED);
        const error = await here.run(desk).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: "cluster-refused",
          message: expect.stringMatching(/A pod had trouble with the storage: .* does not permit us to read/),
          next: expect.stringMatching(/check that pods reach the storage/),
        });
        expect(countItems(here.album.library.db, here.batch)).toMatchObject({ queued: PHOTOS, failed: 0 });
        scene.fromPods.set(undefined);
        await here.run(desk);
        await here.expectExact(desk);
      });
    });
  },
);
