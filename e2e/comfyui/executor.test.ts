// A batch of the library on a server elsewhere: our own service as another process, with a key, whole and in all its moods.
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createGate, createService, openFolders } from "../../app/api/index.ts";
import {
  createComfyuiExecutor,
  createLocalExecutor,
  createPromptQueue,
  createSurroundings,
  type Executor,
  type Job,
  type Plan,
  queuePhotos,
  runBatch,
} from "../../app/batches/index.ts";
import {
  countItems,
  getBatch,
  importPhotos,
  type Library,
  listItems,
  listVersions,
  openLibrary,
  photosOf,
  setBatchState,
} from "../../app/catalogue/index.ts";
import { closeMetadata } from "../../app/imaging/index.ts";
import { hashFile, silentLogger } from "../../app/kernel/index.ts";
import { type ApiGraph, createGraphCache, readPreset, withSettings } from "../../app/workflow/index.ts";
import { hashesBelow, type Running, start } from "../cli.ts";
import { startHttpFaultProxy, startTcpFaultProxy } from "../cluster/fault-proxy.ts";
import type { Entry } from "./service.ts";

const SAMPLES = fileURLToPath(new URL("../../main/demo/samples", import.meta.url));
const KEY = "a-key-of-many-letters";
const log = silentLogger();
/** A machine that runs all tests at once is slow. */
const LONG = { timeout: 100_000 };
const PATIENCE = { firstMs: 50, longestMs: 500, stallMs: 5000 };

let samples: string;
let root: string;
let library: Library;
let surroundings: ReturnType<typeof createSurroundings>;
let graph: ApiGraph;
let server: Server;
let words: string[];
const opened: Executor[] = [];

/** Our service as a process, at one address however often it is started. */
interface Server {
  readonly port: number;
  readonly url: string;
  /** @param home another one: it has forgotten everything */
  start(home?: string): Promise<void>;
  kill(): Promise<void>;
  json<T>(path: string): Promise<T>;
  post(path: string, body: object): Promise<Response>;
}

async function serverOf(): Promise<Server> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const headers = { Authorization: `Bearer ${KEY}` };
  let running: Running | undefined;
  return {
    port,
    url,
    async start(home = "server") {
      running = start(["serve", "--port", String(port), "--library", join(root, home), "--api-key", KEY], {
        AUTOCHROME_WORKERS: "1",
        AUTOCHROME_INFERENCE_THREADS: "1",
      });
      await running.lineWith((line) => typeof line.url === "string");
    },
    async kill() {
      running?.child.kill("SIGKILL");
      await running?.ended;
      running = undefined;
    },
    json: async <T>(path: string) => (await (await fetch(`${url}${path}`, { headers })).json()) as T,
    post: (path, body) => fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body), headers }),
  };
}

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

beforeAll(async () => {
  samples = await mkdtemp(join(tmpdir(), "autochrome-samples-"));
  for (const name of ["chelsea.jpg", "grace-hopper.jpg", "photographer.jpg", "raccoon.jpg"]) {
    await sharp(join(SAMPLES, name)).resize(240).keepMetadata().jpeg().toFile(join(samples, name));
  }
  const photographer = sharp(join(samples, "photographer.jpg"));
  await photographer.clone().greyscale().png().toFile(join(samples, "scan.png"));
  const deep = photographer
    .clone()
    .toColourspace("rgb16")
    .withExif({ IFD0: { Artist: "Somebody" } });
  await deep.tiff().toFile(join(samples, "deep.tif"));
});
afterAll(() => rm(samples, { recursive: true, force: true }));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-elsewhere-"));
  library = await openLibrary(join(root, "library"));
  surroundings = createSurroundings({
    threads: 1,
    inferenceThreads: 1,
    limits: { maxMegapixels: 100 },
    models: join(root, "models"),
    imageModels: join(root, "image-models"),
    log,
  });
  graph = withSettings(await readPreset("quick"), { modelSize: 64, format: "same" });
  words = [];
  await importPhotos(library, [samples], { workers: surroundings.workers });
  server = await serverOf();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await server.kill();
  await surroundings.close();
  library.close();
  await rm(root, { recursive: true, force: true });
});

/** @param key "": none */
function executor(url = server.url, key = KEY): Executor {
  const onWords = (text: string) => void words.push(text);
  const made = createComfyuiExecutor({
    url,
    key: key || undefined,
    surroundings,
    onWords,
    log,
    patience: PATIENCE,
  });
  opened.push(made);
  return made;
}

function queue(graphs: readonly ApiGraph[] = [graph], place = server.url): string {
  const plan: Plan = {
    variants: graphs.map((one, place) => ({ name: `look ${place}`, graph: one })),
    existing: "adopt",
    mayShrink: false,
  };
  return queuePhotos(library, {}, plan, { executor: place, priority: 0 }).id;
}

