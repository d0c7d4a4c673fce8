import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Colorizer } from "../colorize/index.ts";
import { closeMetadata, createPixelWorkers, type PixelWorkers, readPngText } from "../imaging/index.ts";
import { openModelStore } from "../modelstore/index.ts";
import { createGraphCache, type GraphCache } from "./cache.ts";
import { type RunEvent, type RunResult, runGraph } from "./execute.ts";
import type { ApiGraph } from "./graph.ts";
import type { GraphFiles, World } from "./node.ts";

let workers: PixelWorkers;
let folder: string;
let world: World;
let cache: GraphCache;
let runs: number;
let saved: string[];
let onNetwork: () => Promise<void>;

beforeAll(() => {
  workers = createPixelWorkers({ threads: 2, limits: { maxMegapixels: 600 } });
});
afterAll(() => Promise.all([workers.close(), closeMetadata()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-graph-"));
  runs = 0;
  saved = [];
  onNetwork = async () => undefined;
  const known = new Map<string, Float32Array>();
  // A network that makes everything orange, and remembers.
  const colorizer: Colorizer = {
    device: "cpu",
    counts: { runs: 0, known: 0 },
    async chroma(_, { width, height, see }, key = "") {
      const grey = await see();
      const rest = { grey, device: "cpu", notes: [] } as const;
      let data = known.get(`${width} ${height} ${key}`);
      if (data !== undefined) return { data, networkMs: 0, ...rest };
      runs++;
      await onNetwork();
      data = Float32Array.from({ length: 2 * width * height }, (_, i) => (i < width * height ? 30 : 40));
      known.set(`${width} ${height} ${key}`, data);
      return { data, networkMs: 5, ...rest };
    },
    warm: async () => undefined,
    forget: () => known.clear(),
    unload: () => known.clear(),
    chooseAnew: () => undefined,
  };
  const files: GraphFiles = {
    list: () => ["a.png", "large.png"],
    find: (name) => (/^[a-z]+\.png$/.test(name) ? join(folder, name) : undefined),
    async save({ prefix, extension, isPreview }, write) {
      const filename = `${prefix}_${saved.length}${extension}`;
      await write(join(folder, filename));
      saved.push(filename);
      return { filename, subfolder: "", type: isPreview ? "temp" : "output" };
    },
  };
  const models = openModelStore(join(folder, "models"));
  world = { workers, colorizer, models, files, limits: { maxMegapixels: 600 } } as World;
  cache = createGraphCache({ scratchBeside: join(folder, "x"), capacity: 256 * 2 ** 20 });
  await picture("a.png", 120, 90);
});
afterEach(() => rm(folder, { recursive: true }));

async function picture(name: string, width: number, height: number, grey = 128): Promise<void> {
  await sharp({
    create: { width, height, channels: 3, background: { r: grey, g: grey, b: grey } },
  })
    .png({ compressionLevel: 1 })
    .toFile(join(folder, name));
}

function graphOf(colorFactor = 1, image = "a.png"): ApiGraph {
  return {
    "1": { class_type: "LoadImage", inputs: { image } },
    "2": {
      class_type: "DDColor-ddcolorize",
      inputs: { image: ["1", 0], model: "autochrome-small", model_size: 64, color_factor: colorFactor },
    },
    "3": { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "out" } },
  };
}

async function run(
  graph: ApiGraph,
  options: { readonly signal?: AbortSignal; readonly wantsPreviews?: boolean; outputs?: string[] } = {},
): Promise<{ result: RunResult; events: RunEvent[] }> {
  const events: RunEvent[] = [];
  const result = await runGraph({
    graph,
    outputs: options.outputs ?? ["3"],
    prompt: {
      id: "p",
      graph,
      extraPngInfo: { workflow: { nodes: [] } },
      createdAt: "2026-01-02T03:04:05.678Z",
    },
    world,
    cache,
    signal: options.signal ?? new AbortController().signal,
    wantsPreviews: options.wantsPreviews ?? false,
    onEvent: (event) => events.push(event),
  });
  return { result, events };
}

const started = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === "node-started" ? [event.node] : []));
const cachedIn = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === "cached" ? event.nodes : []));
const leftovers = async () => (await readdir(folder)).filter((name) => name.startsWith(".autochrome-"));

