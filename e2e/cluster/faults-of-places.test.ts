// Places that do not let a batch in, or not yet: quotas, rights, names, images, clocks, set-ups. Each ends in the exact
// right state, with a sentence that says what is the matter.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { countItems } from "../../app/catalogue/index.ts";
import { startTcpFaultProxy } from "./fault-proxy.ts";
import {
  accountWith,
  catchMidBatch,
  countMadeJobs,
  expectHeard,
  expectNoJobs,
  expectOver,
  kubeconfigWith,
  listJobs,
  make,
  run,
  SOON,
} from "./mid-batch.ts";
import {
  type Album,
  type Desk,
  type DeskOptions,
  IMAGE,
  missingForScenes,
  type Scene,
  startScene,
} from "./scene.ts";

const missing = await missingForScenes();
const LONG = 300_000;

describe.skipIf(missing)(
  `places that do not let a batch in${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene();
    }, LONG);
    afterAll(() => scene?.stop(), 60_000);
    afterEach(() => void vi.useRealTimers());

    test(
      "a quota that allows no pods: waited for, until it is raised",
      async () => {
        const namespace = await scene.namespace("no-pods");
        const quota = await quotaIn(namespace, { pods: "0" });
        const { album, batch, desk, over } = await begin(namespace);
        await expectHeard(desk, /quota limit is used up \(asked for pods=1, used pods=0, limit pods=0\)/);
        await quota.raise({ pods: "10" });
        await expectOver(scene, { namespace, album, batch, desk, over, goOn: () => undefined });
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a quota that allows no Jobs: the batch ends with that sentence, and goes on when it is raised",
      async () => {
        const namespace = await scene.namespace("no-jobs");
        const quota = await quotaIn(namespace, { "count/jobs.batch": "0" });
        await refuses(namespace, {
          code: "cluster-refused",
          message: /quota limit is used up \(asked for count\/jobs.batch=1/,
          cure: () => quota.raise({ "count/jobs.batch": "5" }),
        });
      },
      LONG,
    );

    test(
      "a namespace without rights",
      async () => {
        const namespace = await scene.namespace("no-rights");
        const { token } = await accountWith(scene, namespace, []);
        const kubeconfig = await kubeconfigWith(scene, namespace, { token: await token(600) });
        await refuses(
          namespace,
          {
            code: "cluster-forbidden",
            message:
              /You may not start the Job: in the namespace no-rights the right to “create” jobs is missing/,
            cure: async () => {
              const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/app`;
              const rules = [
                { apiGroups: ["batch"], resources: ["jobs"], verbs: ["*"] },
                { apiGroups: [""], resources: ["pods", "events", "secrets"], verbs: ["*"] },
              ];
              await scene.admin.ask({ verb: "patch", resource: "test", path, body: { rules } });
            },
          },
          { kubeconfig },
        );
      },
      LONG,
    );

    test(
      "a namespace that is not there",
      async () => {
        await refuses("nowhere", {
          code: "cluster-refused",
          message: /The namespace nowhere is not there/,
          cure: () => scene.namespace("nowhere").then(() => undefined),
        });
      },
      LONG,
    );

    test(
      "an image that cannot be pulled: waited for, until it can",
      async () => {
        const namespace = await scene.namespace("no-image");
        const image = "registry.example/autochrome:typo";
        const { album, batch, desk, over } = await begin(namespace, { submission: { image } });
        await expectHeard(
          desk,
          /The image registry\.example\/autochrome:typo cannot be pulled: the registry does not have it/,
        );
        await scene.plane.fault({ fault: "setImages", images: [IMAGE, image] });
        await expectOver(scene, { namespace, album, batch, desk, over, goOn: () => undefined });
        expect(await countMadeJobs(scene, namespace)).toBe(1);
      },
      LONG,
    );

    test(
      "a set-up that cannot work: the batch ends with the pods' own words, and goes on with a better one",
      async () => {
        const namespace = await scene.namespace("set-up");
        const { album, batch, desk, over } = await begin(namespace, {
          submission: { environment: { AUTOCHROME_DEVICE: "cuda" } },
        });
        const error = await over.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).toMatchObject({
          code: "cluster-refused",
          message: expect.stringMatching(/^The pods cannot work as they are set up: No NVIDIA GPU/),
          next: expect.stringMatching(/^Correct that, then go on with the batch/),
        });
        expect(countItems(album.library.db, batch)).toMatchObject({ queued: 8, failed: 0, done: 0 });
        await desk.executor.close();
        await resume(namespace, album, batch);
      },
      LONG,
    );

    test(
      "the certificate is not valid yet by this computer's clock: told, waited for, and told again at a start",
      async () => {
        const proxy = await startTcpFaultProxy(Number(new URL(scene.plane.apiServer).port));
        try {
          const kubeconfig = await kubeconfigWith(scene, "clock", { port: proxy.port });
          const going = await catchMidBatch(scene, "clock", { kubeconfig });
          await scene.plane.fault({ fault: "certificateClock", seconds: 3600 });
          const cutting = setInterval(() => proxy.cut(), 1000); // those that are open know it from before
          await expectHeard(
            going.desk,
            /certificate is not valid at this computer's time\. Check the date and time/,
          ).finally(() => clearInterval(cutting));
          const other = await scene.desk({ namespace: going.namespace, perChunk: 2, kubeconfig });
          const second = await scene.album("clock-2", 2);
          await expect(run(second, other, await second.queue("cluster"))).rejects.toMatchObject({
            code: "cluster-unreachable",
            message: expect.stringContaining("not valid at this computer's time"),
          });
          await scene.plane.fault({ fault: "certificateClock", seconds: 0 });
          going.goOn();
          await expectOver(scene, going);
          expect(await countMadeJobs(scene, going.namespace)).toBe(1);
        } finally {
          await scene.plane.fault({ fault: "certificateClock", seconds: 0 });
          await proxy.stop();
        }
      },
      LONG,
    );

    test.each([
      ["an hour fast", 3_600_000, "60 minutes fast"],
      ["an hour slow", -3_600_000, "60 minutes slow"],
    ])(
      "the clock of this computer is %s: signatures, the pods' included, go by the store's",
      async (_, ms, words) => {
        const namespace = await scene.namespace(ms > 0 ? "fast" : "slow");
        const before = scene.fromPods.seen.length;
        vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms, shouldAdvanceTime: true });
        const { album, batch, desk, over } = await begin(namespace);
        await expectOver(scene, { namespace, album, batch, desk, over, goOn: () => undefined });
        expect((await desk.store.check()).message).toContain(words);
        vi.useRealTimers();
        const signed = scene.fromPods.seen
          .slice(before)
          .map(({ url }) => new URL(url, "http://store").searchParams.get("X-Amz-Date"));
        expect(signed.length).toBeGreaterThan(8);
        for (const time of signed) {
          const [, date, hour, minute] = /^(\d{8})T(\d\d)(\d\d)/.exec(time ?? "") ?? [];
          const at = Date.parse(
            `${date?.slice(0, 4)}-${date?.slice(4, 6)}-${date?.slice(6)}T${hour}:${minute}:00Z`,
          );
          expect(Math.abs(Date.now() - at)).toBeLessThan(10 * 60_000);
        }
      },
      LONG,
    );

    async function begin(namespace: string, options: Partial<DeskOptions> = {}) {
      const album = await scene.album(namespace, 8);
      const batch = await album.queue("cluster");
      const desk = await scene.desk({ perChunk: 2, ...options, namespace });
      const over = run(album, desk, batch);
      over.catch(() => undefined); // looked at when its time comes
      return { album, batch, desk, over };
    }

    /** The batch is refused with this error and stays in the queue; after the cure it goes on, by the same desk. */
    async function refuses(
      namespace: string,
      {
        code,
        message,
        cure,
      }: { readonly code: string; readonly message: RegExp; readonly cure: () => Promise<void> },
      options: Partial<DeskOptions> = {},
    ): Promise<void> {
      const { album, batch, desk, over } = await begin(namespace, options);
      const error = await over.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(countItems(album.library.db, batch)).toMatchObject({ queued: 8, failed: 0, done: 0 });
      expect(await listJobs(scene, namespace)).toEqual([]);
      await cure();
      // Quotas and rights take a moment to be known everywhere.
      await expect
        .poll(
          () =>
            run(album, desk, batch).then(
              ({ done }) => done,
              () => 0,
            ),
          { timeout: 240_000, interval: 1000 },
        )
        .toBe(8);
      await album.expectExact(batch);
      await expectNoJobs(scene, namespace);
    }

    async function resume(namespace: string, album: Album, batch: string): Promise<Desk> {
      const desk = await scene.desk({ namespace, perChunk: 2 });
      await expectOver(scene, {
        namespace,
        album,
        batch,
        desk,
        over: run(album, desk, batch),
        goOn: () => undefined,
      });
      return desk;
    }

    /** A quota that counts already. */
    async function quotaIn(namespace: string, hard: Readonly<Record<string, string>>) {
      const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
      await make(scene, path, { metadata: { name: "limit" }, spec: { hard } });
      const one = `${path}/limit`;
      const text = async () =>
        JSON.stringify((await scene.admin.ask({ verb: "get", resource: "test", path: one })).body);
      await expect.poll(text, SOON).toContain('"used":{');
      return {
        async raise(more: Readonly<Record<string, string>>): Promise<void> {
          await scene.admin.ask({
            verb: "patch",
            resource: "test",
            path: one,
            body: { spec: { hard: more } },
          });
        },
      };
    }
  },
);
