// What an import writes down: new photos, further copies, moves, changes, losses. Each function is one step inside
// a transaction of the caller's.
//
// Owns: which row a file belongs to. A photo is its content; its path is where that content was last seen.
// Must never: look at a file.
import { basename } from "node:path";
import { newId } from "../kernel/index.ts";
import type { Database } from "./database.ts";
import type { Photo } from "./photos.ts";
import { slot, templateOf } from "./template.ts";
import type { FileState } from "./walk.ts";

/** What the catalogue knows of a photo, as far as an import needs it. */
export interface Known extends FileState {
  readonly number: number;
  readonly id: string;
  readonly isMissing: boolean;
}

/** What a look into a new photo gave: everything but where it lies. */
export type Details = Omit<Photo, "id" | "path" | "name" | "size" | "mtime" | "importedAt" | "missingSince"> &
  Blurred;

interface Blurred {
  /** A thumbhash, where one was made. */
  readonly blur?: Uint8Array;
}

export interface FileRecord {
  /** Where the photo's content lies. */
  readonly file: FileState;
  readonly name: string;
  readonly hash: string;
  /** What the photo is, where it was not in the catalogue when it was looked up. */
  readonly details: Details | undefined;
  /** Where the known photo was supposed to be, but is not: it has moved here. */
  readonly gone: string | undefined;
  /** The user's file, where the photo was copied into the library. */
  readonly copiedFrom: FileState | undefined;
}

export interface Recorded {
  readonly status: "imported" | "duplicate" | "unchanged" | "moved";
  readonly number: number;
  readonly id: string;
  /** Whether the photo has to be indexed (anew). */
  readonly isChanged: boolean;
  /** Photos whose path this file has taken. */
  readonly displaced: readonly Known[];
}

const KNOWN = ["number", "id", "path", "size", "mtime", "is_missing"] as const;
type KnownRow = { number: number; id: string; path: string; size: number; mtime: number; is_missing: number };

function toKnown({ is_missing, ...row }: KnownRow): Known {
  return { ...row, isMissing: is_missing === 1 };
}

const byHash = templateOf((db) => db.selectFrom("photo").select(KNOWN).where("hash", "=", slot("hash")));

/** The photo with this content. */
export function findByHash(db: Database, hash: string): Known | undefined {
  const row = db.get(byHash(db, { hash }));
  return row === undefined ? undefined : toKnown(row);
}

const byOwnFile = templateOf((db) =>
  db
    .selectFrom("photo")
    .select(KNOWN)
    .where("path", "=", slot("path"))
    .where("size", "=", slot("size"))
    .where("mtime", "=", slot("mtime")),
);

const byCopy = templateOf((db) =>
  db
    .selectFrom("photo_copy as c")
    .innerJoin("photo", "photo.id", "c.photo_id")
    .select(KNOWN.map((column) => `photo.${column}` as const))
    .where("c.path", "=", slot("path"))
    .where("c.size", "=", slot("size"))
    .where("c.mtime", "=", slot("mtime")),
);

/** The photo that was seen in just this file, as its own one or as a further copy. */
export function findByFile(
  db: Database,
  { path, size, mtime }: FileState,
): { readonly photo: Known; readonly isCopy: boolean } | undefined {
  const own = db.get(byOwnFile(db, { path, size, mtime }));
  if (own !== undefined) return { photo: toKnown(own), isCopy: false };
  const copied = db.get(byCopy(db, { path, size, mtime }));
  return copied === undefined ? undefined : { photo: toKnown(copied), isCopy: true };
}

const bySize = templateOf((db) =>
  db.selectFrom("photo").select("number").where("size", "=", slot("size")).limit(1),
);

/** Whether any photo has just this size; without one, a file cannot be a duplicate. */
export function isSizeKnown(db: Database, size: number): boolean {
  return db.get(bySize(db, { size })) !== undefined;
}

/** Writes down a file whose content is known by hash. */
export function recordFile(db: Database, record: FileRecord): Recorded {
  const { file, hash, copiedFrom } = record;
  const photo = findByHash(db, hash);
  let status: Recorded["status"];
  let number: number;
  let id: string;
  if (photo === undefined) {
    if (record.details === undefined) throw new Error("a photo was removed while it was imported again");
    id = newId();
    removeCopy(db, file.path);
    number = insertPhoto(db, {
      ...record.details,
      ...file,
      id,
      name: record.name,
      importedAt: new Date().toISOString(),
      missingSince: undefined,
    });
    status = "imported";
  } else {
    ({ number, id } = photo);
    if (photo.path === record.gone) {
      setFile(db, number, file, record.name);
      status = "moved";
    } else if (photo.path === file.path) {
      // Two sources with one content may share a copy in the library: the photo is called by the first.
      if (copiedFrom === undefined) setFile(db, number, file, record.name);
      status = copiedFrom === undefined ? "unchanged" : "duplicate";
    } else {
      addCopy(db, id, file);
      status = "duplicate";
    }
  }
  if (copiedFrom !== undefined) addCopy(db, id, copiedFrom);
  const places = copiedFrom === undefined ? [file] : [file, copiedFrom];
  const isChanged = status === "imported" || status === "moved";
  return {
    status,
    number,
    id,
    isChanged,
    displaced: places.flatMap(({ path }) => displace(db, path, number)),
  };
}

