// What a grid shows of photos: read by ids, quickly, a screenful at a time.
// Owns: that selection. Must never: read more of a photo than a cell of a grid shows.
import { sql } from "kysely";
import { stateOf } from "./layout.ts";
import type { Library } from "./library.ts";
import type { SearchState } from "./query.ts";

export interface Card {
  readonly id: string;
  readonly name: string;
  readonly title: string | undefined;
  readonly width: number;
  readonly height: number;
  readonly isMono: boolean;
  readonly isMissing: boolean;
  readonly takenAt: string | undefined;
  readonly rating: number | undefined;
  readonly state: SearchState;
  /** The version that goes out: the newest accepted one, or else the newest that was not rejected. */
  readonly version: string | undefined;
  readonly versions: number;
  /** A thumbhash; undefined before there was a thumbnail. */
  readonly blur: Uint8Array | undefined;
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly title: string | null;
  readonly width: number;
  readonly height: number;
  readonly is_mono: number;
  readonly is_missing: number;
  readonly taken_at: string | null;
  readonly rating: number | null;
  readonly open_items: number;
  readonly has_failed: number;
  readonly versions: number;
  readonly undecided: number;
  readonly accepted: number;
  readonly blur: Uint8Array | null;
  readonly version: string | null;
}

/** Cards in the order of the ids. Ids that name nothing are left out. */
export function readCards({ db }: Library, ids: readonly string[]): Card[] {
  const asked = sql`json_each(${JSON.stringify(ids)}) as asked`;
  const chosen = sql`case when versions > 0 then (
    select version.id from version where photo_id = photo.id and review <> 'rejected'
    order by review = 'accepted' desc, created_at desc, version.id desc limit 1) end`;
  const query = sql<Row>`
    select photo.id, name, title, width, height, is_mono, is_missing, taken_at, rating, open_items, has_failed,
      versions, undecided, accepted, blur, ${chosen} as version
    from ${asked} cross join photo on photo.id = asked.value order by asked.key`;
  return db.all({ compile: () => query.compile(db.build) }).map((row) => ({
    id: row.id,
    name: row.name,
    title: row.title ?? undefined,
    width: row.width,
    height: row.height,
    isMono: row.is_mono === 1,
    isMissing: row.is_missing === 1,
    takenAt: row.taken_at ?? undefined,
    rating: row.rating ?? undefined,
    state: stateOf(row),
    version: row.version ?? undefined,
    versions: row.versions,
    blur: row.blur ?? undefined,
  }));
}
