// Long reads, as they run in the reading thread: a query and what becomes of its rows.
//
// Owns: the packing of a whole layout. A hundred thousand ids as JSON bytes cross threads at once; as texts they would be
// copied one by one by the engine's own thread.
// Must never: know a filter.
import type Sqlite from "better-sqlite3";
import { words } from "./search.ts";

export type Value = string | number;

/** "rows": the rows as they are. "layout": rows of id, width, height, time taken become a {@link PackedLayout}. */
export interface Question {
  readonly kind: "rows" | "layout";
  readonly sql: string;
  readonly parameters: readonly Value[];
  /** For a layout: by time taken, newest first or oldest first; absent: by something else. */
  readonly byTime?: "up" | "down";
}

export type Answer = readonly (readonly unknown[])[] | PackedLayout;

export interface PackedLayout {
  readonly count: number;
  /** A JSON array of ids, in order; all in ASCII, as ids are. */
  readonly ids: Uint8Array;
  /** A JSON array of width / height × 1000, at the same places. */
  readonly ratios: Uint8Array;
  /** First place of each year ("" for undated), where the order is by time. */
  readonly headings: readonly { readonly at: number; readonly text: string }[];
}

type LayoutRow = readonly [id: string, width: number, height: number, takenAt: string | null];

/** What a connection needs before it can answer. */
export function prepareReading(raw: Sqlite.Database): void {
  raw.pragma("cache_size = -65536");
  raw.pragma("mmap_size = 268435456");
  raw.pragma("temp_store = MEMORY");
  raw.function("has_words", { deterministic: true }, (text, phrase) =>
    typeof text === "string" && typeof phrase === "string" && hasWords(text, phrase) ? 1 : 0,
  );
}

/** Whether the words of the phrase stand in the text side by side; the last may be the beginning of one. */
export function hasWords(text: string, phrase: string): boolean {
  const spaced = (what: string) => ` ${words(what).join(" ").toLowerCase()}`;
  return spaced(text).includes(spaced(phrase));
}

export function answerTo(raw: Sqlite.Database, { kind, sql, parameters, byTime }: Question): Answer {
  const rows = raw
    .prepare(sql)
    .raw()
    .all(...parameters) as unknown[][];
  return kind === "rows" ? rows : pack(rows as unknown as LayoutRow[], byTime);
}

function pack(rows: LayoutRow[], byTime: Question["byTime"]): PackedLayout {
  // Undated ones sort last; read backwards they come first, where nobody wants them.
  const undated = byTime === "down" ? rows.findIndex(([, , , takenAt]) => takenAt !== null) : 0;
  const ordered = undated > 0 ? [...rows.slice(undated), ...rows.slice(0, undated)] : rows;
  const headings: { at: number; text: string }[] = [];
  let last: string | undefined;
  if (byTime !== undefined) {
    for (const [at, [, , , takenAt]] of ordered.entries()) {
      const text = takenAt?.slice(0, 4) ?? "";
      if (text !== last) headings.push({ at, text });
      last = text;
    }
  }
  return {
    count: ordered.length,
    ids: shared(JSON.stringify(ordered.map(([id]) => id))),
    ratios: shared(JSON.stringify(ordered.map(([, width, height]) => Math.round((width / height) * 1000)))),
    headings,
  };
}

/** ASCII in memory that every thread sees: it need not be copied on its way. */
function shared(text: string): Uint8Array {
  const bytes = new SharedArrayBuffer(text.length);
  Buffer.from(bytes).write(text, "latin1");
  return new Uint8Array(bytes);
}
