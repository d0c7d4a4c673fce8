// What a user changes about a photo: words, date, stars; and taking it out of the library.
//
// Owns: what is valid. All of it is written to the catalogue alone: files stay as they are.
// Must never: touch a file.
import { AutochromeError, type ErrorRecord } from "../kernel/index.ts";
import type { Library } from "./library.ts";
import { getPhoto, type Photo } from "./photos.ts";
import { isCalendarDate } from "./query.ts";
import { cancelItemsOf } from "./queue.ts";
import { copiesOf } from "./record.ts";
import { indexPhotos } from "./search.ts";

/** Null clears a field, undefined leaves it. */
export interface PhotoEdit {
  readonly title?: string | null | undefined;
  readonly caption?: string | null | undefined;
  readonly place?: string | null | undefined;
  readonly people?: readonly string[] | undefined;
  readonly keywords?: readonly string[] | undefined;
  /** 1936, 1936-02 or 1936-02-11. */
  readonly takenAt?: string | null | undefined;
  /** 0–5 */
  readonly rating?: number | null | undefined;
}

/** The oldest photograph is of 1826 or 1827. */
const FIRST_YEAR = 1800;
const LAST_YEAR = 2200;

/**
 * Changes what the library says about a photo, and what it is found by.
 * @throws AutochromeError "not-found", "usage" for a date that is in no calendar or a rating beyond 0–5
 */
export function editPhoto(library: Library, id: string, edit: PhotoEdit): Photo {
  const { db } = library;
  const { rating } = edit;
  if (rating !== undefined && rating !== null && !(Number.isInteger(rating) && rating >= 0 && rating <= 5)) {
    throw new AutochromeError("usage", "A photo has 0 to 5 stars.", "Choose a number from 0 to 5.");
  }
  const people = edit.people === undefined ? {} : { people: JSON.stringify(cleanList(edit.people)) };
  const keywords = edit.keywords === undefined ? {} : { keywords: JSON.stringify(cleanList(edit.keywords)) };
  const changes = {
    ...cleaned("title", edit.title),
    ...cleaned("caption", edit.caption),
    ...cleaned("place", edit.place),
    ...people,
    ...keywords,
    ...(edit.takenAt === undefined ? {} : dated(edit.takenAt)),
    ...(rating === undefined ? {} : { rating }),
  };
  return db.transaction(() => {
    const photo = db.get(db.build.selectFrom("photo").select("number").where("id", "=", id));
    if (photo === undefined) return getPhoto(library, id); // says that there is none
    if (Object.keys(changes).length > 0) {
      db.run(db.build.updateTable("photo").set(changes).where("number", "=", photo.number));
      indexPhotos(db, [photo.number]);
    }
    return getPhoto(library, id);
  });
}

/**
 * Takes a photo out of the library, with all that the library knows of it; what waits to be done with it is cancelled.
 * Its file stays, and an import of its folder brings it back as a new photo.
 * @throws AutochromeError "not-found"
 */
export function removePhoto(library: Library, id: string): void {
  const { db } = library;
  db.transaction(() => {
    getPhoto(library, id);
    cancelItemsOf(db, id);
    db.run(db.build.deleteFrom("photo").where("id", "=", id));
  });
}

/** Further files with a photo's content: absolute paths. */
export function copyPathsOf(library: Library, id: string): string[] {
  return copiesOf(library.db, id).map(({ path }) => path);
}

/** Why the newest attempt to colour a photo failed; undefined where it did not. */
export function lastFailure({ db }: Library, id: string): ErrorRecord | undefined {
  const item = db.get(
    db.build
      .selectFrom("batch_item")
      .select(["state", "error"])
      .where("photo_id", "=", id)
      .orderBy("id", "desc")
      .limit(1),
  );
  return item?.state === "failed" && item.error !== null
    ? (JSON.parse(item.error) as ErrorRecord)
    : undefined;
}

function cleaned<Name extends string>(
  name: Name,
  value: string | null | undefined,
): Partial<Record<Name, string | null>> {
  if (value === undefined) return {};
  const clean = value === null ? "" : cleanText(value);
  return { [name]: clean === "" ? null : clean } as Record<Name, string | null>;
}

function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "").normalize("NFC").trim();
}

function cleanList(list: readonly string[]): string[] {
  return [...new Set(list.map(cleanText))].filter((text) => text !== "");
}

function dated(takenAt: string | null): { taken_at: string | null; taken_precision: string | null } {
  if (takenAt === null) return { taken_at: null, taken_precision: null };
  const year = Number(takenAt.slice(0, 4));
  if (!isCalendarDate(takenAt) || year < FIRST_YEAR || year > LAST_YEAR) {
    throw new AutochromeError(
      "usage",
      `There is no such date: ${takenAt}.`,
      `Write a year from ${FIRST_YEAR} on, a year and a month, or a day: 1936, 1936-02 or 1936-02-11.`,
    );
  }
  return {
    taken_at: takenAt,
    taken_precision: takenAt.length === 4 ? "year" : takenAt.length === 7 ? "month" : "day",
  };
}
