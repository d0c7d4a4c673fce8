// Changing the colours of a finished 12 MP version: how long its 1600 pixels take from the wish to the picture, beside one
// bare JPEG encode of the same picture in the same run. No network runs.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import {
  createLocalExecutor,
  createSurroundings,
  openTuning,
  queuePhotos,
  runBatch,
} from "../../app/batches/index.ts";
import { importPhotos, listVersions, openLibrary, photosOf } from "../../app/catalogue/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { readPreset, withSettings } from "../../app/workflow/index.ts";
import { makePhotos } from "./throughput.ts";

const LOOKS = 24;
const QUALITY = 95;
const MODEL_SIZE = 512;

export interface TuningFigures {
  /** Quartiles, milliseconds: of a look without its own JPEG, and of that. */
  readonly renderMs: number;
  readonly encodeMs: number;
  /** What the rendering may take: a quarter of the encode and 50 ms. */
  readonly allowedMs: number;
  /** A new version of 12 MP, written to its end. */
  readonly versionMs: number;
  readonly networkRuns: number;
}

export async function benchTuning(): Promise<TuningFigures> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-tuning-"));
  const threads = availableParallelism();
  const surroundings = createSurroundings({
    threads,
    inferenceThreads: threads,
    limits: { maxMegapixels: 100 },
    models: join(folder, "models"),
    imageModels: join(folder, "image-models"),
    log: silentLogger(),
  });
  const library = await openLibrary(join(folder, "library"));
  try {
    const photos = join(folder, "photos");
    await mkdir(photos);
    await makePhotos(photos, 1, 4000, 3000);
    await importPhotos(library, [photos], { workers: surroundings.workers });
    const executor = createLocalExecutor(surroundings);
    const graph = withSettings(await readPreset("quick"), { modelSize: MODEL_SIZE, format: "same" });
    const plan = { variants: [{ name: "quick", graph }], existing: "adopt" as const, mayShrink: false };
    const colour = async () => {
      const { id } = queuePhotos(library, {}, plan, { executor: "local", priority: 0 });
      await runBatch({ library, executor, batch: id, log: silentLogger() });
    };
    await colour();
    const [version] = [...photosOf(library)].flatMap((photo) => listVersions(library.db, photo.id));
    if (version === undefined) throw new Error("the photo was not coloured");
    const before = surroundings.colorizer.counts.runs;
    const table = await openTuning(library, surroundings, version.id);
    const looks: number[] = [];
    const encodes: number[] = [];
    try {
      for (let i = 0; i < LOOKS; i++) {
        const settings = { colorFactor: 0.5 + i / LOOKS, temperature: i / LOOKS / 2, vibrance: 0.2 };
        const begun = performance.now();
        const look = await table.look(settings);
        looks.push(performance.now() - begun);
        const { data, info } = await sharp(Buffer.from(look)).raw().toBuffer({ resolveWithObject: true });
        const encoding = performance.now();
        await sharp(data, { raw: info }).jpeg({ quality: QUALITY }).toBuffer();
        encodes.push(performance.now() - encoding);
      }
    } finally {
      await table.close();
    }
    const networkRuns = surroundings.colorizer.counts.runs - before;
    const begun = performance.now();
    await colour(); // the network's answer is remembered: what is left is what tuning costs
    const versionMs = performance.now() - begun;
    const [lookMs, encodeMs] = [quarter(looks), quarter(encodes)];
    const renderMs = lookMs - encodeMs;
    return { renderMs, encodeMs, allowedMs: 50 + encodeMs / 4, versionMs, networkRuns };
  } finally {
    await surroundings.close();
    library.close();
    await rm(folder, { recursive: true });
  }
}

/** The quickest quarter takes at most so long: as elsewhere the best rounds count, because machines are noisy. */
function quarter(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 4)] ?? Number.NaN;
}
