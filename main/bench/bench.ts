// `npm run bench`: every budget of the design as a ratio, measured side by side in this run. Prints a table (the one of
// docs/performance.md) and writes bench-out/bench.json. `npm run bench -- throughput memory` runs only these.

import { mkdir } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { resolve } from "node:path";
import { writeFileAtomically } from "../../app/kernel/index.ts";
import { benchCatalogue } from "./catalogue.ts";
import { benchMemory } from "./memory.ts";
import { benchNetworks } from "./networks.ts";
import { benchImport, benchThroughput } from "./throughput.ts";
import { benchTuning } from "./tuning.ts";

interface Row {
  readonly what: string;
  readonly found: string;
  readonly budget: string;
  readonly met: boolean;
}

const SECTIONS = ["throughput", "networks", "tuning", "import", "catalogue", "memory"] as const;
const wished = process.argv.slice(2);
const wants = (section: (typeof SECTIONS)[number]) => wished.length === 0 || wished.includes(section);

const rows: Row[] = [];
const raw: Record<string, unknown> = {
  at: new Date().toISOString(),
  computer: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.versions.node,
};

if (wants("throughput")) {
  const all = [await benchThroughput({ quality: 100 }), await benchThroughput({ quality: 98 })];
  raw.throughput = all;
  for (const figures of all) {
    const { files, megapixels, modelSize, quality, colorize, networkAlone, codecAlone } = figures;
    const what = `colorize, ${files} JPEGs of ${megapixels} MP, model size ${modelSize}, quality ${quality}`;
    rows.push(
      {
        what: `${what}: share of the slower bare half`,
        found: `${figures.ratio.toFixed(2)} (${colorize.toFixed(2)}/s; network alone ${networkAlone.toFixed(2)}/s, decode + encode alone ${codecAlone.toFixed(2)}/s)`,
        budget: "≥ 0.90",
        met: figures.ratio >= 0.9,
      },
      {
        what: `${what}: event loop of the engine meanwhile, p99`,
        found: `${figures.eventLoopP99.toFixed(1)} ms`,
        budget: "≤ 16 ms",
        met: figures.eventLoopP99 <= 16,
      },
    );
  }
}
if (wants("networks")) {
  const all = await benchNetworks((text) => process.stderr.write(`${text}\n`));
  raw.networks = all;
  if (all.length === 0) {
    process.stderr.write("No official network is here to be timed; see main/bench/networks.ts.\n");
  }
  for (const { model, size, device, bare, batched, pipeline } of all) {
    const more = batched === undefined ? "" : `, ${batched.perSecond.toFixed(2)}/s four at a time`;
    rows.push({
      what: `${model} at ${size}, ${device}: share of the slower bare half, 6 MP JPEGs, quality ${pipeline.quality}`,
      found: `${pipeline.ratio.toFixed(2)} (${pipeline.colorize.toFixed(2)}/s; network alone ${pipeline.networkAlone.toFixed(2)}/s${more}; start ${Math.round(bare.loadMs)} ms, peak ${Math.round(bare.peakMiB)} MiB)`,
      budget: "≥ 0.90",
      met: pipeline.ratio >= 0.9,
    });
  }
}
if (wants("tuning")) {
  const figures = await benchTuning();
  raw.tuning = figures;
  const { renderMs, encodeMs, allowedMs, versionMs, networkRuns } = figures;
  rows.push({
    what: "1600 pixels of a 12 MP version rendered at other colours, against 50 ms and a quarter of a JPEG encode",
    found: `${(renderMs / allowedMs).toFixed(2)} (${renderMs.toFixed(0)} ms, and ${encodeMs.toFixed(0)} ms for its own JPEG; ${networkRuns} runs of the network; a whole new version ${(versionMs / 1000).toFixed(1)} s)`,
    budget: "≤ 1.00",
    met: renderMs <= allowedMs && networkRuns === 0,
  });
}
if (wants("import")) {
  const figures = await benchImport();
  raw.import = figures;
  rows.push({
    what: `import, ${figures.files} JPEGs: share of bare thumbnails`,
    found: `${figures.ratio.toFixed(2)} (${figures.import.toFixed(1)}/s against ${figures.thumbnailsAlone.toFixed(1)}/s)`,
    budget: "≥ 0.80",
    met: figures.ratio >= 0.8,
  });
}
if (wants("catalogue")) {
  const figures = await benchCatalogue();
  raw.catalogue = figures;
  for (const { name, apiMs, bareMs, ratio } of figures) {
    rows.push({
      what: `1,000,000 photos, ${name}: time against the bare SQL`,
      found: `${ratio.toFixed(2)} (${apiMs.toFixed(2)} ms against ${bareMs.toFixed(2)} ms)`,
      budget: "≤ 1.20",
      met: ratio <= 1.2,
    });
  }
}
if (wants("memory")) {
  const figures = await benchMemory();
  raw.memory = figures;
  for (const { name, megapixels, bitDepth, peakMiB } of figures) {
    rows.push({
      what: `peak memory beyond the model, ${name} (${megapixels} MP, ${bitDepth} bit)`,
      found: `${Math.round(peakMiB)} MiB`,
      budget: "≤ 1024 MiB",
      met: peakMiB <= 1024,
    });
  }
}

const table = [
  "| what | found | budget | met |",
  "|---|---|---|---|",
  ...rows.map((row) => `| ${row.what} | ${row.found} | ${row.budget} | ${row.met ? "yes" : "no"} |`),
].join("\n");
process.stdout.write(`${table}\n`);
await mkdir("bench-out", { recursive: true });
const file = resolve("bench-out/bench.json");
await writeFileAtomically(file, `${JSON.stringify({ ...raw, rows }, null, 2)}\n`, { overwrite: true });
process.stderr.write(`${file}\n`);
