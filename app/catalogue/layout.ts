// All photos of a query at once, in its order: for a grid that is laid out before anything of it is shown, and for work on
// everything that was found.
//
// Owns: what filters, smart albums and search text mean as conditions. Reads run in the reading thread.
// Must never: put a user's text into SQL.
import { type RawBuilder, sql } from "kysely";
import { albumNumber, listAlbums, numberOfAlbum } from "./albums.ts";
import type { Library } from "./library.ts";
import { listOf } from "./lists.ts";
import type { Sort } from "./pages.ts";
import { type Filter, type Hint, parseQuery } from "./query.ts";
import type { PackedLayout, Question, Value } from "./reading.ts";
import { matchExpression, words } from "./search.ts";

export type SmartAlbum = "toColour" | "toReview" | "accepted" | "failed" | "missing";

/** Which photos, and in which order. What is given must all hold. */
export interface LayoutRequest {
  /** An album's id, or its name. */
  readonly album?: string | undefined;
  readonly smart?: SmartAlbum | undefined;
  /** A session's id. */
  readonly session?: string | undefined;
  /** As typed: words, and the filters of query.ts. */
  readonly search?: string | undefined;
  /** "imported" when not given. */
  readonly sort?: Sort | undefined;
  /** Undated photos come last also then. */
  readonly descending?: boolean | undefined;
}

export interface Layout extends PackedLayout {
  /** What was not understood in the search text. */
  readonly hints: readonly Hint[];
}

/** Words of one filter's value that are searched. */
const MOST_WORDS = 20;

/**
 * The layout of a query.
 * @throws AutochromeError "not-found" for an unknown album; the signal's reason when it is aborted
 */
