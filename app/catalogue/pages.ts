// Pages of photos: any filter, three orders, in time that depends on the page and not on the catalogue.
//
// Owns: how pages are read. A page goes on after the last photo's sort key (keyset), never by an offset. Photos fall
// into four parts (monochrome or not, missing or not), each sorted in one index; a filter reads the parts it allows
// and SQLite merges them, so that even a filter that finds nothing scans nothing.
// Must never: sort more rows in memory than FEW.
import { type CompiledQuery, type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { AutochromeError } from "../kernel/index.ts";
import { albumNumber } from "./albums.ts";
import type { Database } from "./database.ts";
import type { Library } from "./library.ts";
import { PHOTO_SELECTION, type Photo, type PhotoFilter, type PhotoTuple, toPhoto } from "./photos.ts";
import { matchExpression } from "./search.ts";
import { fill, slot, templateOf } from "./template.ts";

/** By time of import, by when they were taken (undated ones last), or by file name (as people count: 2 before 10). */
export type Sort = "imported" | "taken" | "name";

export interface PageRequest extends PhotoFilter {
  /** "imported" when not given. */
  readonly sort?: Sort | undefined;
  readonly descending?: boolean | undefined;
  /** 1–1000; 100 when not given. */
  readonly limit?: number | undefined;
  /** A page's `next`, to go on from there. Belongs to its order. */
  readonly after?: string | undefined;
}

export interface PhotoPage {
  readonly photos: readonly Photo[];
  /** For `after`; undefined when there are no more. */
  readonly next: string | undefined;
}

/** So many photos found by a search are sorted in memory, in about 20 ms; more are met soon when walking an index. */
const FEW = 10_000;

const MOST = 1000;
const CHUNK = 500;

/** After the photo: what the page is sorted by. */
type Row = [...photo: PhotoTuple, key: string, number: number];
type Reading = "all" | "stream" | "few" | "many";

interface Shape {
  readonly sort: Sort;
  readonly descending: boolean;
  readonly after: boolean;
  readonly album: boolean;
  readonly mono: boolean | undefined;
  readonly missing: boolean | undefined;
  readonly reading: Reading;
}

const templates = new Map<string, CompiledQuery<Row>>();

/**
 * One page of photos.
 * @throws AutochromeError "not-found" for an unknown album, "usage" for a limit or an `after` that makes no sense
 */
export function listPhotos(library: Library, request: PageRequest = {}): PhotoPage {
  return readPage(library, request, FEW);
}

/** @param few up to how many finds of a search are sorted in memory */
export function readPage(library: Library, request: PageRequest, few: number): PhotoPage {
  const { sort = "imported", descending = false, limit = 100 } = request;
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST) {
    throw new AutochromeError("usage", `A page has 1 to ${MOST} photos.`, "Ask for fewer at once.");
  }
  const after = request.after === undefined ? undefined : decode(request.after, sort, descending);
  const album = request.album === undefined ? undefined : albumNumber(library, request.album);
  const { search = "" } = request;
  const match = search.trim() === "" ? undefined : matchExpression(search);
  if (match === undefined && search.trim() !== "") return { photos: [], next: undefined };

  const { db } = library;
  const shape: Shape = {
    sort,
    descending,
    after: after !== undefined,
    album: album !== undefined,
    mono: request.mono,
    missing: request.missing,
    reading:
      match === undefined ? "all" : sort === "imported" ? "stream" : finds(db, match, few) ? "few" : "many",
  };
  const rows = db.tuples(
    fill(templateFor(db, shape), {
      limit: limit + 1,
      ...(after === undefined ? {} : { number: after.number, key: after.key }),
      ...(album === undefined ? {} : { album }),
      ...(match === undefined ? {} : { match }),
    }),
  );
  const more = rows.length > limit;
  if (more) rows.pop();
  const last = rows.at(-1);
  return {
    photos: rows.map(toPhoto),
    next: more && last !== undefined ? encode(sort, descending, last) : undefined,
  };
}

/**
 * All photos of a selection in order of import, read in chunks: memory stays small, and photos may be imported,
 * changed or removed meanwhile.
 * @throws AutochromeError "not-found" for an unknown album
 */
export function* photosOf(library: Library, filter: PhotoFilter = {}): Generator<Photo, void, undefined> {
  let after: string | undefined;
  do {
    const page = listPhotos(library, { ...filter, sort: "imported", descending: false, limit: CHUNK, after });
    yield* page.photos;
    after = page.next;
  } while (after !== undefined);
}

function templateFor(db: Database, shape: Shape): CompiledQuery<Row> {
  const name = JSON.stringify(Object.values(shape).map(String));
  let template = templates.get(name);
  if (template === undefined) {
    template = build(db, shape);
    templates.set(name, template);
  }
  return template;
}

const foundTemplate = templateOf((db) =>
  db
    .selectFrom(
      db
        .selectFrom("photo_search")
        .select("rowid")
        .where(sql<boolean>`photo_search match ${slot<string>("match")}`)
        .limit(slot("limit"))
        .as("found"),
    )
    .select((of) => of.fn.countAll<number>().as("count")),
);

/** Whether a search finds at most so many photos. */
function finds(db: Database, match: string, most: number): boolean {
  return (db.get(foundTemplate(db, { match, limit: most + 1 }))?.count ?? 0) <= most;
}

/**
 * One select that gives photos in the page's order.
 * @param key what is sorted by; not for "imported", where the number alone decides
 */