const count = () => [...photosOf(library)].length;
const history = () => server.json<Record<string, Entry>>("/history");

/** Every photo has one version per look, whose file is the recorded one. */
async function expectVersions(each = 1): Promise<void> {
  for (const photo of photosOf(library)) {
    const versions = listVersions(library.db, photo.id);
    expect(versions.length).toBe(each);
    for (const { file, fileHash, modelId, modelSha256, device } of versions) {
      expect(await hashFile(join(library.folder, file))).toBe(fileHash);
      expect({ modelId, device }).toEqual({ modelId: "autochrome-small", device: "cpu" });
      expect(modelSha256).toMatch(/^[0-9a-f]{64}$/);
    }
  }
  const files = await readdir(join(library.folder, "versions"), { recursive: true, withFileTypes: true });
  expect(files.filter((entry) => entry.isFile()).length).toBe(count() * each);
}

async function expectNothingTwice(): Promise<void> {
  const entries = Object.values(await history());
  expect(entries.map(({ status }) => status.status_str)).toEqual(entries.map(() => "success"));
  expect(entries.length).toBe(count());
}

describe("our own service elsewhere", () => {
  it("gives the versions that this computer would have made, byte for byte; originals stay", async () => {
    await server.start();
    const before = await hashesBelow(samples);
    const batch = queue();
    const there = executor();
    expect(await runBatch({ library, executor: there, batch, log })).toMatchObject({
      done: count(),
      failed: 0,
    });
    expect(await hashesBelow(samples)).toEqual(before);
    await expectVersions();
    await expectNothingTwice();
    expect(await server.json("/queue")).toEqual({ queue_running: [], queue_pending: [] });
    expect(words).toEqual([]);
    await closeMetadata(); // a process that has read photos' words writes more of them
    const here = createLocalExecutor(surroundings);
    for (const item of listItems(library.db, batch)) {
      const [version] = listVersions(library.db, item.photoId!);
      const file = join(library.folder, version!.file);
      const target = join(root, "here", item.id);
      const createdAt = /"?when"?[=>'"]+([0-9T:.Z-]+)/.exec(
        (await sharp(file).metadata()).xmp!.toString(),
      )![1]!;
      const result = await here.run(jobOf(item.source, target, { itemId: item.id, createdAt }), never());
      if (result.status !== "done") throw new Error("nothing was made here");
      expect({ [item.source]: result.outputHash }).toEqual({ [item.source]: version!.fileHash });
      expect(result.models).toEqual([{ id: version!.modelId, sha256: version!.modelSha256 }]);
    }
  });

  it("is not sent a photo again that it has", async () => {
    await server.start();
    const proxy = await startHttpFaultProxy(server.url);
    const uploads = () => proxy.seen.filter(({ url }) => url.startsWith("/upload")).length;
    const factors = [0.5, 1].map((colorFactor) => withSettings(graph, { colorFactor }));
    await runBatch({ library, executor: executor(proxy.url), batch: queue([factors[0]!], proxy.url), log });
    expect(uploads()).toBe(count());
    await runBatch({ library, executor: executor(proxy.url), batch: queue([factors[1]!], proxy.url), log });
    expect(uploads()).toBe(count());
    await expectVersions(2);
    await proxy.stop();
  });

  it("fails only the photo that is bad, in its own words and with the photo's name", async () => {
    await server.start();
    const [photo] = photosOf(library);
    const bytes = await readFile(photo!.path);
    try {
      await writeFile(photo!.path, bytes.subarray(0, bytes.length / 2));
      const target = join(root, "bad", "a");
      const job = jobOf(photo!.path, target, { itemId: "bad" });
      const failure = await executor()
        .run(job, never())
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "damaged-image" });
      expect(String(failure)).toContain(photo!.path.split(/[\\/]/).at(-1));
      expect(await readdir(join(root, "bad")).catch(() => [])).toEqual([]);
    } finally {
      await writeFile(photo!.path, bytes);
    }
  });
});

