// Where a batch runs: what `--on auto` chooses on a computer without a GPU, and both places on one batch.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createLocalExecutor,
  createMixedExecutor,
  createSurroundings,
  type Executor,
  runBatch,
} from "../../app/batches/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { run } from "../cli.ts";
import { missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const log = silentLogger();

describe.skipIf(missing)(`where a batch runs${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene();
  }, 300_000);
  afterAll(() => scene?.stop(), 60_000);

  test("auto: the cluster where there is no GPU here; this computer where the cluster does not answer", async () => {
    const namespace = await scene.namespace("auto");
    const album = await scene.album("auto", 6);
    const settings = { ...(await scene.settings(namespace)), AUTOCHROME_DEVICE: "auto" };
    const words = ["batch", "run", "--all", "--library", album.library.folder, "--model-size", "64"];
    const there = await run(words, settings);
    expect(there.stderr).toMatch(/has no GPU that can be used, so the cluster works/);
    expect(there).toMatchObject({
      code: 0,
      summary: { done: 6, device: expect.stringMatching(/^cluster /) },
    });
    await album.expectExact(String(there.summary.batch));

    await scene.plane.stopApiServer();
    try {
      const here = await run(words, settings);
      expect(here.stderr).toMatch(/This computer's CPU works\. The cluster .* cannot be reached/);
      expect(here.stderr).toMatch(/the network alone takes about/);
      expect(here).toMatchObject({ code: 0, summary: { done: 6, device: "cpu" } });
    } finally {
      await scene.plane.startApiServer();
    }
  });

  test("mixed: both work on one batch, each photo is done by one of them", async () => {
    const namespace = await scene.namespace("mixed");
    const album = await scene.album("mixed", 60);
    const batch = await album.queue("mixed");
    const { executor: far, words } = await scene.desk({ namespace, perChunk: 5, parallelism: 2 });
    const surroundings = createSurroundings({
      ...{ threads: 1, inferenceThreads: 1, limits: { maxMegapixels: 100 }, log },
      ...{ models: `${scene.folder}/models`, imageModels: `${scene.folder}/image-models` },
    });
    const by = { near: 0, far: 0 };
    const counted = (executor: Executor, who: keyof typeof by): Executor => ({
      ...executor,
      device: who,
      async run(job, signal) {
        const result = await executor.run(job, signal);
        by[who]++;
        // So that the pods have a chance: they take seconds to start, and two cores do everything here.
        if (who === "near" && by.far === 0) await expect.poll(() => by.far, { timeout: 60_000 }).not.toBe(0);
        return result;
      },
    });
    const mixed = createMixedExecutor({
      ...{ near: counted(createLocalExecutor(surroundings), "near"), far: counted(far, "far"), log },
      onWords: (text) => expect.unreachable(text),
    });
    try {
      const counts = await runBatch({ library: album.library, executor: mixed, batch, log });
      expect(counts).toMatchObject({
        done: 60,
      });
    } finally {
      await surroundings.close();
    }
    await album.expectExact(batch);
    expect(by.near + by.far).toBe(60);
    expect(Math.min(by.near, by.far)).toBeGreaterThan(3);
    expect(words.filter((text) => !/starting/.test(text))).toEqual([]);
  });
});
