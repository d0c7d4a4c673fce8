// Albums: named sets of photos. A photo may be in any number of them.
// Owns: the tables album and album_photo. Must never: touch a photo's row or file.
import { setImmediate } from "node:timers/promises";
import { AutochromeError, newId } from "../kernel/index.ts";
import type { Library } from "./library.ts";
import { slot, templateOf } from "./template.ts";

export interface Album {
  readonly id: string;
  readonly name: string;
  /** ISO, UTC. */
  readonly createdAt: string;
  /** How many photos are in it. */
  readonly photos: number;
}

const LONGEST_NAME = 200;
const BY_NAME = new Intl.Collator("und", { numeric: true });

/** All albums by name. */
export function listAlbums(library: Library): Album[] {
  return select(library).sort((a, b) => BY_NAME.compare(a.name, b.name));
}

/** @throws AutochromeError "not-found" */
export function getAlbum(library: Library, name: string): Album {
  const [album] = select(library, albumNumber(library, name));
  return album ?? unknownAlbum(name);
}

/**
 * Makes an empty album.
 * @param name up to 200 characters; spaces around it are dropped
 * @throws AutochromeError "usage" when the name is empty, too long or taken
 */
export function createAlbum(library: Library, name: string): Album {
  const { db } = library;
  const clean = cleanName(name);
  return db.transaction(() => {
    if (findNumber(library, clean) !== undefined) throw taken(clean);
    insert(library, clean);
    return getAlbum(library, clean);
  });
}

/** The album with this id. @throws AutochromeError "not-found" */
export function findAlbum(library: Library, id: string): Album {
  const { db } = library;
  const row = db.get(db.build.selectFrom("album").select("number").where("id", "=", id));
  const [album] = row === undefined ? [] : select(library, row.number);
  if (album !== undefined) return album;
  throw new AutochromeError("not-found", "This album is not there any more.", "Choose another album.");
}

/** Albums that a photo is in, by name. */
export function albumsOf(
  library: Library,
  photoId: string,
): { readonly id: string; readonly name: string }[] {
  const { db } = library;
  const albums = db.all(
    db.build
      .selectFrom("photo")
      .innerJoin("album_photo", "album_photo.photo_number", "photo.number")
      .innerJoin("album", "album.number", "album_photo.album_number")
      .select(["album.id", "album.name"])
      .where("photo.id", "=", photoId),
  );
  return albums.sort((a, b) => BY_NAME.compare(a.name, b.name));
}

/** Photos that are put into an album, or taken out, in one transaction: about 5 ms of the engine's time. */
const CHUNK = 500;

/**
 * Puts photos into an album and takes others out, chunk by chunk; photos that are not in the library any more are passed over.
 * @throws AutochromeError "not-found" for an unknown album
 */
export async function changeAlbum(
  library: Library,
  id: string,
  change: { readonly add?: readonly string[]; readonly remove?: readonly string[] },
): Promise<Album> {
  const { db } = library;
  const number = numberOfAlbum(library, findAlbum(library, id).id);
  for (const chunk of chunksOf(change.remove ?? [])) {
    const photos = db.build.selectFrom("photo").select("number").where("id", "in", chunk);
    db.run(
      db.build
        .deleteFrom("album_photo")
        .where("album_number", "=", number)
        .where("photo_number", "in", photos),
    );
    await setImmediate();
  }
  for (const chunk of chunksOf(change.add ?? [])) {
    db.transaction(() => {
      findAlbum(library, id); // it may have been deleted meanwhile
      const photos = db.all(db.build.selectFrom("photo").select("number").where("id", "in", chunk));
      for (const photo of photos) place(library, number, photo.number);
    });
    await setImmediate();
  }
  return findAlbum(library, id);
}

function* chunksOf(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += CHUNK) yield ids.slice(start, start + CHUNK);
}

/** The number of the album with this name, which is made where there is none. */
export function ensureAlbum(library: Library, name: string): number {
  const clean = cleanName(name);
  return library.db.transaction(() => findNumber(library, clean) ?? insert(library, clean));
}

/** @throws AutochromeError "not-found", or "usage" when the new name is empty, too long or taken */
export function renameAlbum(library: Library, name: string, newName: string): void {
  const { db } = library;
  const clean = cleanName(newName);
  db.transaction(() => {
    const number = albumNumber(library, name);
    const other = findNumber(library, clean);
    if (other !== undefined && other !== number) throw taken(clean);
    db.run(db.build.updateTable("album").set({ name: clean }).where("number", "=", number));
  });
}

