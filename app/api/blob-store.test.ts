// The store that our own service is, through the real service: the suite of app/cluster that all stores pass. It stands
// here because app/cluster knows no service; nothing but this test reaches into its folder.
import { describe, expect, it } from "vitest";
import { QUICK, type Subject, setUp, sha256Of, storeConformance } from "../cluster/blobs/conformance.ts";
import { faultConformance } from "../cluster/blobs/conformance-faults.ts";
import { startFaultyProxy } from "../cluster/blobs/faulty-proxy.ts";
import { type Fetch, openBlobStore, openGrantedStore, outputKey } from "../cluster/index.ts";
import { startService } from "./service-testing.ts";

const KEY = "a key of this test, and no other";
const LARGE = 22_000_000;
const PIECE = 4 * 1024 * 1024;

async function start(): Promise<Subject> {
  const service = await startService({ security: { apiKey: KEY } });
  const proxy = await startFaultyProxy(service.url);
  return {
    open: (patience) => openBlobStore({ kind: "gateway", url: `${proxy.url}/`, token: KEY }, patience),
    openGrant: openGrantedStore,
    proxy,
    async close() {
      await proxy.close();
      await service.close();
    },
  };
}

storeConformance("gateway", start, LARGE);
faultConformance("gateway", start, LARGE, PIECE);

describe("gateway: ways to it", () => {
  const bench = setUp(start);

  it("through a fetch of the caller's, below a path", async () => {
    const asked: string[] = [];
    const { proxy } = bench.subject();
    const through: Fetch = (url, request) => {
      asked.push(url);
      return fetch(url.replace("https://cluster.example/api/v1/proxy", proxy?.url ?? ""), request);
    };
    const url = "https://cluster.example/api/v1/proxy";
    const inside = `${proxy?.url}`;
    const store = await openBlobStore(
      { kind: "gateway", url, token: KEY, fetch: through, insideUrl: inside },
      QUICK,
    );
    expect(await store.check()).toMatchObject({ ok: true });
    const { path, facts } = await bench.file(10_000_000);
    const key = outputKey(bench.batch(), "a");
    await store.putFile(key, path, facts);
    const grant = await store.grant({ read: [key], write: [], seconds: 60 });
    const pod = await openGrantedStore(grant, QUICK);
    expect(await pod.head(key)).toEqual({ size: 10_000_000 });
    await Promise.all([pod.close(), store.close()]);
    expect(asked.every((one) => one.startsWith("https://cluster.example/api/v1/proxy/blobs"))).toBe(true);
  });

  it("is one upload where two send the same", async () => {
    const { path, facts } = await bench.file(LARGE);
    const key = outputKey(bench.batch(), "a");
    const [one, other] = [bench.store(), await bench.subject().open(QUICK)];
    await Promise.all([one.putFile(key, path, facts), other.putFile(key, path, facts)]);
    const target = bench.target();
    await other.getFile(key, target, { overwrite: false, ...facts });
    await other.close();
  });

  it("is not there, or does not know us", async () => {
    const ended = await startService();
    await ended.close();
    const nowhere = await openBlobStore({ kind: "gateway", url: ended.url }, QUICK);
    expect(await nowhere.check()).toMatchObject({
      ok: false,
      message: `The storage service at 127.0.0.1:${ended.port} cannot be reached: it refuses the connection.`,
    });
    await expect(openBlobStore({ kind: "gateway", url: "photos" })).rejects.toMatchObject({ code: "usage" });
    const stranger = await openBlobStore(
      { kind: "gateway", url: bench.subject().proxy?.url ?? "", token: "a key that nobody knows" },
      QUICK,
    );
    const { ok, message } = await stranger.check();
    expect([ok, message]).toEqual([false, expect.stringMatching(/does not know this key\.$/)]);
    expect(
      await stranger.head(outputKey("b", sha256Of(Buffer.from("x")))).catch((error: unknown) => error),
    ).toMatchObject({ code: "storage-denied" });
    await Promise.all([nowhere.close(), stranger.close()]);
  });

  it("is full", async () => {
    const service = await startService({ blobMaxBytes: 100_000 });
    const store = await openBlobStore({ kind: "gateway", url: service.url }, QUICK);
    try {
      const { path, facts } = await bench.file(100_001);
      await expect(store.putFile(outputKey("b", "a"), path, facts)).rejects.toMatchObject({
        code: "storage-denied",
      });
      const large = await bench.file(LARGE);
      await expect(store.putFile(outputKey("b", "a"), large.path, large.facts)).rejects.toMatchObject({
        code: "storage-denied",
      });
      expect((await service.files()).filter((file) => file.startsWith("blobs"))).toEqual([]);
    } finally {
      await store.close();
      await service.close();
    }
  });
});
