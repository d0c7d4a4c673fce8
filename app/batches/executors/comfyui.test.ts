// The executor with a stock ComfyUI, which differs from our service. With the service itself: e2e/comfyui/executor.test.ts.
import { appendFile, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readMetadata } from "../../imaging/index.ts";
import { hashFile, silentLogger } from "../../kernel/index.ts";
import { type ApiGraph, readPreset, withSettings } from "../../workflow/index.ts";
import type { Executor, Job, JobResult } from "../executor.ts";
import { createSurroundings } from "../surroundings.ts";
import { createComfyuiExecutor } from "./comfyui.ts";
import { promptId } from "./comfyui-graph.ts";
import { type StockServer, startStockServer } from "./comfyui-testing.ts";

let root: string;
let photo: string;
let surroundings: ReturnType<typeof createSurroundings>;
let stock: StockServer;
let there: Executor;
let words: string[];
let number = 0;
const signal = new AbortController().signal;
/** A machine that runs all tests at once is slow. */
const LONG = { timeout: 60_000 };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-stock-"));
  surroundings = createSurroundings({
    threads: 1,
    inferenceThreads: 1,
    limits: { maxMegapixels: 100 },
    models: join(root, "models"),
    imageModels: join(root, "image-models"),
    log: silentLogger(),
  });
  photo = join(root, "grandmother.jpg");
  await sharp({ create: { width: 60, height: 40, channels: 3, background: "#808080" } })
    .withMetadata({ orientation: 6 })
    .withExifMerge({ IFD0: { Artist: "Somebody", ImageDescription: "In the garden" } })
    .jpeg()
    .toFile(photo);
});
afterAll(async () => {
  await surroundings.close();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  stock = await startStockServer();
  words = [];
  there = executor();
});
afterEach(async () => {
  await there.close();
  await stock.stop();
});

function executor(): Executor {
  return createComfyuiExecutor({
    url: stock.url,
    surroundings,
    log: silentLogger(),
    onWords: (text) => void words.push(text),
    patience: { firstMs: 20, longestMs: 200, stallMs: 2000 },
  });
}

const colouring = (format: string): ApiGraph => ({
  1: { class_type: "LoadImage", inputs: { image: "input.jpg", upload: "image" } },
  2: {
    class_type: "DDColor_Colorize",
    inputs: { image: ["1", 0], model_input_size: 512, checkpoint: "ddcolor_modelscope.pth" },
  },
  3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "x", format, quality: 90 } },
});

function job(more: Partial<Job> = {}): Job {
  number++;
  return {
    batchId: "batch",
    itemId: `item-${number}`,
    source: photo,
    sourceHash: undefined,
    target: join(root, "out", `result-${number}`),
    existing: "adopt",
    graph: colouring("same"),
    mayShrink: false,
    keepColours: true,
    colours: undefined,
    masks: undefined,
    createdAt: "2026-01-01T00:00:00.000Z",
    ...more,
  };
}

function done(result: JobResult) {
  if (result.status !== "done") throw new Error(result.status);
  return result;
}