describe("what cannot get better is said before anything begins", () => {
  const refused = async (there: Executor, batch = queue([graph], there.name)) => {
    const failure = await runBatch({ library, executor: there, batch, log }).catch((error: unknown) => error);
    expect(countItems(library.db, batch)).toMatchObject({ queued: count(), running: 0, failed: 0 });
    return failure;
  };

  it("a wrong key, none, no server, something else than a server", async () => {
    await server.start();
    expect(await refused(executor(server.url, "a-wrong-one-of-those-keys"))).toMatchObject({
      code: "server-denied",
      message: expect.stringMatching(/does not know this key/),
      next: expect.stringMatching(/AUTOCHROME_REMOTE_KEY/),
    });
    expect(await refused(executor(server.url, ""))).toMatchObject({
      message: expect.stringMatching(/wants a key/),
    });
    expect(await refused(executor(`${server.url}/somewhere/else`))).toMatchObject({
      code: "usage",
      message: expect.stringMatching(/neither ComfyUI nor/),
    });
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await refused(executor(nobody))).toMatchObject({
      code: "server-unreachable",
      message: expect.stringMatching(/cannot be reached: it refuses the connection/),
    });
    expect(() => executor("not an address")).toThrow(/is not the address of a server/);
  });

  it("nodes and models that it lacks, all of them by name", async () => {
    await server.start();
    const strange: ApiGraph = {
      ...graph,
      90: { class_type: "KSampler", inputs: {} },
      91: { class_type: "VAEDecode", inputs: {} },
    };
    expect(await refused(executor(), queue([strange]))).toMatchObject({
      code: "workflow-invalid",
      message: expect.stringMatching(/the nodes KSampler and VAEDecode/),
    });
    const large = withSettings(graph, { model: "ddcolor-paper" });
    expect(await refused(executor(), queue([large]))).toMatchObject({
      code: "model-missing",
      message: expect.stringMatching(/the model ddcolor-paper/),
      next: expect.stringMatching(/autochrome-small/),
    });
  });
});

describe("a server with troubles", () => {
  it("whose queue is full: waits, says so, and ends well", async () => {
    const folders = await openFolders(join(root, "small"));
    const home = await openLibrary(join(root, "small-library"));
    const world = { ...surroundings, files: folders };
    const cache = createGraphCache({ scratchBeside: join(root, "scratch"), capacity: 0 });
    const prompts = createPromptQueue({ library: home, world, cache, log, mostPending: 1 });
    const host = "127.0.0.1";
    const keep = { maxDays: 0, maxBytes: 0 };
    const service = await createService({
      ...{ world, folders, queue: prompts, host, log, logs: { entries: () => [] } },
      gate: createGate({ host, apiKey: KEY, allowedHosts: [], cors: [], rateLimit: 100_000 }),
      uploadMaxBytes: 1e7,
      blobMaxBytes: 0,
      retention: { input: keep, output: keep, temp: keep },
    });
    const url = await service.listen(0);
    const counts = await runBatch({ library, executor: executor(url), batch: queue([graph], url), log });
    expect(counts).toMatchObject({ done: count(), failed: 0 });
    await expectVersions();
    expect(words.join("\n")).toMatch(/The queue of the server .* is full\. Waiting\./);
    await service.close();
    await prompts.close();
    await cache.clear();
    home.close();
  });

  it.each([
    ["with its queue", "server"],
    ["without its queue", "another"],
  ])("that is killed in the middle and comes back %s: all is done, nothing twice", async (_, home) => {
    await server.start();
    const batch = queue();
    let restarted: Promise<void> | undefined;
    const counts = await runBatch({
      ...{ library, executor: executor(), batch, log },
      onItem() {
        restarted ??= server.kill().then(() => server.start(home));
      },
    });
    await restarted;
    expect(counts).toMatchObject({ done: count(), failed: 0 });
    await expectVersions();
    expect(words[0]).toMatch(/cannot be reached.*Waiting/);
    expect(words).toContain(`The server 127.0.0.1:${server.port} answers again.`);
    if (home === "server") await expectNothingTwice();
  });

  it("that is slow, breaks off, loses answers and cuts results short", async () => {
    await server.start();
    const proxy = await startHttpFaultProxy(server.url);
    let turn = 0;
    let views = 0;
    proxy.set(({ method, url }) => {
      turn++;
      if (turn % 3 !== 0) return undefined;
      if (method === "HEAD") return { kind: "refuse" };
      if (url.startsWith("/upload")) return { kind: turn % 2 ? "cut-upload" : "lose-answer", after: 5000 };
      if (url === "/prompt") return { kind: turn % 2 ? "lose-answer" : "status", status: 503 };
      if (url.startsWith("/view")) {
        const kinds = ["cut", "truncate", "slow"] as const;
        return { kind: kinds[views++ % 3]!, after: 4000, to: 4000, bytesPerSecond: 100_000 };
      }
      if (url.startsWith("/history")) return { kind: turn % 2 ? "truncate" : "delay", to: 50, ms: 200 };
      return { kind: "status", status: 502 };
    });
    const counts = await runBatch({
      library,
      executor: executor(proxy.url),
      batch: queue([graph], proxy.url),
      log,
    });
    expect(counts).toMatchObject({ done: count(), failed: 0 });
    await expectVersions();
    await expectNothingTwice();
    await proxy.stop();
  });
});

