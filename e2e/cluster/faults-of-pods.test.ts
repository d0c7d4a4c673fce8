// Pods and nodes that end in the middle of a batch: each ends in the exact right state, with a sentence that says what is
// the matter.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { countItems, listItems } from "../../app/catalogue/index.ts";
import { jobName } from "../../app/cluster/index.ts";
import {
  catchMidBatch,
  countMadeJobs,
  expectHeard,
  expectNoJobs,
  expectOver,
  listRunning,
  make,
  run,
  runningPod,
  SOON,
} from "./mid-batch.ts";
import { type Desk, missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const LONG = 600_000;

describe.skipIf(missing)(
  `pods and nodes that end${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let scene: Scene;
    beforeAll(async () => {
      // Failed pods are replaced as late as on a real cluster: time enough to see them.
      scene = await startScene({ jobBackoffSeconds: 10 });
    }, LONG);
    afterAll(() => scene?.stop(), 60_000);

    test(
      "a pod is killed: its photos are done by the next one",
      async () => {
        const going = await catchMidBatch(scene, "killed");
        const { namespace } = going;
        const pod = await runningPod(scene, namespace);
        await scene.plane.fault({ fault: "killPod", namespace, pod: pod.name });
        await expectHeard(going.desk, /A pod was killed before it was done\. Its photos are tried again/);
        going.goOn();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a pod is evicted by its node, and another one by the API",
      async () => {
        const going = await catchMidBatch(scene, "evicted");
        const { namespace } = going;
        const pod = await runningPod(scene, namespace);
        await scene.plane.fault({ fault: "evictPod", namespace, pod: pod.name });
        await expectHeard(going.desk, /ended a pod: The node was low on resource: memory.*does not count/);
        const other = await runningPod(scene, namespace);
        await make(scene, `/api/v1/namespaces/${namespace}/pods/${other.name}/eviction`, {
          ...{ apiVersion: "policy/v1", kind: "Eviction", metadata: { name: other.name, namespace } },
        });
        await expect
          .poll(async () => (await listRunning(scene, namespace)).map(({ name }) => name), SOON)
          .not.toContain(other.name);
        going.goOn();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a pod runs out of memory: the next one takes one photo at a time",
      async () => {
        const going = await catchMidBatch(scene, "memory", { perChunk: 4 });
        const { namespace } = going;
        const pod = await runningPod(scene, namespace);
        await scene.plane.fault({ fault: "oomPod", namespace, pod: pod.name });
        await expectHeard(going.desk, /A pod ran out of memory\. Its photos are tried again, one at a time/);
        const next = await runningPod(
          scene,
          namespace,
          ({ index, name }) => index === pod.index && name !== pod.name,
        );
        await expect
          .poll(() => log(namespace, next.name), SOON)
          .toContainEqual(expect.objectContaining({ msg: "chunk begins", failures: 1 }));
        going.goOn();
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a photo that ends every pod that takes it fails alone",
      async () => {
        const namespace = await scene.namespace("poison");
        const album = await scene.album("poison", 9);
        const batch = await album.queue("cluster");
        const desk = await scene.desk({ namespace, perChunk: 3, submission: { retries: 1 } });
        const poison = listItems(album.library.db, batch)[4]!.id;
        const ending = endPodsOf(desk, namespace, batch, poison);
        try {
          const counts = await run(album, desk, batch);
          expect(counts).toMatchObject({ done: 8, failed: 1, queued: 0 });
        } finally {
          await ending.stop();
        }
        const failed = listItems(album.library.db, batch).filter(({ state }) => state === "failed");
        expect(failed).toMatchObject([{ id: poison, error: { code: "gave-up" } }]);
        expect(failed[0]?.error?.message).toMatch(
          /Each pod that took this photo ended .* ran out of memory\.$/,
        );
        expect(desk.words.join("\n")).toMatch(
          /1 of 3 parts of the batch failed .* the rest is started again/,
        );
        await expectNoJobs(scene, namespace);
      },
      LONG,
    );

    test(
      "a node loses its power and comes back",
      async () => {
        const going = await catchMidBatch(scene, "power");
        const { node } = await runningPod(scene, going.namespace);
        await scene.plane.fault({ fault: "nodeGone", node });
        await expectHeard(going.desk, new RegExp(`The node ${node}`));
        going.goOn();
        await scene.plane.fault({ fault: "nodeBack", node });
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, going.namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a node loses its power and is taken out of the cluster",
      async () => {
        const going = await catchMidBatch(scene, "scrapped");
        const { node } = await runningPod(scene, going.namespace);
        await scene.plane.fault({ fault: "nodeGone", node });
        await expectHeard(going.desk, new RegExp(`The node ${node}`));
        going.goOn();
        await scene.admin.ask({ verb: "delete", resource: "test", path: `/api/v1/nodes/${node}` });
        await expectOver(scene, going);
        expect(await countMadeJobs(scene, going.namespace)).toBe(1);
        await scene.plane.fault({ fault: "nodeBack", node });
        await untilReady(node);
      },
      LONG,
    );

    test(
      "a node is cut off while its pods work on, and comes back",
      async () => {
        const going = await catchMidBatch(scene, "cut-off");
        const { node } = await runningPod(scene, going.namespace);
        await scene.plane.fault({ fault: "nodeGone", node, keepProcesses: true });
        await expectHeard(going.desk, new RegExp(`The node ${node}`));
        going.goOn();
        const done = () => countItems(going.album.library.db, going.batch).done;
        await expect.poll(done, SOON).toBe(8); // its pods' results come all the same
        await scene.plane.fault({ fault: "nodeBack", node });
        await expectOver(scene, going);
        await expect.poll(async () => (await listRunning(scene, going.namespace)).length, SOON).toBe(0);
        expect(await countMadeJobs(scene, going.namespace)).toBe(1);
        await untilReady(node);
      },
      LONG,
    );

    /** Lines of a pod's log. */
    async function log(namespace: string, pod: string): Promise<unknown[]> {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`;
      const { body } = await scene.admin.ask({ verb: "get", resource: "test", path });
      const lines = typeof body === "string" ? body.split("\n") : [JSON.stringify(body)];
      return lines.flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    }

    /** Ends each pod that takes this photo, as out of memory, until it is stopped. */
    function endPodsOf({ store }: Desk, namespace: string, batch: string, photo: string) {
      const attempts = new Map<string, readonly (readonly string[])[]>();
      const end = async () => {
        for (let attempt = 1; attempt <= 3; attempt++) {
          const key = `batch/${batch}/attempt-${attempt}`;
          if (!attempts.has(key) && (await store.head(key)) !== undefined)
            attempts.set(
              key,
              attemptSchema.parse(
                JSON.parse(Buffer.from(await store.getBytes(key, { maxBytes: 1e6 })).toString()),
              ).chunks,
            );
          const index = attempts.get(key)?.findIndex((ids) => ids.includes(photo)) ?? -1;
          if (index < 0) continue;
          for (const { name } of await listRunning(scene, namespace))
            if (name.startsWith(`${jobName({ batch, attempt })}-${index}-`))
              await scene.plane.fault({ fault: "oomPod", namespace, pod: name });
        }
      };
      let isOver = false;
      const ending = (async () => {
        for (; !isOver; await new Promise((resolve) => setTimeout(resolve, 50))) await end();
      })();
      return {
        async stop() {
          isOver = true;
          await ending;
        },
      };
    }

    async function untilReady(name: string): Promise<void> {
      const path = `/api/v1/nodes/${name}`;
      const ready = async () => {
        const { body } = await scene.admin.ask({ verb: "get", resource: "test", path });
        const { spec, status } = nodeSchema.parse(body);
        return (
          spec.taints.length === 0 &&
          status.conditions.some((one) => one.type === "Ready" && one.status === "True")
        );
      };
      await expect.poll(ready, SOON).toBe(true);
    }
  },
);

const attemptSchema = z.object({ chunks: z.array(z.array(z.string())) });
const nodeSchema = z.object({
  spec: z.object({ taints: z.array(z.unknown()).default([]) }).prefault({}),
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }),
});
