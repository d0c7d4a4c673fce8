// Pages of a catalogue of a million photos through the public API, beside the same SQL run bare.
// Alone: `node main/bench/catalogue.ts [photos]`.
// The bare side prepares each statement once and gets plain rows; the API side finds the album, reads the words of the
// search, decodes the marker, and makes photos of the rows. Both run in turns in this process.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import {
  fillSynthetic,
  type Library,
  listPhotos,
  openLibrary,
  type PageRequest,
  syntheticWord,
} from "../../app/catalogue/index.ts";

export interface CatalogueFigures {
  readonly name: string;
  /** Median time of a page through the API, in milliseconds. */
  readonly apiMs: number;
  /** Median time of the same SQL, in milliseconds. */
  readonly bareMs: number;
  readonly ratio: number;
}

const PHOTOS = 1_000_000;
const LIMIT = 100;
const MOST_ROUNDS = 301;
const FEWEST_ROUNDS = 15;
/** Time for one request, in milliseconds. */
const TIME = 4000;

/** @param photos how many photos the catalogue has; fewer only to try the benchmark itself */
export async function benchCatalogue(photos = PHOTOS): Promise<CatalogueFigures[]> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-"));
  try {
    const filled = await openLibrary(folder);
    fillSynthetic(filled, photos);
    filled.close();
    const library = await openLibrary(folder); // both sides with caches that begin empty, and no log
    const bare = new Sqlite(library.db.file, { readonly: true });
    bare.pragma("cache_size = -65536");
    bare.pragma("mmap_size = 268435456");
    bare.pragma("temp_store = MEMORY");
    const figures = requests(library, photos).map(([name, request]) => compare(library, bare, name, request));
    bare.close();
    library.close();
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function requests(library: Library, photos: number): (readonly [string, PageRequest])[] {
  const frequent = syntheticWord(0); // in a third of the photos
  const word = syntheticWord(300); // in about one of five hundred
  const second = listPhotos(library, { sort: "taken", limit: LIMIT }).next;
  let deep: string | undefined;
  for (let read = 0; read < photos / 2; read += 1000) {
    deep = listPhotos(library, { sort: "name", limit: 1000, after: deep }).next;
  }
  return [
    ["all by import", { sort: "imported" }],
    ["all by date", { sort: "taken" }],
    ["all by name", { sort: "name" }],
    ["newest first", { sort: "imported", descending: true }],
    ["black-and-white by import", { mono: true }],
    ["colour by date", { mono: false, sort: "taken" }],
    ["missing by import", { missing: true }],
    ["missing colour ones by name", { missing: true, mono: false, sort: "name" }],
    ["album by import", { album: "Tenth" }],
    ["album by date", { album: "Tenth", sort: "taken" }],
    ["second page by date", { sort: "taken", after: second }],
    ["page in the middle by name", { sort: "name", after: deep }],
    ["search: a word", { search: word }],
    ["search: a word, by date", { search: word, sort: "taken" }],
    ["search: a word in a third of all, by date", { search: frequent, sort: "taken" }],
    ["search: beginning of a word", { search: word.slice(0, 3) }],
    ["search: Chinese", { search: "外婆" }],
    ["search: 1930s, in an album, by name", { search: "1930s", album: "Tenth", sort: "name" }],
  ];
}

function compare(
  library: Library,
  bare: Sqlite.Database,
  name: string,
  filter: PageRequest,
): CatalogueFigures {
  const request = { ...filter, limit: LIMIT };
  const queries = queriesOf(library, request).map(({ sql, parameters }) => ({
    statement: bare.prepare(sql),
    parameters,
  }));
  const api = () => listPhotos(library, request).photos.length;
  const plain = () => queries.map(({ statement, parameters }) => statement.all(...parameters).length).at(-1);
  if (api() !== Math.min(LIMIT, plain() ?? 0)) throw new Error(`${name}: the two sides give different pages`);
  const times = { api: [] as number[], bare: [] as number[] };
  const started = performance.now();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - started > TIME) break;
    // In turns, each first half of the time, so that neither has the warmer caches.
    if (round % 2 === 0) times.api.push(timed(api));
    times.bare.push(timed(plain));
    if (round % 2 === 1) times.api.push(timed(api));
  }
  const apiMs = median(times.api);
  const bareMs = median(times.bare);
  return { name, apiMs, bareMs, ratio: apiMs / bareMs };
}

interface Query {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** The SQL that the API runs for a page; the last query is the page itself. */
function queriesOf(library: Library, request: PageRequest): Query[] {
  const queries: Query[] = [];
  const { db } = library;
  const watched: Library = {
    ...library,
    db: {
      ...db,
      tuples: (query) => {
        queries.push(query.compile());
        return db.tuples(query);
      },
      get: (query) => {
        queries.push(query.compile());
        return db.get(query);
      },
    },
  };
  listPhotos(watched, request);
  return queries;
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) {
  const figures = await benchCatalogue(Number(process.argv[2] ?? PHOTOS));
  for (const { name, apiMs, bareMs, ratio } of figures) {
    process.stdout.write(
      `${name.padEnd(44)} ${apiMs.toFixed(3).padStart(9)} ms  ${bareMs.toFixed(3).padStart(9)} ms  ${ratio.toFixed(2)}\n`,
    );
  }
}
