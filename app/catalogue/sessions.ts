// Review sessions: photos that somebody looks through together, under a name, with a note.
// Owns: the tables session and session_photo. Must never: keep a decision of its own; those are the versions'.
import { sql } from "kysely";
import { AutochromeError, newId } from "../kernel/index.ts";
import type { Database } from "./database.ts";
import type { Library } from "./library.ts";

export interface Session {
  readonly id: string;
  readonly name: string;
  readonly note: string;
  /** ISO, UTC. */
  readonly createdAt: string;
  readonly photos: number;
  /** Photos with an accepted version. */
  readonly accepted: number;
  /** Photos all of whose versions are rejected. */
  readonly rejected: number;
  /** All others. */
  readonly undecided: number;
}

export interface SessionFields {
  readonly name: string;
  readonly note: string;
  /** Photo ids, in the session's order. */
  readonly photos: readonly string[];
}

/** Newest first. */
export function listSessions(library: Library): Session[] {
  return read(library);
}

/** @throws AutochromeError "not-found" */
export function getSession(library: Library, id: string): Session {
  return read(library, id)[0] ?? unknownSession();
}

/** @throws AutochromeError "not-found" for unknown photos */
export function createSession(library: Library, { name, note, photos }: SessionFields): Session {
  const { db } = library;
  const id = newId();
  db.transaction(() => {
    const row = { id, name, note, created_at: new Date().toISOString() };
    db.run(db.build.insertInto("session").values(row));
    putPhotos(db, numberOf(db, id), photos);
  });
  return getSession(library, id);
}

/** Changes what is given. @throws AutochromeError "not-found" for an unknown session or photo; nothing is changed then */
export function changeSession(library: Library, id: string, change: Partial<SessionFields>): Session {
  const { db } = library;
  db.transaction(() => {
    const number = numberOf(db, id);
    const { name, note, photos } = change;
    const words = { ...(name === undefined ? {} : { name }), ...(note === undefined ? {} : { note }) };
    if (Object.keys(words).length > 0) {
      db.run(db.build.updateTable("session").set(words).where("number", "=", number));
    }
    if (photos !== undefined) {
      db.run(db.build.deleteFrom("session_photo").where("session_number", "=", number));
      putPhotos(db, number, photos);
    }
  });
  return getSession(library, id);
}

/** Its photos and their versions stay as they are. @throws AutochromeError "not-found" */
export function deleteSession(library: Library, id: string): void {
  const { db } = library;
  if (db.run(db.build.deleteFrom("session").where("id", "=", id)) === 0) unknownSession();
}

/** Ids of its photos, in its order. @throws AutochromeError "not-found" */
export function sessionPhotos({ db }: Library, id: string): string[] {
  const query = db.build
    .selectFrom("session_photo")
    .innerJoin("photo", "photo.number", "session_photo.photo_number")
    .select("photo.id")
    .where("session_number", "=", numberOf(db, id))
    .orderBy("position");
  return db.all(query).map((row) => row.id);
}

/** A photo that is named twice is there once. */
function putPhotos(db: Database, session: number, ids: readonly string[]): void {
  const wanted = new Set(ids);
  // One statement for all: a session may have a hundred thousand.
  const placed = db.run({
    compile: () =>
      sql`
        insert into session_photo (session_number, photo_number, position)
        select ${session}, photo.number, wanted.key
        from json_each(${JSON.stringify([...wanted])}) as wanted join photo on photo.id = wanted.value
      `.compile(db.build),
  });
  if (placed === wanted.size) return;
  throw new AutochromeError(
    "not-found",
    "Some of these photos are not in the library any more.",
    "Choose the photos anew.",
  );
}

function read({ db }: Library, id?: string): Session[] {
  let query = db.build
    .selectFrom("session")
    .leftJoin("session_photo", "session_photo.session_number", "session.number")
    .leftJoin("photo", "photo.number", "session_photo.photo_number")
    .select((of) => [
      "session.id",
      "session.name",
      "session.note",
      "session.created_at",
      of.fn.count<number>("photo.number").as("photos"),
      sql<number>`total(photo.accepted > 0)`.as("accepted"),
      sql<number>`total(photo.versions > 0 and photo.accepted = 0 and photo.undecided = 0)`.as("rejected"),
    ])
    .groupBy("session.number")
    .orderBy("session.number", "desc");
  if (id !== undefined) query = query.where("session.id", "=", id);
  return db.all(query).map(({ created_at: createdAt, ...row }) => ({
    ...row,
    createdAt,
    undecided: row.photos - row.accepted - row.rejected,
  }));
}

function numberOf(db: Database, id: string): number {
  const row = db.get(db.build.selectFrom("session").select("number").where("id", "=", id));
  return row?.number ?? unknownSession();
}

function unknownSession(): never {
  throw new AutochromeError("not-found", "This session is not there any more.", "Choose another one.");
}
