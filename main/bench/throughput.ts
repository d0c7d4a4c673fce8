// Throughput of colouring files, beside its two bare halves over the same files: the network alone, and decode + encode
// alone over all cores. Also how long the engine's event loop was held up meanwhile, and importing beside bare thumbnails.
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import sharp from "sharp";
import { createLocalExecutor, createSurroundings, queueFiles, runBatch } from "../../app/batches/index.ts";
import { importPhotos, openLibrary } from "../../app/catalogue/index.ts";
import { type Device, networkSize } from "../../app/colorize/index.ts";
import { closeMetadata, createPixelWorkers } from "../../app/imaging/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { embeddedModel, type Model } from "../../app/modelstore/index.ts";
import { readPreset, withSettings } from "../../app/workflow/index.ts";
import { bareLoop } from "./bare-loop.ts";

const CORES = availableParallelism();
const ROUNDS = 2;

export interface ThroughputFigures {
  readonly files: number;
  readonly megapixels: number;
  readonly modelSize: number;
  readonly quality: number;
  /** Photos per second, best of the rounds. */
  readonly colorize: number;
  readonly networkAlone: number;
  readonly codecAlone: number;
  /** colorize / the slower half. */
  readonly ratio: number;
  /** 99th percentile of the event loop's delay in the engine while colouring, in milliseconds. */
  readonly eventLoopP99: number;
}

export interface ImportFigures {
  readonly files: number;
  /** Photos per second, best of the rounds. */
  readonly import: number;
  readonly thumbnailsAlone: number;
  readonly ratio: number;
}

/** Photographs with structure and grain, so that codecs work as on real ones. */
export async function makePhotos(
  folder: string,
  count: number,
  width: number,
  height: number,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const base = await sharp({
      create: {
        width: 40,
        height: 30,
        channels: 3,
        background: "#888",
        noise: { type: "gaussian", mean: 128, sigma: 60 },
      },
    })
      .greyscale()
      .png()
      .toBuffer();
    const grain = await sharp({
      create: {
        width,
        height,
        channels: 3,
        background: "#888",
        noise: { type: "gaussian", mean: 128, sigma: 10 },
      },
    })
      .greyscale()
      .png({ compressionLevel: 1 })
      .toBuffer();
    await sharp(base)
      .resize(width, height, { fit: "fill", kernel: "cubic" })
      .composite([{ input: grain, blend: "overlay" }])
      .greyscale()
      .jpeg({ quality: 90 })
      .toFile(join(folder, `${i}.jpg`));
  }
}

export interface ThroughputOptions {
  /** Of the JPEGs that are written; at 100 their lightness is kept through the format's rounding. */
  readonly quality: number;
  readonly model?: Model;
  readonly modelSize?: number;
  /** What runs the network; the CPU unless said otherwise. */
  readonly device?: Device;
  readonly count?: number;
}

export async function benchThroughput(options: ThroughputOptions): Promise<ThroughputFigures> {
  const { quality, model = embeddedModel(), modelSize = model.input.standard, count = 16 } = options;
  const { device = { provider: "cpu" } } = options;
  const [width, height] = [3000, 2000];
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-"));
  const settings = { model: model.id, modelSize, format: "same", quality } as const;
  const graph = withSettings(await readPreset("quick"), settings);
  const surroundings = createSurroundings({
    threads: CORES,
    inferenceThreads: CORES,
    limits: { maxMegapixels: 600 },
    imageModels: join(folder, "image-models"),
    models: dirname(model.path),
    device: { choose: async () => device, mayFallBack: false, onFailed: () => undefined },
    log: silentLogger(),
  });
  const executor = createLocalExecutor(surroundings);
  try {
    const photos = join(folder, "in");
    await makePhotos(photos, count, width, height);
    const size = networkSize(model.input, { width, height }, modelSize, true);
    await executor.prepare(graph, { networks: true });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const best = { colorize: 0, network: 0, codec: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const library = await openLibrary(":memory:");
      surroundings.colorizer.forget(); // each round runs the network
      const { batch } = await queueFiles(library, {
        sources: [photos],
        out: join(folder, `out-${round}`),
        plan: { variants: [{ name: "quick", graph }], existing: "skip", mayShrink: false },
        executor: "local",
      });
      delay.enable();
      best.colorize = Math.max(
        best.colorize,
        await pace(count, async () => {
          const counts = await runBatch({ library, executor, batch: batch?.id ?? "", log: silentLogger() });
          if (counts.done !== count) throw new Error(`only ${counts.done} of ${count} were coloured`);
        }),
      );
      delay.disable();
      library.close();
      const loop = { path: model.path, threads: CORES, ...size, batch: 1, count };
      best.network = Math.max(best.network, (await bareLoop(device, loop)).perSecond);
      best.codec = Math.max(
        best.codec,
        await pace(count, () => codecLoop(photos, join(folder, "codec"), quality)),
      );
    }
    const slower = Math.min(best.network, best.codec);
    return {
      files: count,
      megapixels: (width * height) / 1e6,
      modelSize,
      quality,
      colorize: best.colorize,
      networkAlone: best.network,
      codecAlone: best.codec,
      ratio: best.colorize / slower,
      eventLoopP99: delay.percentile(99) / 1e6,
    };
  } finally {
    await executor.close();
    await surroundings.close();
    await rm(folder, { recursive: true });
  }
}

export async function benchImport(count = 60, width = 3000, height = 2000): Promise<ImportFigures> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-"));
  const workers = createPixelWorkers({ threads: CORES, limits: { maxMegapixels: 600 } });
  try {
    const photos = join(folder, "in");
    await makePhotos(photos, count, width, height);
    const best = { import: 0, thumbnails: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const library = await openLibrary(join(folder, `library-${round}`));
      best.import = Math.max(
        best.import,
        await pace(count, async () => {
          const { imported } = await importPhotos(library, [photos], { workers });
          if (imported !== count) throw new Error(`only ${imported} of ${count} were imported`);
        }),
      );
      library.close();
      best.thumbnails = Math.max(
        best.thumbnails,
        await pace(count, () => thumbnailLoop(photos, join(folder, "thumbs"))),
      );
    }
    return {
      files: count,
      import: best.import,
      thumbnailsAlone: best.thumbnails,
      ratio: best.import / best.thumbnails,
    };
  } finally {
    await workers.close();
    await closeMetadata();
    await rm(folder, { recursive: true });
  }
}

function codecLoop(photos: string, out: string, quality: number): Promise<void> {
  return overAllCores(photos, out, (source, target) =>
    sharp(source)
      .toColourspace("srgb")
      .jpeg({ quality, chromaSubsampling: "4:4:4", optimiseCoding: false })
      .toFile(target),
  );
}

function thumbnailLoop(photos: string, out: string): Promise<void> {
  return overAllCores(photos, out, (source, target) =>
    sharp(source)
      .autoOrient()
      .resize(512, 512, { fit: "inside" })
      .webp({ quality: 80, effort: 2 })
      .toFile(`${target}.webp`),
  );
}

async function overAllCores(
  photos: string,
  out: string,
  work: (source: string, target: string) => Promise<unknown>,
): Promise<void> {
  await mkdir(out, { recursive: true });
  sharp.concurrency(1);
  const names = await readdir(photos);
  const run = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop())
      await work(join(photos, name), join(out, name));
  };
  await Promise.all(Array.from({ length: CORES }, run));
}

/** Photos per second. */
async function pace(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}