/** Writes down that a known photo's own file is where it was. */
export function recordUnchanged(db: Database, photo: Known): Recorded {
  if (photo.isMissing) setFound(db, photo.number);
  return {
    status: "unchanged",
    number: photo.number,
    id: photo.id,
    isChanged: false,
    displaced: displace(db, photo.path, photo.number),
  };
}

const othersAt = templateOf((db) =>
  db
    .selectFrom("photo")
    .select(KNOWN)
    .where("path", "=", slot("path"))
    .where("number", "<>", slot("number"))
    .where("missing_since", "is", null),
);

/** Marks other photos as missing that were said to lie at a path. */
function displace(db: Database, path: string, number: number): Known[] {
  const others = db.all(othersAt(db, { path, number })).map(toKnown);
  for (const other of others) markMissing(db, other.number);
  return others;
}

export function markMissing(db: Database, number: number): void {
  db.run(
    db.build
      .updateTable("photo")
      .set({ missing_since: new Date().toISOString() })
      .where("number", "=", number)
      .where("missing_since", "is", null),
  );
}

function setFound(db: Database, number: number): void {
  db.run(db.build.updateTable("photo").set({ missing_since: null }).where("number", "=", number));
}

/**
 * Makes a file the photo's own one; the photo has to be indexed anew.
 * @param name what the photo is called from now on
 */
export function setFile(db: Database, number: number, file: FileState, name = basename(file.path)): void {
  db.run(
    db.build
      .updateTable("photo")
      .set({ ...file, name, name_key: nameKey(name), missing_since: null })
      .where("number", "=", number),
  );
  removeCopy(db, file.path);
}

function addCopy(db: Database, photoId: string, file: FileState): void {
  const row = { photo_id: photoId, size: file.size, mtime: file.mtime };
  db.run(
    db.build
      .insertInto("photo_copy")
      .values({ path: file.path, ...row })
      .onConflict((conflict) => conflict.column("path").doUpdateSet(row)),
  );
}

export function removeCopy(db: Database, path: string): void {
  db.run(db.build.deleteFrom("photo_copy").where("path", "=", path));
}

/** Further files with a photo's content. */
export function copiesOf(db: Database, photoId: string): FileState[] {
  return db.all(
    db.build
      .selectFrom("photo_copy")
      .select(["path", "size", "mtime"])
      .where("photo_id", "=", photoId)
      .orderBy("path"),
  );
}

const insertion = templateOf((db) =>
  db
    .insertInto("photo")
    .values({
      id: slot("id"),
      hash: slot("hash"),
      path: slot("path"),
      name: slot("name"),
      name_key: slot("name_key"),
      size: slot("size"),
      mtime: slot("mtime"),
      format: slot("format"),
      width: slot("width"),
      height: slot("height"),
      bit_depth: slot("bit_depth"),
      colour: slot("colour"),
      has_alpha: slot("has_alpha"),
      orientation: slot("orientation"),
      pages: slot("pages"),
      icc_name: slot("icc_name"),
      is_mono: slot("is_mono"),
      taken_at: slot("taken_at"),
      taken_precision: slot("taken_precision"),
      title: slot("title"),
      caption: slot("caption"),
      place: slot("place"),
      people: slot("people"),
      keywords: slot("keywords"),
      rating: slot("rating"),
      notes: slot("notes"),
      imported_at: slot("imported_at"),
      missing_since: slot("missing_since"),
      blur: slot("blur"),
    })
    .returning("number"),
);

/** Adds a photo as it is; it has to be indexed. @returns its number */
export function insertPhoto(db: Database, photo: Photo & Blurred): number {
  const row = db.get(
    insertion(db, {
      id: photo.id,
      hash: photo.hash,
      path: photo.path,
      name: photo.name,
      name_key: nameKey(photo.name),
      size: photo.size,
      mtime: photo.mtime,
      format: photo.format,
      width: photo.width,
      height: photo.height,
      bit_depth: photo.bitDepth,
      colour: photo.colour,
      has_alpha: Number(photo.hasAlpha),
      orientation: photo.orientation,
      pages: photo.pages,
      icc_name: photo.iccName ?? null,
      is_mono: Number(photo.isMono),
      taken_at: photo.takenAt ?? null,
      taken_precision: photo.takenPrecision ?? null,
      title: photo.title ?? null,
      caption: photo.caption ?? null,
      place: photo.place ?? null,
      people: JSON.stringify(photo.people),
      keywords: JSON.stringify(photo.keywords),
      rating: photo.rating ?? null,
      notes: JSON.stringify(photo.notes),
      imported_at: photo.importedAt,
      missing_since: photo.missingSince ?? null,
      blur: photo.blur ?? null,
    }),
  );
  if (row === undefined) throw new Error("SQLite returned no number");
  return row.number;
}

/** What a name sorts by: letter case and accents do not count, and 2 comes before 10. */
export function nameKey(name: string): string {
  return name
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/\d+/g, (digits) => digits.padStart(12, "0"));
}