describe("a server that falls silent", () => {
  it("is waited for, in words, and the batch goes on", async () => {
    await server.start();
    const wire = await startTcpFaultProxy(server.port);
    const url = `http://127.0.0.1:${wire.port}`;
    const made = createComfyuiExecutor({
      ...{ url, key: KEY, surroundings, log, patience: { ...PATIENCE, stallMs: 1500 } },
      onWords(text) {
        words.push(text);
        wire.blackhole(false);
      },
    });
    opened.push(made);
    const counts = await runBatch({
      ...{ library, executor: made, batch: queue([graph], url), log },
      onItem: () => wire.blackhole(words.length === 0),
    });
    expect(counts).toMatchObject({ done: count(), failed: 0 });
    expect(words[0]).toMatch(/cannot be reached: it does not answer\. Waiting\./);
    await expectVersions();
    await expectNothingTwice();
    await wire.stop();
  });
});

describe("nothing is left behind, and nothing done twice", () => {
  it("a cancelled batch leaves the server's queue; another's prompt stays", async () => {
    await server.start();
    const form = new FormData();
    const bytes = await readFile(join(samples, "raccoon.jpg"));
    form.set("image", new Blob([new Uint8Array(bytes)]), "theirs.jpg");
    const headers = { Authorization: `Bearer ${KEY}` };
    await fetch(`${server.url}/upload/image`, { method: "POST", body: form, headers });
    const batch = queue([0.5, 1, 1.5].map((colorFactor) => withSettings(graph, { colorFactor })));
    const running = runBatch({
      ...{ library, executor: executor(), batch, log },
      onItem({ status }) {
        const isActive = getBatch(library.db, batch).state === "active";
        if (status === "done" && isActive) setBatchState(library.db, batch, "cancelled");
      },
    });
    const theirs = Object.entries(graph).map(([id, node]) => [
      id,
      node.class_type === "LoadImage" ? { ...node, inputs: { image: "theirs.jpg" } } : node,
    ]);
    // After all others, so that it waits while ours go.
    const answer = await server.post("/prompt", { prompt: Object.fromEntries(theirs), number: 1_000_000 });
    const { prompt_id: id } = (await answer.json()) as { prompt_id: string };
    expect((await running).cancelled).toBeGreaterThan(0);
    const { queue_running, queue_pending } = await server.json<Record<string, [number, string][]>>("/queue");
    expect(queue_pending!.map(([, one]) => one).filter((one) => one !== id)).toEqual([]);
    expect(queue_running!.length).toBeLessThan(2);
    await expect.poll(async () => (await history())[id]?.status.status_str, LONG).toBe("success");
    expect(await server.json("/queue")).toEqual({ queue_running: [], queue_pending: [] });
  });

  it("goes on after this program was stopped in the middle", async () => {
    await server.start();
    const batch = queue();
    const stop = new AbortController();
    const first = executor();
    await runBatch({ library, executor: first, batch, log, stop: stop.signal, onItem: () => stop.abort() });
    await opened.pop()!.close();
    const done = countItems(library.db, batch).done;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(count());
    const { queue_pending } = await server.json<{ queue_pending: unknown[] }>("/queue");
    expect(queue_pending).toEqual([]);
    const counts = await runBatch({ library, executor: executor(), batch, log });
    expect(counts).toMatchObject({ done: count(), failed: 0, queued: 0 });
    await expectVersions();
    await expectNothingTwice();
  });

  it("finds again what it had sent before it was killed", async () => {
    await server.start();
    const wire = await startTcpFaultProxy(server.port);
    const jobs = [...photosOf(library)].slice(0, 3).map((photo) => {
      const target = join(root, "found", photo.id);
      return jobOf(photo.path, target, { itemId: photo.id, sourceHash: photo.hash });
    });
    const dead = new AbortController();
    const lost = executor(`http://127.0.0.1:${wire.port}`);
    const unheard = jobs.map((job) => lost.run(job, dead.signal).catch(() => "dead"));
    await expect
      .poll(async () => {
        const { queue_running, queue_pending } = await server.json<Record<string, unknown[]>>("/queue");
        return queue_running!.length + queue_pending!.length + Object.keys(await history()).length;
      }, LONG)
      .toBe(3);
    wire.refuse(true);
    wire.cut(); // as good as dead: it reaches nothing any more
    const living = executor();
    const results = await Promise.all(jobs.map((job) => living.run(job, new AbortController().signal)));
    expect(results.map(({ status }) => status)).toEqual(["done", "done", "done"]);
    expect(Object.keys(await history()).length).toBe(3);
    dead.abort();
    expect(await Promise.all(unheard)).toEqual(["dead", "dead", "dead"]);
    await wire.stop();
  });
});

const never = () => new AbortController().signal;

function jobOf(source: string, target: string, more: Partial<Job> = {}): Job {
  return {
    ...{ batchId: "batch", itemId: "item", source, sourceHash: undefined, target, existing: "adopt" },
    ...{ graph, mayShrink: false, keepColours: false, colours: undefined, masks: undefined },
    createdAt: "2026-01-01T00:00:00.000Z",
    ...more,
  };
}