test("a photo is loaded, coloured, saved; the file says how, and has the graph inside", async () => {
  const graph = graphOf();
  const { result, events } = await run(graph, { wantsPreviews: true });
  expect(result).toMatchObject({ status: "success", executed: ["1", "2", "3"] });
  expect(result.outputs["3"]).toEqual({
    images: [{ filename: "out_0.png", subfolder: "", type: "output" }],
  });
  const { data } = await sharp(join(folder, "out_0.png")).raw().toBuffer({ resolveWithObject: true });
  expect(data[0]! - data[2]!).toBeGreaterThan(50); // orange
  const texts = await readPngText(join(folder, "out_0.png"));
  expect(JSON.parse(texts.prompt!)).toEqual(graph);
  expect(JSON.parse(texts.workflow!)).toEqual({ nodes: [] });
  expect((await sharp(join(folder, "out_0.png")).metadata()).xmp?.toString()).toContain("autochrome-small");
  expect(events.map((event) => event.type).filter((type) => type !== "progress")).toEqual([
    "cached",
    ...["node-started", "node-finished"],
    ...["node-started", "preview", "preview", "node-finished"],
    ...["node-started", "node-finished"],
  ]);
});

describe("what is known is not done again", () => {
  test("the same graph, renumbered: nothing runs, and the same files are shown", async () => {
    await run(graphOf());
    const renumbered = JSON.parse(
      JSON.stringify(graphOf()).replaceAll('"1"', '"10"').replaceAll('"2"', '"20"').replaceAll('"3"', '"30"'),
    ) as ApiGraph;
    const { result, events } = await run(renumbered, { outputs: ["30"] });
    expect(started(events)).toEqual([]);
    expect(cachedIn(events).toSorted()).toEqual(["10", "20", "30"]);
    expect(result.outputs["30"]?.images?.[0]?.filename).toBe("out_0.png");
    expect(saved).toHaveLength(1);
  });

  test("another color_factor: the network does not run", async () => {
    await run(graphOf(1));
    expect(runs).toBe(1);
    const { events } = await run(graphOf(0.5));
    expect(cachedIn(events)).toEqual(["1"]);
    expect(started(events)).toEqual(["2", "3"]);
    expect(runs).toBe(1);
    const [one, half] = await Promise.all(saved.map((name) => sharp(join(folder, name)).stats()));
    const spread = (stats: typeof one) => stats!.channels[0]!.mean - stats!.channels[2]!.mean;
    expect(spread(half)).toBeLessThan(0.7 * spread(one));
  });

  test("another photo under the same name: everything runs", async () => {
    await run(graphOf());
    await picture("a.png", 120, 90, 60);
    const { events } = await run(graphOf());
    expect(started(events)).toEqual(["1", "2", "3"]);
    expect(runs).toBe(2);
  });

  test("without capacity nothing is kept", async () => {
    cache = createGraphCache({ scratchBeside: join(folder, "x"), capacity: 0 });
    await run(graphOf());
    expect(started((await run(graphOf())).events)).toEqual(["1", "2", "3"]);
  });
});

test("nodes that no wanted output needs are not run", async () => {
  const graph = {
    ...graphOf(),
    "9": { class_type: "LoadImage", inputs: { image: "missing.png" } },
  };
  expect((await run(graph)).result.status).toBe("success");
});

test("what fails is named, with its inputs; what finished stays", async () => {
  await writeFile(join(folder, "a.png"), "no picture");
  const { result } = await run({
    ...graphOf(1, "a.png"),
  });
  expect(result).toMatchObject({
    status: "error",
    executed: [],
    failure: {
      node: "1",
      class: "LoadImage",
      error: { code: "not-an-image" },
      inputs: { image: "a.png" },
    },
  });
  await picture("a.png", 120, 90);
  onNetwork = async () => {
    throw new Error("no network today");
  };
  const broken = (await run(graphOf())).result;
  expect(broken).toMatchObject({
    status: "error",
    executed: ["1"],
    failure: { node: "2", inputs: { image: "120 × 90", color_factor: 1 } },
  });
});

test("stopping: inside a node, before a node; nothing is left, and the next run works", async () => {
  const abort = new AbortController();
  onNetwork = async () => {
    abort.abort();
    abort.signal.throwIfAborted();
  };
  const stopped = (await run(graphOf(), { signal: abort.signal })).result;
  expect(stopped).toMatchObject({ status: "interrupted", failure: { node: "2" } });
  expect((await run(graphOf(), { signal: AbortSignal.abort() })).result.status).toBe("interrupted");
  expect(await leftovers()).toEqual([]);
  onNetwork = async () => undefined;
  expect((await run(graphOf())).result.status).toBe("success");
});

test("large pictures lie in files, which go when nobody needs them", async () => {
  await picture("large.png", 5000, 3500);
  cache = createGraphCache({ scratchBeside: join(folder, "x"), capacity: 60 * 2 ** 20 });
  const during: number[] = [];
  onNetwork = async () => {
    during.push((await leftovers()).length);
  };
  const { result } = await run(graphOf(1, "large.png"));
  expect(result.status).toBe("success");
  expect(during).toEqual([1]);
  // The loaded picture fits into the cache, the coloured one with it does not.
  const files = await leftovers();
  expect(files).toHaveLength(1);
  expect(saved.map((name) => basename(name))).toEqual(["out_0.png"]);
  await cache.clear();
  expect(await leftovers()).toEqual([]);
});