describe("a stock ComfyUI", () => {
  it("gets only inputs that it knows, and one output to run", async () => {
    await there.run(job({ graph: colouring("jpeg") }), signal);
    const sha256 = await hashFile(photo);
    expect([...stock.uploads.keys()]).toEqual([`autochrome/${sha256}.jpg`]);
    expect(stock.queued).toMatchObject([
      {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
        targets: ["3"],
      },
    ]);
    const [sent] = stock.queued;
    expect(sent?.graph["1"]?.inputs).toEqual({ image: `autochrome/${sha256}.jpg` });
    expect(Object.keys(sent?.graph["3"]?.inputs ?? {})).toEqual(["images", "filename_prefix"]);
  });

  it.each(["same", "png", "tiff", "webp"])(
    "its PNG becomes what was wished for: %s, with the original's words",
    async (format) => {
      await there.prepare(colouring(format), { networks: true });
      const result = done(await there.run(job({ graph: colouring(format) }), signal));
      const wished = format === "same" ? "jpeg" : format;
      const found = await sharp(result.output).metadata();
      // The original is stored lying down.
      expect(found).toMatchObject({ format: wished, width: 40, height: 60 });
      expect(found.orientation ?? 1).toBe(1);
      expect(result).toMatchObject({
        format: wished,
        ...{ width: 40, height: 60, colours: undefined },
        outputHash: await hashFile(result.output),
        sourceHash: await hashFile(photo),
        models: [{ id: "ddcolor_modelscope.pth", sha256: "" }],
        device: expect.stringMatching(/^cuda:0 Some GPU at 127\.0\.0\.1/),
        notes: [expect.stringMatching(/does not say which file its model is/)],
      });
      expect((await readMetadata(result.output)).caption).toBe("In the garden");
      expect(found.xmp?.toString()).toContain("compositeWithTrainedAlgorithmicMedia");
      const { data } = await sharp(result.output).raw().toBuffer({ resolveWithObject: true });
      expect(data[0]! - data[2]!).toBeGreaterThan(30);
      expect((await readdir(join(root, "out"))).filter((name) => name.startsWith("."))).toEqual([]);
    },
  );

  it("lacks nodes, settings and models: all are named, and nothing was sent", async () => {
    await expect(there.prepare(await readPreset("portrait"), { networks: true })).rejects.toMatchObject({
      code: "workflow-invalid",
      message: expect.stringMatching(/the nodes DDColor-ddcolorize, AutochromeLightDenoise and ImageSharpen/),
    });
    const other = withSettings(colouring("png"), { model: "ddcolor_artistic.pth" });
    await expect(there.prepare(other, { networks: true })).rejects.toMatchObject({
      code: "model-missing",
      message: expect.stringMatching(/the model ddcolor_artistic.pth/),
      next: expect.stringMatching(/ddcolor_modelscope.pth, ddcolor_paper_tiny.pth/),
    });
    const scale = { image: ["2", 0], upscale_method: "bicubic", width: 10, height: 10, crop: "disabled" };
    const scaled: ApiGraph = { ...colouring("png"), 4: { class_type: "ImageScale", inputs: scale } };
    await expect(there.prepare(scaled, { networks: true })).rejects.toMatchObject({
      code: "workflow-invalid",
      message: expect.stringMatching(/“bicubic” as upscale_method of the node ImageScale/),
    });
    const masked = { ...colouring("png") };
    masked[2] = { ...masked[2]!, inputs: { ...masked[2]!.inputs, tune_mask: ["1", 1] } };
    await expect(there.prepare(masked, { networks: true })).rejects.toThrow(/the setting tune_mask/);
    await expect(there.prepare(colouring("png"), { networks: false })).rejects.toThrow(/on this computer/);
    expect(stock.requests.filter((name) => name.startsWith("POST"))).toEqual([]);
  });

  it("fails a photo in Python's words, and may be asked again", async () => {
    stock.fate = "error";
    const one = job();
    await expect(there.run(one, signal)).rejects.toMatchObject({
      code: "inference-failed",
      message: expect.stringMatching(/failed in the node DDColor_Colorize: bad weights/),
    });
    stock.fate = "success";
    expect((await there.run(one, signal)).status).toBe("done");
    expect(stock.queued.length).toBe(2);
    stock.fate = "interrupted";
    await expect(there.run(job(), signal)).rejects.toThrow(/Somebody stopped/);
  });

  it("refuses before it is sent what is larger than the server takes", async () => {
    const large = join(root, "large.jpg");
    const noise = Buffer.from(Array.from({ length: 900 * 900 * 3 }, (_, i) => (i * 7919 * (i % 251)) % 256));
    await sharp(noise, { raw: { width: 900, height: 900, channels: 3 } })
      .jpeg({ quality: 100 })
      .toFile(large);
    expect((await stat(large)).size).toBeGreaterThan(1_000_000);
    await there.prepare(colouring("png"), { networks: true });
    await expect(there.run(job({ source: large }), signal)).rejects.toMatchObject({
      code: "image-too-large",
      message: expect.stringMatching(/large\.jpg has .* MB; the server .* takes files of at most 1 MB/),
    });
    expect(stock.requests).not.toContain("POST /upload/image");
  });
});

