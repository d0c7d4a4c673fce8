import { access, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  importPhotos,
  type Library,
  listVersions,
  openLibrary,
  photosOf,
  type Version,
} from "../catalogue/index.ts";
import { hashFile, silentLogger } from "../kernel/index.ts";
import { apiGraphSchema, readPreset, withSettings } from "../workflow/index.ts";
import {
  createLocalExecutor,
  createSurroundings,
  type Executor,
  keepMask,
  openTuning,
  type Plan,
  queuePhotos,
  queueTuning,
  reproduceVersion,
  runBatch,
} from "./index.ts";

let root: string;
let library: Library;
let surroundings: ReturnType<typeof createSurroundings>;
let executor: Executor;
let first: Version;
const [WIDTH, HEIGHT] = [240, 160];
const how = { executor: "local", priority: 0 };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-tuning-test-"));
  library = await openLibrary(join(root, "library"));
  surroundings = createSurroundings({
    threads: 2,
    inferenceThreads: 2,
    limits: { maxMegapixels: 100 },
    models: join(root, "models"),
    imageModels: join(root, "image-models"),
    log: silentLogger(),
  });
  executor = createLocalExecutor(surroundings);
  const levels = Uint8Array.from(
    { length: WIDTH * HEIGHT },
    (_, i) => 128 + 90 * Math.sin((i % WIDTH) / 20) * Math.cos(i / WIDTH / 30),
  );
  await mkdir(join(root, "photos"));
  await sharp(levels, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } })
    .png()
    .toFile(join(root, "photos", "a.png"));
  await importPhotos(library, [join(root, "photos")], { workers: surroundings.workers });
  const graph = withSettings(await readPreset("quick"), { modelSize: 128, format: "same" });
  const plan: Plan = { variants: [{ name: "quick", graph }], existing: "adopt", mayShrink: false };
  await run(queuePhotos(library, {}, plan, how).id);
  first = versionsOf()[0]!;
});
afterAll(async () => {
  await surroundings.close();
  library.close();
  await rm(root, { recursive: true });
});

const log = silentLogger();
function versionsOf(): Version[] {
  return [...photosOf(library)].flatMap((photo) => listVersions(library.db, photo.id));
}
async function run(batch: string) {
  const counts = await runBatch({ library, executor, batch, log });
  expect(counts).toMatchObject({ failed: 0, queued: 0 });
}
const pixels = (version: Version) => pixelsOf(join(library.folder, version.file));
async function pixelsOf(file: string | Buffer): Promise<Buffer> {
  return sharp(file).removeAlpha().raw().toBuffer();
}
/** Mean distance of the channels from each other: how colourful it is. */
function colourfulness(levels: Buffer): number {
  let sum = 0;
  for (let i = 0; i < levels.length; i += 3) {
    sum += Math.abs(levels[i]! - levels[i + 1]!) + Math.abs(levels[i + 2]! - levels[i + 1]!);
  }
  return sum / levels.length;
}
const networkRuns = () => surroundings.colorizer.counts.runs;

