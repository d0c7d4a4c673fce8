// The layout of a whole library and the cards of a screenful, beside the same SQL run bare, and how long the engine's own
// thread stands still meanwhile. By hand: `node --expose-gc main/bench/layout.ts [photos]`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import Sqlite from "better-sqlite3";
import {
  countDecades,
  countSmart,
  fillSynthetic,
  type LayoutRequest,
  type Library,
  openLibrary,
  readCards,
  readLayout,
  syntheticWord,
} from "../../app/catalogue/index.ts";

const PHOTOS = 100_000;
const ROUNDS = 15;

export interface LayoutFigures {
  readonly name: string;
  readonly photos: number;
  /** Median time, in milliseconds. */
  readonly ms: number;
  /** The same SQL on a bare connection, in milliseconds; absent where the work is another. */
  readonly bareMs?: number;
  /** Longest time that the engine's thread stood still, in milliseconds. */
  readonly gapMs: number;
}

export async function benchLayout(photos = PHOTOS): Promise<LayoutFigures[]> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-"));
  try {
    const filled = await openLibrary(folder);
    fillSynthetic(filled, photos);
    filled.close();
    const library = await openLibrary(folder);
    const bare = new Sqlite(library.db.file, { readonly: true });
    bare.pragma("cache_size = -65536");
    bare.pragma("mmap_size = 268435456");
    bare.pragma("temp_store = MEMORY");
    const figures: LayoutFigures[] = [];
    for (const [name, request] of requests()) figures.push(await layoutFigures(library, bare, name, request));
    const { ids } = await readLayout(library, {});
    const screen = (JSON.parse(Buffer.from(ids).toString()) as string[]).slice(0, 500);
    figures.push(await measured("cards of 500", async () => readCards(library, screen).length));
    figures.push(await measured("timeline", async () => (await countDecades(library)).length));
    figures.push(
      await measured("smart albums' numbers", async () => Object.keys(countSmart(library)).length),
    );
    bare.close();
    library.close();
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function requests(): (readonly [string, LayoutRequest])[] {
  return [
    ["all by import", {}],
    ["all by date, newest first", { sort: "taken", descending: true }],
    ["all by name", { sort: "name" }],
    ["to colour, by date", { smart: "toColour", sort: "taken" }],
    ["to review", { smart: "toReview" }],
    ["album by date", { album: "Tenth", sort: "taken" }],
    ["a word in a third of all", { search: syntheticWord(0) }],
    ["a rare word", { search: syntheticWord(3000) }],
    ["filters", { search: "year:1900..1920 mono:yes rating:>2", sort: "taken" }],
  ];
}

async function layoutFigures(
  library: Library,
  bare: Sqlite.Database,
  name: string,
  request: LayoutRequest,
): Promise<LayoutFigures> {
  let asked: { readonly sql: string; readonly parameters: readonly unknown[] } | undefined;
  const watched: Library = {
    ...library,
    reader: {
      ...library.reader,
      layout: (question, signal) => {
        asked = question;
        return library.reader.layout(question, signal);
      },
    },
  };
  const figures = await measured(name, async () => (await readLayout(watched, request)).count);
  if (asked === undefined) throw new Error("nothing was asked");
  const statement = bare.prepare(asked.sql).raw();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    statement.all(...asked.parameters);
    times.push(performance.now() - started);
  }
  return { ...figures, bareMs: median(times) };
}

async function measured(name: string, work: () => Promise<number>): Promise<LayoutFigures> {
  let photos = await work(); // warm
  globalThis.gc?.(); // what the bare side left behind is not this work's
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const times: number[] = [];
  delay.enable();
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    photos = await work();
    times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  delay.disable();
  return { name, photos, ms: median(times), gapMs: delay.max / 1e6 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) {
  const figures = await benchLayout(Number(process.argv[2] ?? PHOTOS));
  const lines = figures.map(({ name, photos, ms, bareMs, gapMs }) => {
    const ratio =
      bareMs === undefined ? "" : ` (bare ${bareMs.toFixed(1)} ms, × ${(ms / bareMs).toFixed(2)})`;
    return `${name}: ${photos}, ${ms.toFixed(1)} ms${ratio}, longest gap ${gapMs.toFixed(1)} ms`;
  });
  process.stdout.write(`${lines.join("\n")}\n`);
}
