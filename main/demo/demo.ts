// `npm run demo`: the whole way of a photograph, on the sample album: import, colour, contact sheet, comparison page.
// Owns: the folder demo-out. Must never: take a short cut that the program itself does not take.
import { readFile, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createLocalExecutor, createSurroundings, queuePhotos, runBatch } from "../../app/batches/index.ts";
import { chosenVersion, importPhotos, openLibrary, photosOf } from "../../app/catalogue/index.ts";
import { createLogger } from "../../app/kernel/index.ts";
import { embeddedModel } from "../../app/modelstore/index.ts";
import { readPreset, withSettings } from "../../app/workflow/index.ts";
import { createOutput, duration } from "../cli/output.ts";
import { makeComparisonPage } from "./comparison-page.ts";
import { makeContactSheet } from "./contact-sheet.ts";

const SAMPLES = fileURLToPath(new URL("samples/", import.meta.url));
const OUT = resolve("demo-out");

const samplesSchema = z.object({
  samples: z.array(z.object({ file: z.string(), title: z.object({ en: z.string(), "zh-CN": z.string() }) })),
});

const output = createOutput(false);
const { samples } = samplesSchema.parse(JSON.parse(await readFile(join(SAMPLES, "samples.json"), "utf8")));
const titles = new Map(samples.map(({ file, title }) => [file, title]));
const model = embeddedModel();
const threads = availableParallelism();
const log = createLogger("warn");

await rm(OUT, { recursive: true, force: true });
const library = await openLibrary(join(OUT, "library"));
const surroundings = createSurroundings({
  threads,
  inferenceThreads: threads,
  limits: { maxMegapixels: 100 },
  imageModels: join(OUT, "image-models"),
  models: join(OUT, "models"),
  log,
});
const executor = createLocalExecutor(surroundings);
try {
  const { imported } = await importPhotos(library, [SAMPLES], {
    workers: surroundings.workers,
    album: "Samples",
  });
  output.say(`${imported} photographs imported.`);
  const graph = withSettings(await readPreset("quick"), {
    model: model.id,
    modelSize: model.input.standard,
    format: "same",
  });
  const batch = queuePhotos(
    library,
    { album: "Samples" },
    { variants: [{ name: "quick", graph }], existing: "adopt", mayShrink: true },
    { executor: "local", priority: 0 },
  );
  const counts = await runBatch({
    library,
    executor,
    batch: batch.id,
    log,
    onItem: ({ item, ms, error, progress }) => {
      if (error !== undefined) output.fail(item.source, error);
      else output.say(`${item.source} coloured (${duration(ms)})`);
      const { done, failed } = progress.counts;
      output.progress({ done: done + failed, total: imported, failed, remainingMs: progress.remainingMs });
    },
  });
  const pairs = [];
  for (const photo of photosOf(library)) {
    const version = chosenVersion(library.db, photo.id, false);
    if (version === undefined) continue;
    const title = titles.get(photo.name);
    pairs.push({
      title: title?.en ?? photo.name,
      titleZh: title?.["zh-CN"] ?? photo.name,
      before: photo.path,
      after: join(library.folder, version.file),
    });
  }
  const sheet = join(OUT, "contact-sheet.png");
  const page = join(OUT, "before-after.html");
  await makeContactSheet(pairs, sheet);
  await makeComparisonPage(pairs, page, {
    title: "Autochrome: before and after",
    titleZh: "Autochrome：上色前后",
  });
  output.say(`${counts.done} coloured, ${counts.failed} failed.`);
  output.result(sheet);
  output.result(page);
  if (counts.done !== samples.length) process.exitCode = 1;
} finally {
  await executor.close();
  await surroundings.close();
  library.close();
}
