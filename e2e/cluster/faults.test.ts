// Trouble between this computer and the cluster in the middle of a batch: each ends in the exact right state, with a
// sentence that says what is the matter.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countItems } from "../../app/catalogue/index.ts";
import { batchPrefixes, cancelJob } from "../../app/cluster/index.ts";
import { startTcpFaultProxy } from "./fault-proxy.ts";
import {
  accountWith,
  catchMidBatch,
  countMadeJobs,
  expectHeard,
  expectNoJobs,
  expectOver,
  holdRecords,
  kubeconfigWith,
  listJobs,
  run,
  SOON,
} from "./mid-batch.ts";
import { missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const LONG = 300_000;

describe.skipIf(missing)(
  `trouble with the cluster${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene();
    }, LONG);
    afterAll(() => scene?.stop(), 60_000);

    test(
      "the API server stops in mid-batch and comes back: one Job, everything exact",
      async () => {
        const going = await catchMidBatch(scene, "stops", { parallelism: 2 });
        await scene.plane.stopApiServer();
        await expectHeard(going.desk, /cannot be reached.* goes on there meanwhile/);
        going.goOn();
        await scene.plane.startApiServer();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, going.namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "the API server is away when the batch is to be submitted",
      async () => {
        const namespace = await scene.namespace("submits");
        const album = await scene.album("submits", 8);
        const batch = await album.queue("cluster");
        const desk = await scene.desk({ namespace, perChunk: 2 });
        let stopping: Promise<void> | undefined;
        scene.fromHere.set(({ method, url }) => {
          if (method !== "PUT" || !url.includes(`/batch/${batch}/attempt-1`)) return undefined;
          stopping ??= scene.plane.stopApiServer();
          return { kind: "hold", until: stopping };
        });
        const over = run(album, desk, batch);
        await expectHeard(desk, /cannot be reached: it refuses the connection\..* It is tried again\./);
        scene.fromHere.set(undefined);
        expect(countItems(album.library.db, batch)).toMatchObject({ running: 8, failed: 0 });
        await scene.plane.startApiServer();
        await expectOver(scene, { namespace, album, batch, desk, over, goOn: () => undefined });
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "every connection to the API server is cut each second, the whole batch long",
      async () => {
        const proxy = await startTcpFaultProxy(Number(new URL(scene.plane.apiServer).port));
        const cutting = setInterval(() => proxy.cut(), 1000);
        try {
          const kubeconfig = await kubeconfigWith(scene, "cut", { port: proxy.port });
          const going = await catchMidBatch(scene, "cut", { kubeconfig });
          const { desk } = going;
          await expect.poll(() => desk.cluster.calls()["watch jobs"], SOON).toBeGreaterThan(2);
          going.goOn();
          await expectOver(scene, going);
          expect(await countMadeJobs(scene, going.namespace)).toBe(1);
          for (const sentence of desk.words) expect(sentence).toMatch(/the connection broke off|is starting/);
        } finally {
          clearInterval(cutting);
          await proxy.stop();
        }
      },
      LONG,
    );

    test(
      "somebody deletes the Job in mid-batch: what was left is started again",
      async () => {
        const going = await catchMidBatch(scene, "deleted");
        const [job, ...others] = await listJobs(scene, going.namespace);
        expect(others).toEqual([]);
        await scene.admin.ask({
          ...{ verb: "delete", resource: "test", query: { propagationPolicy: "Background" } },
          path: `/apis/batch/v1/namespaces/${going.namespace}/jobs/${job}`,
        });
        await expectHeard(
          going.desk,
          /Job is not on the cluster any more\. What is finished stays; the rest is started again/,
        );
        going.goOn();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, going.namespace)).toBe(2);
      },
      LONG,
    );

    test(
      "the Job ends and its time is over while nobody looks: its results are fetched, nothing is done again",
      async () => {
        const namespace = await scene.namespace("ttl");
        const album = await scene.album("ttl", 8);
        const batch = await album.queue("cluster");
        const first = await scene.desk({ namespace, perChunk: 2, submission: { keepSeconds: 1 } });
        const goOn = holdRecords(scene, 0);
        const stop = new AbortController();
        const over = run(album, first, batch, stop.signal);
        await expect.poll(async () => (await listJobs(scene, namespace)).length, SOON).toBe(1);
        await expect.poll(async () => (await scene.pods(namespace, "Running")).length, SOON).toBe(4);
        stop.abort();
        expect(await over).toMatchObject({ queued: 8, done: 0 });
        await first.executor.close();
        goOn();
        await expectNoJobs(scene, namespace);
        const desk = await scene.desk({ namespace, perChunk: 2 });
        await expectOver(scene, {
          ...{ namespace, album, batch, desk, over: run(album, desk, batch), goOn },
        });
        expect(await countMadeJobs(scene, namespace)).toBe(1);
        expect(desk.words).toEqual([]); // there is nothing to say
      },
      LONG,
    );

    test(
      "the token ends in mid-batch, and a new one in the kubeconfig goes on",
      async () => {
        const namespace = await scene.namespace("tokens");
        const { token } = await accountWith(scene, namespace, RULES);
        const kubeconfig = await kubeconfigWith(scene, "tokens", { token: await token(30) });
        const going = await catchMidBatch(scene, "tokens", { namespace, kubeconfig });
        await expectHeard(going.desk, /does not accept the credentials.*[Ss]ign in again/);
        await kubeconfigWith(scene, "tokens", { token: await token(600) });
        going.goOn();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "the token ends and no other comes: the results come nevertheless",
      async () => {
        const namespace = await scene.namespace("signed-out");
        const { token } = await accountWith(scene, namespace, RULES);
        const kubeconfig = await kubeconfigWith(scene, "signed-out", { token: await token(30) });
        const going = await catchMidBatch(scene, "signed-out", { namespace, kubeconfig });
        await expectHeard(going.desk, /does not accept the credentials/);
        going.goOn();
        expect(await going.over).toMatchObject({ done: 8, queued: 0 });
        await going.album.expectExact(going.batch);
        for (const prefix of batchPrefixes(going.batch))
          for await (const { key } of going.desk.store.list(prefix)) expect(key).toBeUndefined();
        // Nobody may remove the Job: it goes when its time is over, or when somebody who may cleans up.
        const [job] = await listJobs(scene, namespace);
        expect(await cancelJob({ ...scene.admin, namespace }, job!)).toBe(true);
      },
      LONG,
    );
  },
);

/** What the chart's Role gives. */
const RULES = [
  { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "get", "list", "watch", "patch", "delete"] },
  { apiGroups: [""], resources: ["pods", "events"], verbs: ["list"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch"] },
];