export async function readLayout(
  library: Library,
  request: LayoutRequest,
  signal?: AbortSignal,
): Promise<Layout> {
  const { sort = "imported", descending = false } = request;
  const { conditions, hints } = conditionsOf(library, request);
  const key = { imported: sql`photo.number`, taken: sql`taken_key`, name: sql`name_key` }[sort];
  const direction = descending ? sql`desc` : sql`asc`;
  // "tie" is the number in the indexes of the other orders.
  const order = sort === "imported" ? sql`${key} ${direction}` : sql`${key} ${direction}, tie ${direction}`;
  const where = conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`;
  const query = sql`select photo.id, width, height, taken_at from photo ${where} order by ${order}`;
  const layout = await library.reader.layout(
    {
      ...questionOf(library, query),
      ...(sort === "taken" ? { byTime: descending ? ("down" as const) : ("up" as const) } : {}),
    },
    signal,
  );
  return { ...layout, hints };
}

/** Ids of all photos of a query, in its order. @throws as {@link readLayout} */
export async function findPhotos(
  library: Library,
  request: LayoutRequest,
  signal?: AbortSignal,
): Promise<string[]> {
  const { ids } = await readLayout(library, request, signal);
  return [...listOf(Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString("latin1"))];
}

/** How many photos were taken in each decade (1930), oldest first; those without a date come last, under null. */
export async function countDecades(
  library: Library,
): Promise<{ readonly decade: number | null; readonly photos: number }[]> {
  const query = sql`
    select substr(taken_key, 1, 3) as decade, count(*) from photo indexed by photo_taken group by decade order by decade`;
  const rows = await library.reader.rows(questionOf(library, query));
  return rows.map(([decade, photos]) => ({
    decade: decade === "~" ? null : Number(`${String(decade)}0`),
    photos: Number(photos),
  }));
}

/** How many photos are in each smart album but the missing ones. At once, from a tally. */
export function countSmart(library: Library): Readonly<Record<Exclude<SmartAlbum, "missing">, number>> {
  const row = library.db.get(library.db.build.selectFrom("smart_tally").selectAll());
  return {
    toColour: row?.to_colour ?? 0,
    toReview: row?.to_review ?? 0,
    accepted: row?.accepted ?? 0,
    failed: row?.failed ?? 0,
  };
}

function questionOf(library: Library, query: RawBuilder<unknown>): Pick<Question, "sql" | "parameters"> {
  const { sql: text, parameters } = query.compile(library.db.build);
  return { sql: text, parameters: parameters.filter(isValue) };
}

function isValue(value: unknown): value is Value {
  if (typeof value === "string" || typeof value === "number") return true;
  throw new Error("a query has texts and numbers only");
}

/** Terms that must all hold for a photo. */
function conditionsOf(
  library: Library,
  { album, smart, session, search = "" }: LayoutRequest,
): { readonly conditions: RawBuilder<unknown>[]; readonly hints: Hint[] } {
  const { filters, words: free, hints: misunderstood } = parseQuery(search);
  const hints = [...misunderstood];
  const matches: string[] = [];
  const conditions: RawBuilder<unknown>[] = [];
  if (album !== undefined) conditions.push(inAlbums([numberOfAlbum(library, album)]));
  if (session !== undefined) {
    conditions.push(sql`photo.number in (
      select photo_number from session_photo join session on session.number = session_number where session.id = ${session})`);
  }
  if (smart !== undefined) conditions.push(SMART[smart]);
  for (const filter of filters) {
    switch (filter.kind) {
      case "album": {
        const numbers = albumsCalled(library, filter.name);
        if (numbers.length === 0) hints.push({ about: "album", part: filter.name });
        conditions.push(inAlbums(numbers));
        break;
      }
      case "person":
      case "place":
      case "tag": {
        const phrase = words(filter.text).slice(0, MOST_WORDS);
        if (phrase.length === 0) {
          hints.push({ about: "words", part: filter.text });
          conditions.push(sql`0`);
          break;
        }
        matches.push(`${filter.kind === "place" ? "place" : "words"} : "${phrase.join(" ")}" *`);
        if (filter.kind !== "place") conditions.push(listHas(filter.kind, phrase.join(" ")));
        break;
      }
      default:
        conditions.push(conditionOf(filter));
    }
  }
  if (free !== "") {
    const expression = matchExpression(free);
    if (expression === undefined) {
      hints.push({ about: "words", part: free });
      conditions.push(sql`0`);
    } else {
      matches.push(`(${expression})`);
    }
  }
  if (matches.length > 0) {
    const match = matches.join(" AND ");
    conditions.push(sql`photo.number in (select rowid from photo_search where photo_search match ${match})`);
  }
  return { conditions, hints };
}

const SMART: Readonly<Record<SmartAlbum, RawBuilder<unknown>>> = {
  toColour: sql`is_to_colour = 1`,
  toReview: sql`is_to_review = 1`,
  accepted: sql`is_accepted = 1`,
  failed: sql`is_failed = 1`,
  missing: sql`is_missing = 1`,
};

function inAlbums(numbers: readonly number[]): RawBuilder<unknown> {
  if (numbers.length === 0) return sql`0`;
  return sql`photo.number in (select photo_number from album_photo where album_number in (${sql.join(numbers)}))`;
}

/** Albums of just this name; else, letter case aside, of this name; else those whose names begin so. */
function albumsCalled(library: Library, name: string): number[] {
  const wanted = name.normalize("NFC").trim();
  const folded = wanted.toLowerCase();
  const names = listAlbums(library).map((album) => album.name);
  const found = [
    names.filter((each) => each === wanted),
    names.filter((each) => each.toLowerCase() === folded),
    names.filter((each) => each.toLowerCase().startsWith(folded)),
  ].find((some) => some.length > 0);
  return (found ?? []).map((each) => albumNumber(library, each));
}

/** The search index narrows it down; which of the lists the words are in is seen in the photo. */
function listHas(kind: "person" | "tag", phrase: string): RawBuilder<unknown> {
  const column = kind === "person" ? sql`photo.people` : sql`photo.keywords`;
  return sql`exists (select 1 from json_each(${column}) where has_words(value, ${phrase}))`;
}

function conditionOf(
  filter: Exclude<Filter, { kind: "album" | "person" | "place" | "tag" }>,
): RawBuilder<unknown> {
  switch (filter.kind) {
    case "years": {
      const { from = 0, to = 9999 } = filter;
      const [first, last] = [from, to].map((year) => String(year).padStart(4, "0"));
      return sql`(taken_key >= ${first} and taken_key < ${`${last}~`})`;
    }
    // A date stands for all days in it: what may have been taken on the right side of it is found.
    case "before":
      return sql`taken_at < ${filter.date}`;
    case "after":
      return sql`taken_at || '~' > ${`${filter.date}~`}`;
    case "mono":
      return sql`is_mono = ${Number(filter.is)}`;
    case "rating":
      return sql`ifnull(rating, 0) between ${filter.least} and ${filter.most}`;
    case "missing":
      return SMART.missing;
    case "state":
      return STATE[filter.state];
  }
}

/** As the smart albums where there is one of the name; else as {@link stateOf} says. */
const STATE: Readonly<Record<Extract<Filter, { kind: "state" }>["state"], RawBuilder<unknown>>> = {
  working: sql`open_items > 0`,
  review: SMART.toReview,
  accepted: SMART.accepted,
  failed: SMART.failed,
  rejected: sql`(open_items = 0 and versions > 0 and undecided = 0 and accepted = 0)`,
  plain: sql`(open_items = 0 and versions = 0 and has_failed = 0)`,
};

/** Where a photo stands on its way, in one word. */
export function stateOf(photo: {
  readonly open_items: number;
  readonly has_failed: number;
  readonly versions: number;
  readonly undecided: number;
  readonly accepted: number;
}): Extract<Filter, { kind: "state" }>["state"] {
  if (photo.open_items > 0) return "working";
  if (photo.undecided > 0) return "review";
  if (photo.accepted > 0) return "accepted";
  if (photo.versions > 0) return "rejected";
  return photo.has_failed === 1 ? "failed" : "plain";
}