/** Deletes the album; its photos stay. @throws AutochromeError "not-found" */
export function deleteAlbum(library: Library, name: string): void {
  const { db } = library;
  db.transaction(() => {
    const number = albumNumber(library, name);
    db.run(db.build.deleteFrom("album").where("number", "=", number));
    db.run(db.build.deleteFrom("tally").where("album_number", "=", number));
  });
}

/**
 * Adds photos; those that are in the album already stay.
 * @returns how many were added
 * @throws AutochromeError "not-found" for an unknown album or photo; then none is added
 */
export function addToAlbum(library: Library, name: string, photoIds: Iterable<string>): number {
  const { db } = library;
  return db.transaction(() => {
    const number = albumNumber(library, name);
    let added = 0;
    for (const id of photoIds) added += place(library, number, photoNumber(library, id));
    return added;
  });
}

/**
 * Takes photos out of the album; the photos stay in the library.
 * @returns how many were taken out
 * @throws AutochromeError "not-found" for an unknown album or photo; then none is taken out
 */
export function removeFromAlbum(library: Library, name: string, photoIds: Iterable<string>): number {
  const { db } = library;
  return db.transaction(() => {
    const number = albumNumber(library, name);
    let removed = 0;
    for (const id of photoIds) {
      removed += db.run(
        db.build
          .deleteFrom("album_photo")
          .where("album_number", "=", number)
          .where("photo_number", "=", photoNumber(library, id)),
      );
    }
    return removed;
  });
}

const placing = templateOf((db) =>
  db
    .insertInto("album_photo")
    .columns(["album_number", "photo_number", "is_mono", "is_missing", "taken_key", "name_key"])
    .expression((of) =>
      of
        .selectFrom("photo")
        .select([
          slot<number>("album").as("album_number"),
          "number",
          "is_mono",
          "is_missing",
          "taken_key",
          "name_key",
        ])
        .where("number", "=", slot("photo")),
    )
    .onConflict((conflict) => conflict.doNothing()),
);

/** Puts a photo into an album, by their numbers. @returns 1, or 0 where it was in already */
export function place(library: Library, album: number, photo: number): number {
  return library.db.run(placing(library.db, { album, photo }));
}

/** @param album its id, or else its name. @throws AutochromeError "not-found" */
export function numberOfAlbum(library: Library, album: string): number {
  const { db } = library;
  const row = db.get(db.build.selectFrom("album").select("number").where("id", "=", album));
  return row?.number ?? albumNumber(library, album);
}

/** @throws AutochromeError "not-found" */
export function albumNumber(library: Library, name: string): number {
  return findNumber(library, name.trim().normalize("NFC")) ?? unknownAlbum(name);
}

function select(library: Library, number?: number): Album[] {
  const { db } = library;
  let query = db.build
    .selectFrom("album")
    .leftJoin("tally", "tally.album_number", "album.number")
    .select((of) => [
      "album.id",
      "album.name",
      "album.created_at as createdAt",
      of.fn.coalesce(of.fn.sum<number>("tally.photos"), of.lit(0)).as("photos"),
    ])
    .groupBy("album.number");
  if (number !== undefined) query = query.where("album.number", "=", number);
  return db.all(query);
}

const byName = templateOf((db) => db.selectFrom("album").select("number").where("name", "=", slot("name")));

function findNumber(library: Library, name: string): number | undefined {
  return library.db.get(byName(library.db, { name }))?.number;
}

function insert(library: Library, name: string): number {
  const { db } = library;
  const row = { id: newId(), name, created_at: new Date().toISOString() };
  const inserted = db.get(db.build.insertInto("album").values(row).returning("number"));
  return inserted?.number ?? unknownAlbum(name);
}

function photoNumber(library: Library, id: string): number {
  const { db } = library;
  const number = db.get(db.build.selectFrom("photo").select("number").where("id", "=", id))?.number;
  if (number !== undefined) return number;
  throw new AutochromeError(
    "not-found",
    `There is no photo ${id}.`,
    "`autochrome photos` lists all photos with their ids.",
  );
}

function cleanName(name: string): string {
  const clean = name.toWellFormed().trim().normalize("NFC");
  if (clean !== "" && Array.from(clean).length <= LONGEST_NAME) return clean;
  throw new AutochromeError(
    "usage",
    clean === "" ? "An album needs a name." : "This album name is too long.",
    `Choose a name of 1 to ${LONGEST_NAME} characters.`,
  );
}

function taken(name: string): AutochromeError {
  return new AutochromeError("usage", `There is already an album "${name}".`, "Choose another name.");
}

function unknownAlbum(name: string): never {
  throw new AutochromeError(
    "not-found",
    `There is no album "${name}".`,
    "Check the spelling, or import photos with --album to make it.",
  );
}