describe("tuning a version", () => {
  it("keeps the network's colours beside each version of the library", async () => {
    expect(first.chroma).toBeDefined();
    await access(join(library.folder, first.chroma!));
  });

  it("makes a new version of other colours without running the network", async () => {
    const before = networkRuns();
    await run(queueTuning(library, [first.id], { colorFactor: 0.4 }, how).id);
    const tuned = versionsOf().at(-1)!;
    expect(networkRuns()).toBe(before);
    expect(tuned.id).not.toBe(first.id);
    expect(tuned).toMatchObject({
      workflow: { "2": { inputs: { color_factor: 0.4, model_size: 128 } } },
      modelSha256: first.modelSha256,
      device: "cpu",
    });
    const [was, is] = [await pixels(first), await pixels(tuned)];
    expect(colourfulness(is)).toBeLessThan(0.6 * colourfulness(was));
    expect(colourfulness(is)).toBeGreaterThan(0.2 * colourfulness(was));
    expect(tuned.chroma).toBeDefined();
  });

  it("gives what colouring anew with these settings gives, within a level", async () => {
    await run(queueTuning(library, [first.id], { colorFactor: 1.3 }, how).id);
    const tuned = versionsOf().at(-1)!;
    surroundings.colorizer.forget();
    const before = networkRuns();
    const graph = apiGraphSchema.parse(tuned.workflow);
    const plan: Plan = { variants: [{ name: "anew", graph }], existing: "adopt", mayShrink: false };
    await run(queuePhotos(library, {}, plan, how).id);
    expect(networkRuns()).toBe(before + 1);
    const [a, b] = [await pixels(tuned), await pixels(versionsOf().at(-1)!)];
    const farthest = a.reduce((most, level, i) => Math.max(most, Math.abs(level - b[i]!)), 0);
    expect(farthest).toBeLessThanOrEqual(1);
  });

  it("has a record that gives the same bytes again, without the network", async () => {
    const before = networkRuns();
    const tuned = versionsOf().find(({ parameters }) => JSON.stringify(parameters).includes("tunes"))!;
    const again = join(root, "again.png");
    await reproduceVersion(library, executor, tuned.id, again, new AbortController().signal);
    expect(await hashFile(again)).toBe(tuned.fileHash);
    expect(networkRuns()).toBe(before);
  });

  it("can be looked at before, again without the network", async () => {
    const before = networkRuns();
    const files = versionsOf().length;
    const table = await openTuning(library, surroundings, first.id, 120);
    try {
      const [plain, pale, grey] = [
        await table.look({}),
        await table.look({ colorFactor: 0.4 }),
        await table.look({ colorFactor: 0 }),
      ];
      const facts = await sharp(plain).metadata();
      expect(facts).toMatchObject({ format: "jpeg", width: 120, height: 80 });
      const values = await Promise.all(
        [plain, pale, grey].map(async (look) => colourfulness(await pixelsOf(Buffer.from(look)))),
      );
      expect(values[1]).toBeLessThan(values[0]!);
      expect(values[2]).toBeLessThan(values[1]!);
      const stop = new AbortController();
      stop.abort();
      await expect(table.look({ colorFactor: 2 }, stop.signal)).rejects.toThrow();
      expect(Buffer.from(await table.look({})).equals(Buffer.from(plain))).toBe(true);
    } finally {
      await table.close();
    }
    expect(networkRuns()).toBe(before);
    expect(versionsOf().length).toBe(files);
  });

  it("applies only where a mask is white, and the record names the mask", async () => {
    const half = Buffer.alloc(WIDTH * HEIGHT);
    for (let i = 0; i < half.length; i++) half[i] = i % WIDTH < WIDTH / 2 ? 255 : 0;
    const file = join(root, "mask.tif");
    await sharp(half, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } })
      .tiff()
      .toFile(file);
    const mask = await keepMask(library, surroundings.workers, file);
    expect(await keepMask(library, surroundings.workers, file)).toBe(mask);
    await run(queueTuning(library, [first.id], { colorFactor: 0, mask }, how).id);
    const tuned = versionsOf().at(-1)!;
    expect(JSON.stringify(tuned.workflow)).toContain(mask);
    const [was, is] = [await pixels(first), await pixels(tuned)];
    const part = (levels: Buffer, from: number, to: number) => {
      const rows = Array.from({ length: HEIGHT }, (_, y) =>
        levels.subarray((y * WIDTH + from) * 3, (y * WIDTH + to) * 3),
      );
      return Buffer.concat(rows);
    };
    expect(colourfulness(part(is, 0, 80))).toBeLessThan(0.2);
    const [there, before] = [part(is, 160, 240), part(was, 160, 240)];
    const farthest = there.reduce((most, level, i) => Math.max(most, Math.abs(level - before[i]!)), 0);
    expect(farthest).toBeLessThanOrEqual(1); // what was kept is within 1/32 Lab unit of what the network gave
    // Without the mask again.
    await run(queueTuning(library, [tuned.id], { mask: null }, how).id);
    const whole = versionsOf().at(-1)!;
    expect(JSON.stringify(whole.workflow)).not.toContain("mask");
    expect(colourfulness(await pixels(whole))).toBeLessThan(0.2);
  });

  it("says what cannot be tuned", async () => {
    expect(() => queueTuning(library, ["nonesuch"], {}, how)).toThrow(
      expect.objectContaining({ code: "not-found" }),
    );
    await rm(join(library.folder, first.chroma!));
    const counts = await runBatch({
      library,
      executor,
      batch: queueTuning(library, [first.id], { colorFactor: 0.5 }, how).id,
      log,
    });
    expect(counts).toMatchObject({ failed: 1, done: 0 });
  });

  it("never changes the version that is tuned", async () => {
    expect(await hashFile(join(library.folder, first.file))).toBe(first.fileHash);
    expect((await readFile(join(root, "photos", "a.png"))).length).toBeGreaterThan(0);
  });
});