interface Arm {
  readonly from: RawBuilder<unknown>;
  readonly key: RawBuilder<unknown>;
  readonly number: RawBuilder<unknown>;
  readonly where: readonly RawBuilder<unknown>[];
}

function build(db: Database, shape: Shape): CompiledQuery<Row> {
  const arms = shape.reading === "all" ? armsOf(shape) : [searchArm(shape)];
  const direction = shape.descending ? sql`desc` : sql`asc`;
  const selects = arms.map(({ from, key, number, where }) => {
    const conditions = shape.after ? [...where, beyond(shape, key, number)] : where;
    const all = conditions.length === 0 ? sql`` : sql`where ${sql.join(conditions, sql` and `)}`;
    return sql`select ${PHOTO_SELECTION}, ${key} as sort_key, ${number} as number from ${from} ${all}`;
  });
  const order =
    shape.sort === "imported" ? sql`number ${direction}` : sql`sort_key ${direction}, number ${direction}`;
  return sql<Row>`${sql.join(selects, sql` union all `)} order by ${order} limit ${slot("limit")}`.compile(
    db.build,
  );
}

/** Beyond the last photo of the page before. */
function beyond(shape: Shape, key: RawBuilder<unknown>, number: RawBuilder<unknown>): RawBuilder<unknown> {
  const than = shape.descending ? sql`<` : sql`>`;
  return shape.sort === "imported"
    ? sql`${number} ${than} ${slot("number")}`
    : sql`(${key}, ${number}) ${than} (${slot("key")}, ${slot("number")})`;
}

/** The parts that a filter allows, each from its index. */
function armsOf({ album, mono, missing, sort }: Shape): Arm[] {
  const table = album ? sql`a` : sql`photo`;
  const key = { imported: sql`''`, taken: sql`${table}.taken_key`, name: sql`${table}.name_key` }[sort];
  // A cross join keeps its order: the album's index first.
  const from = album ? sql`album_photo as a cross join photo on photo.number = a.photo_number` : sql`photo`;
  const number = album ? sql`a.photo_number` : sort === "imported" ? sql`photo.number` : sql`photo.tie`;
  const base = album ? [sql`a.album_number = ${slot("album")}`] : [];
  // For all photos together there is a plain index, but for albums by date or name.
  if (mono === undefined && missing === undefined && (!album || sort === "imported")) {
    return [{ from, key, number, where: base }];
  }
  const allowed = (wanted: boolean | undefined) => (wanted === undefined ? [0, 1] : [Number(wanted)]);
  return allowed(mono).flatMap((isMono) =>
    allowed(missing).map((isMissing) => ({
      from,
      key,
      number,
      where: [
        ...base,
        sql`${table}.is_mono = ${sql.lit(isMono)}`,
        sql`${table}.is_missing = ${sql.lit(isMissing)}`,
      ],
    })),
  );
}

/**
 * What a search finds comes sorted by import, so such a page is a stream. For the other orders few photos are sorted
 * in memory; with many, the order's index is walked until enough of them were met. A unary plus keeps SQLite from
 * choosing an index for that term.
 */
function searchArm({ album, mono, missing, sort, reading }: Shape): Arm {
  const match = sql`photo_search match ${slot("match")}`;
  const rest = [
    ...(mono === undefined ? [] : [sql`+photo.is_mono = ${sql.lit(Number(mono))}`]),
    ...(missing === undefined ? [] : [sql`+photo.is_missing = ${sql.lit(Number(missing))}`]),
    ...(album
      ? [
          sql`exists (select 1 from album_photo where album_number = ${slot("album")} and photo_number = photo.number)`,
        ]
      : []),
  ];
  const column = { imported: "''", taken: "photo.taken_key", name: "photo.name_key" }[sort];
  const found = sql`(select rowid from photo_search where ${match})`;
  switch (reading) {
    case "few":
      return {
        from: sql`photo`,
        key: sql.raw(`+${column}`),
        number: sql`+photo.tie`,
        where: [sql`photo.number in ${found}`, ...rest],
      };
    case "many":
      return {
        from: sql`photo`,
        key: sql.raw(column),
        number: sql`photo.tie`,
        where: [sql`+photo.number in ${found}`, ...rest],
      };
    default:
      return {
        from: sql`photo_search cross join photo on photo.number = photo_search.rowid`,
        key: sql.raw(column),
        number: sql`photo_search.rowid`,
        where: [match, ...rest],
      };
  }
}

const cursorSchema = z.tuple([
  z.enum(["imported", "taken", "name"]),
  z.boolean(),
  z.int().positive(),
  z.string(),
]);

function encode(sort: Sort, descending: boolean, last: Row): string {
  const [key, number] = last.slice(-2);
  return Buffer.from(JSON.stringify([sort, descending, number, key])).toString("base64url");
}

function decode(cursor: string, sort: Sort, descending: boolean): { number: number; key: string } {
  try {
    const text = Buffer.from(cursor, "base64url").toString("utf8");
    const [ownSort, ownDescending, number, key] = cursorSchema.parse(JSON.parse(text));
    if (ownSort === sort && ownDescending === descending) return { number, key };
  } catch {
    // told below
  }
  throw new AutochromeError(
    "usage",
    "This is no place to go on from in this list.",
    "Begin again with the first page.",
    { detail: JSON.stringify(cursor.slice(0, 200)) },
  );
}
