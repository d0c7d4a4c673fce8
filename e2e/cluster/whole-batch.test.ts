// A whole album through a real cluster: pods in parallel, results brought home, everything exact; and what that costs in
// calls to the API server.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runBatch } from "../../app/batches/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();

describe.skipIf(missing)(
  `an album on a cluster${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene();
    }, 300_000);
    afterAll(() => scene?.stop(), 60_000);

    test("200 photos in one batch by four pods at once: results synced, originals untouched, library exact", async () => {
      const namespace = await scene.namespace("album");
      const album = await scene.album("album", 200);
      const batch = await album.queue("cluster");
      const { executor, store } = await scene.desk({ namespace, perChunk: 25, parallelism: 4 });
      let most = 0;
      const look = setInterval(async () => {
        most = Math.max(most, (await scene.pods(namespace, "Running")).length);
      }, 250);
      const counts = await runBatch({ library: album.library, executor, batch, log: silentLogger() }).finally(
        () => clearInterval(look),
      );
      expect(counts).toMatchObject({ done: 200, failed: 0 });
      expect(most).toBe(4);
      await album.expectExact(batch);
      const left: string[] = [];
      for await (const { key } of store.list("out/")) left.push(key);
      for await (const { key } of store.list("done/")) left.push(key);
      for await (const { key } of store.list("batch/")) left.push(key);
      expect(left).toEqual([]);
    }, 600_000);
  },
);
