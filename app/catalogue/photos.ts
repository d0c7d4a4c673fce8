// Photos as plain objects: one by its id, how many there are, all of a selection.
// Owns: what a photo looks like outside this room. Must never: hand out a row.
import type { Selectable } from "kysely";
import { sql } from "kysely";
import { AutochromeError } from "../kernel/index.ts";
import { albumNumber } from "./albums.ts";
import type { Library } from "./library.ts";
import { listOf } from "./lists.ts";
import type { PhotoTable } from "./schema.ts";
import { matchExpression, type Searchable } from "./search.ts";

export interface Photo extends Searchable {
  readonly id: string;
  /** sha256 of the file, hex. */
  readonly hash: string;
  /** Absolute; where the file was last seen. */
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Time of the file's last change, milliseconds since 1970. */
  readonly mtime: number;
  readonly format: string;
  /** Pixels, orientation applied. */
  readonly width: number;
  /** Pixels, orientation applied. */
  readonly height: number;
  /** 8 or 16. */
  readonly bitDepth: number;
  readonly colour: string;
  readonly hasAlpha: boolean;
  /** EXIF, as stored in the file, 1–8. */
  readonly orientation: number;
  readonly pages: number;
  readonly iccName: string | undefined;
  /** Black-and-white, sepia or otherwise toned. */
  readonly isMono: boolean;
  /** 1936, 1936-02 or 1936-02-11. */
  readonly takenAt: string | undefined;
  readonly takenPrecision: "year" | "month" | "day" | undefined;
  readonly title: string | undefined;
  readonly caption: string | undefined;
  readonly place: string | undefined;
  readonly people: readonly string[];
  readonly keywords: readonly string[];
  /** 0–5 */
  readonly rating: number | undefined;
  /** Sentences about the file. */
  readonly notes: readonly string[];
  /** ISO, UTC. */
  readonly importedAt: string;
  /** ISO, UTC; undefined while the file is where it was. */
  readonly missingSince: string | undefined;
}

/** Which photos. Everything given must hold. */
export interface PhotoFilter {
  /** An album's name. */
  readonly album?: string | undefined;
  /** Words, see {@link matchExpression}. Blank: all photos. */
  readonly search?: string | undefined;
  /** Only black-and-white (or toned) ones, or only others. */
  readonly mono?: boolean | undefined;
  /** Only those whose file is gone, or only those whose file is there. */
  readonly missing?: boolean | undefined;
}

/** The columns that make a {@link Photo}; {@link toPhoto} goes by their places. */
const PHOTO_COLUMNS = [
  "photo.id",
  "photo.hash",
  "photo.path",
  "photo.name",
  "photo.size",
  "photo.mtime",
  "photo.format",
  "photo.width",
  "photo.height",
  "photo.bit_depth",
  "photo.colour",
  "photo.has_alpha",
  "photo.orientation",
  "photo.pages",
  "photo.icc_name",
  "photo.is_mono",
  "photo.taken_at",
  "photo.taken_precision",
  "photo.title",
  "photo.caption",
  "photo.place",
  "photo.people",
  "photo.keywords",
  "photo.rating",
  "photo.notes",
  "photo.imported_at",
  "photo.missing_since",
] as const;

export const PHOTO_SELECTION = sql.join(PHOTO_COLUMNS.map((column) => sql.ref(column)));

type ValueOf<Name> = Name extends `photo.${infer Column extends keyof PhotoTable}`
  ? Selectable<PhotoTable>[Column]
  : never;

type ValuesOf<Names extends readonly string[]> = { -readonly [Index in keyof Names]: ValueOf<Names[Index]> };

/** The values of {@link PHOTO_COLUMNS}, in that order. */
export type PhotoTuple = ValuesOf<typeof PHOTO_COLUMNS>;

export function toPhoto(values: readonly [...PhotoTuple, ...rest: unknown[]]): Photo {
  return {
    id: values[0],
    hash: values[1],
    path: values[2],
    name: values[3],
    size: values[4],
    mtime: values[5],
    format: values[6],
    width: values[7],
    height: values[8],
    bitDepth: values[9],
    colour: values[10],
    hasAlpha: values[11] === 1,
    orientation: values[12],
    pages: values[13],
    iccName: values[14] ?? undefined,
    isMono: values[15] === 1,
    takenAt: values[16] ?? undefined,
    takenPrecision: (values[17] as Photo["takenPrecision"] | null) ?? undefined, // as its CHECK says
    title: values[18] ?? undefined,
    caption: values[19] ?? undefined,
    place: values[20] ?? undefined,
    people: listOf(values[21]),
    keywords: listOf(values[22]),
    rating: values[23] ?? undefined,
    notes: listOf(values[24]),
    importedAt: values[25],
    missingSince: values[26] ?? undefined,
  };
}

/** @throws AutochromeError "not-found" */
export function getPhoto(library: Library, id: string): Photo {
  const { db } = library;
  const query = sql<PhotoTuple>`select ${PHOTO_SELECTION} from photo where id = ${id}`;
  const [values] = db.tuples({ compile: () => query.compile(db.build) });
  if (values !== undefined) return toPhoto(values);
  throw new AutochromeError(
    "not-found",
    `There is no photo ${id}.`,
    "`autochrome photos` lists all photos with their ids.",
  );
}

/**
 * How many photos there are. Without `search` at once, from the tally; with it, in proportion to what is found.
 * @throws AutochromeError "not-found" for an unknown album
 */
export function countPhotos(library: Library, filter: PhotoFilter = {}): number {
  const { db } = library;
  const album = filter.album === undefined ? undefined : albumNumber(library, filter.album);
  if (filter.search === undefined || filter.search.trim() === "") {
    let query = db.build
      .selectFrom("tally")
      .select((of) => of.fn.sum<number | null>("photos").as("count"))
      .where("album_number", "=", album ?? 0);
    if (filter.mono !== undefined) query = query.where("is_mono", "=", Number(filter.mono));
    if (filter.missing !== undefined) query = query.where("is_missing", "=", Number(filter.missing));
    return db.get(query)?.count ?? 0;
  }
  const match = matchExpression(filter.search);
  if (match === undefined) return 0;
  let query = db.build
    .selectFrom("photo_search")
    .select((of) => of.fn.countAll<number>().as("count"))
    .where(sql<boolean>`photo_search match ${match}`);
  if (filter.mono !== undefined || filter.missing !== undefined) {
    query = query.where((of) => {
      let photo = of
        .selectFrom("photo")
        .select("photo.number")
        .whereRef("photo.number", "=", "photo_search.rowid");
      if (filter.mono !== undefined) photo = photo.where("is_mono", "=", Number(filter.mono));
      if (filter.missing !== undefined) photo = photo.where("is_missing", "=", Number(filter.missing));
      return of.exists(photo);
    });
  }
  if (album !== undefined) {
    query = query.where((of) =>
      of.exists(
        of
          .selectFrom("album_photo")
          .select("photo_number")
          .where("album_number", "=", album)
          .whereRef("photo_number", "=", "photo_search.rowid"),
      ),
    );
  }
  return db.get(query)?.count ?? 0;
}
