// What the executor does when memory does not suffice. Colouring itself is tested end to end.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Colorizer } from "../../colorize/index.ts";
import { AutochromeError, silentLogger } from "../../kernel/index.ts";
import { type ApiGraph, readPreset, withSettings } from "../../workflow/index.ts";
import type { Job } from "../executor.ts";
import { createSurroundings } from "../surroundings.ts";
import { createLocalExecutor } from "./local.ts";

let root: string;
let surroundings: ReturnType<typeof createSurroundings>;
let graph: ApiGraph;
let number = 0;
/** Sides of what the network was shown. */
let shown: number[];
const signal = new AbortController().signal;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-local-"));
  surroundings = createSurroundings({
    threads: 1,
    inferenceThreads: 1,
    limits: { maxMegapixels: 100 },
    models: join(root, "models"),
    imageModels: join(root, "image-models"),
    log: silentLogger(),
  });
  await sharp({ create: { width: 64, height: 64, channels: 3, background: "#808080" } })
    .png()
    .toFile(join(root, "a.png"));
});
beforeEach(async () => {
  shown = [];
  graph = withSettings(await readPreset("quick"), { modelSize: 1024, format: "same" });
});
afterAll(async () => {
  await surroundings.close();
  await rm(root, { recursive: true });
});

/** A network that fits into memory up to a size. */
function executorFor(largest: number) {
  const colorizer: Colorizer = {
    ...surroundings.colorizer,
    async chroma(_, { width, height, see }) {
      shown.push(width);
      if (width > largest) throw new AutochromeError("out-of-memory", "Too large.", "Smaller.");
      const data = new Float32Array(2 * width * height).fill(20);
      return { data, grey: await see(), networkMs: 1, device: "cpu", notes: [] };
    },
  };
  return createLocalExecutor({ ...surroundings, colorizer });
}

function job(mayShrink: boolean): Job {
  return {
    batchId: "batch",
    itemId: "item",
    source: join(root, "a.png"),
    sourceHash: undefined,
    target: join(root, `out-${number++}.png`),
    existing: "skip",
    graph,
    mayShrink,
    keepColours: false,
    colours: undefined,
    masks: undefined,
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

describe("where memory does not suffice", () => {
  it("the network sees the photo smaller, and the record says so", async () => {
    const result = await executorFor(600).run(job(true), signal);
    expect(shown).toEqual([1024, 768, 576]);
    expect(result).toMatchObject({
      status: "done",
      graph: { "2": { inputs: { model_size: 576 } } },
      notes: [expect.stringMatching(/Memory did not suffice.*576/)],
    });
  });

  it("a size that was set by hand stays, and the photo fails", async () => {
    await expect(executorFor(600).run(job(false), signal)).rejects.toMatchObject({ code: "out-of-memory" });
    expect(shown).toEqual([1024]);
  });

  it("it ends at a size that still shows something", async () => {
    await expect(executorFor(0).run(job(true), signal)).rejects.toMatchObject({ code: "out-of-memory" });
    expect(Math.min(...shown)).toBeGreaterThanOrEqual(256);
    expect(shown.length).toBeLessThan(8);
  });
});