describe("nothing is done twice", () => {
  it("though the answer to a prompt was lost, and ids may come twice here", async () => {
    let lost = 0;
    stock.spoil = (name) => (name === "POST /prompt" && lost++ < 2 ? "cut" : undefined);
    expect((await there.run(job(), signal)).status).toBe("done");
    expect(stock.queued.length).toBe(1);
    expect(words).toEqual([
      expect.stringMatching(/broke off\. Waiting/),
      expect.stringMatching(/answers again/),
    ]);
  });

  it("though the program was killed while the prompt waited, ran, or had ended", async () => {
    stock.fate = "never";
    const jobs = [job(), job(), job()];
    const dead = new AbortController();
    // It is not as dead as it should be here, so it writes elsewhere.
    const before = jobs.map((one) =>
      there.run({ ...one, target: `${one.target}-dead` }, dead.signal).catch(() => undefined),
    );
    await expect.poll(() => stock.open().length, LONG).toBe(3);
    stock.fate = "success";
    await stock.settle();
    const again = executor();
    const results = jobs.map((one) => again.run(one, signal));
    await expect.poll(() => stock.open().length, LONG).toBe(2);
    await stock.settle();
    await stock.settle();
    for (const result of results) expect((await result).status).toBe("done");
    expect(stock.queued.length).toBe(3);
    dead.abort();
    await Promise.all(before);
    await again.close();
  });

  it("but what the server has lost is sent again, and what it cleaned away is made again", async () => {
    stock.fate = "never";
    const one = there.run(job(), signal);
    await expect.poll(() => stock.open().length, LONG).toBe(1);
    let isAway = true;
    stock.spoil = () => (isAway ? 502 : undefined);
    stock.forgetAll();
    await expect.poll(() => words.length, LONG).toBe(1);
    stock.fate = "success";
    isAway = false;
    expect((await one).status).toBe("done");
    expect(stock.queued.length).toBe(2);
    const another = job();
    let gone = 0;
    stock.spoil = (name) => (name === "GET /view" && gone++ === 0 ? 404 : undefined);
    expect((await there.run(another, signal)).status).toBe("done");
    expect(stock.queued.length).toBe(4);
  });

  it("a result that is there is taken as it is", async () => {
    const one = job();
    const first = done(await there.run(one, signal));
    const asked = stock.requests.length;
    expect(await there.run(one, signal)).toEqual(first);
    expect(await there.run({ ...one, existing: "skip" }, signal)).toEqual({
      status: "skipped",
      output: first.output,
    });
    expect(stock.requests.length).toBe(asked);
  });

  it("an id is a UUID, and another one for other work", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 99 }), (item, hash, size) => {
        const graph = { 1: { class_type: "X", inputs: { size } } };
        const id = promptId(item, hash, graph);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(promptId(item, hash, { 1: { class_type: "X", inputs: { size } } })).toBe(id);
        expect(promptId(`${item}.`, hash, graph)).not.toBe(id);
        expect(promptId(item, hash, { 1: { class_type: "X", inputs: { size: -size } } })).not.toBe(id);
      }),
    );
  });
});

describe("the queue", () => {
  it("is left by what nobody waits for, and keeps what is another's", async () => {
    stock.fate = "never";
    const theirs = { prompt: colouring("png"), prompt_id: "theirs", extra_data: {} };
    await fetch(`${stock.url}/prompt`, { method: "POST", body: JSON.stringify(theirs) });
    const stop = new AbortController();
    const mine = [job(), job()].map((one) => there.run(one, stop.signal));
    await expect.poll(() => stock.open().length, LONG).toBe(3);
    stop.abort(new Error("stopped"));
    const ends = await Promise.allSettled(mine);
    expect(ends).toEqual(mine.map(() => ({ status: "rejected", reason: stop.signal.reason })));
    expect(stock.open()).toEqual(["theirs"]);
    expect(stock.requests).not.toContain("POST /interrupt");
  });

  it("is cleared of a batch by its name, also of a program that is dead, and of what runs", async () => {
    stock.fate = "never";
    const stop = new AbortController();
    const before = [job(), job(), job({ batchId: "another" })].map((one) =>
      there.run(one, stop.signal).catch(() => undefined),
    );
    await expect.poll(() => stock.open().length, LONG).toBe(3);
    const again = executor();
    await again.end?.("batch");
    expect(stock.open().length).toBe(1);
    await again.close();
    stop.abort();
    await Promise.all(before);
    expect(stock.open()).toEqual([]);
  });

  it("is not asked about each prompt: one question serves all that wait", async () => {
    stock.fate = "never";
    const stop = new AbortController();
    const waiting = [job(), job(), job(), job()].map((one) =>
      there.run(one, stop.signal).catch(() => undefined),
    );
    await expect.poll(() => stock.open().length, LONG).toBe(4);
    const from = stock.requests.length;
    const polls = () => stock.requests.slice(from).filter((name) => name.startsWith("GET /history"));
    await expect.poll(() => polls().length, LONG).toBeGreaterThan(4);
    expect(new Set(polls()).size).toBe(1);
    stop.abort();
    await Promise.all(waiting);
  });
});

it("a photo that changes while it is sent never arrives", async () => {
  const changing = join(root, "changing.jpg");
  await sharp(photo).jpeg().toFile(changing);
  stock.spoil = (name) => {
    if (name.startsWith("HEAD")) void appendFile(changing, "more");
    return undefined;
  };
  const { size } = await stat(changing);
  await expect(there.run(job({ source: changing }), signal)).rejects.toMatchObject({
    code: "unreadable-file",
  });
  expect((await readFile(changing)).length).toBeGreaterThan(size);
  expect(stock.uploads.size).toBe(0);
  expect(stock.queued).toEqual([]);
});
