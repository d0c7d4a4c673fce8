// Full-text search: which words a photo is found by, and what a user's text asks for.
//
// Owns: the table photo_search, splitting text into words. Index and query go through the same words(), so that they
// can never disagree about what a word is.
// Must never: hand a user's text to SQLite as an expression.
import type { Database } from "./database.ts";
import { listOf } from "./lists.ts";
import { slot, templateOf } from "./template.ts";

/** What a photo is found by. */
export interface Searchable {
  readonly name: string;
  readonly title: string | undefined;
  readonly caption: string | undefined;
  readonly place: string | undefined;
  /** 1936, 1936-02 or 1936-02-11. */
  readonly takenAt: string | undefined;
  readonly people: readonly string[];
  readonly keywords: readonly string[];
}

const MONTHS = [
  "january jan",
  "february feb",
  "march mar",
  "april apr",
  "may",
  "june jun",
  "july jul",
  "august aug",
  "september sep sept",
  "october oct",
  "november nov",
  "december dec",
];

/** Words beyond this are not looked at: nobody types them, and SQLite's expressions have limits. */
const MOST_WORDS = 40;

// Scripts that are written without spaces. Each character is a word, so that any run of them is a phrase.
const SINGLE = "[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Hang}\\p{scx=Bopo}]";
const WORD = new RegExp(
  `(?=[\\p{L}\\p{N}])${SINGLE}\\p{M}*|\\p{Extended_Pictographic}|(?:(?!${SINGLE})[\\p{L}\\p{N}\\p{M}])+`,
  "gu",
);
const ENDS_SINGLE = new RegExp(`(?:${SINGLE}\\p{M}*|\\p{Extended_Pictographic})$`, "u");

// A private-use character begins the word for a decade: "1930" as a beginning must not find all of the 1930s.
const DECADE = "\ue000";

/** The words of a text: accents, case of width and compatibility forms folded; letter case is left to SQLite. */
export function words(text: string): string[] {
  const folded = text
    .toWellFormed()
    .normalize("NFKD")
    .replaceAll(/[\u0300-\u036f]/g, "")
    .normalize("NFKC");
  return folded.match(WORD) ?? [];
}

/**
 * A user's text as an FTS5 expression. Every part between spaces must occur as a phrase ("1936-02", "o'brien",
 * "外婆"), the last one may be the beginning of a word. "1930s" and "1930年代" mean photos of those years.
 * @returns undefined for text without any word: nothing can be found by it
 */
export function matchExpression(text: string): string | undefined {
  const phrases: string[] = [];
  let room = MOST_WORDS;
  let open = true; // the last phrase may go on
  for (const part of text.split(/\s+/u)) {
    if (room <= 0) break;
    const all = words(part);
    const [decade] = /^\d/.test(all[0] ?? "") && all.length <= 3 ? decadesIn(all.join(" ")) : [];
    const found = decade === undefined ? all.slice(0, room) : [decade];
    if (found.length === 0) continue;
    room -= found.length;
    phrases.push(`"${found.join(" ")}"`);
    open = decade === undefined && !ENDS_SINGLE.test(found.at(-1) ?? "");
  }
  if (phrases.length === 0) return undefined;
  return phrases.join(" ") + (open ? "*" : "");
}

/** The index's row for a photo. */
function searchRow(photo: Searchable) {
  const rest = [photo.people.join("\n"), photo.keywords.join("\n")].join("\n");
  const spaced = (text = "") => words(text).join(" ");
  const texts = {
    title: spaced(photo.title),
    caption: spaced(photo.caption),
    name: spaced(photo.name),
    place: spaced(photo.place),
    words: spaced(rest),
  };
  return { ...texts, date: dateWords(photo.takenAt, Object.values(texts)) };
}

const COLUMNS = ["name", "title", "caption", "place", "taken_at", "people", "keywords"] as const;

const reading = templateOf((db) =>
  db.selectFrom("photo").select(COLUMNS).where("number", "=", slot("number")),
);

const removal = templateOf((db) => db.deleteFrom("photo_search").where("rowid", "=", slot("number")));

const insertion = templateOf((db) =>
  db.insertInto("photo_search").values({
    rowid: slot("number"),
    title: slot("title"),
    caption: slot("caption"),
    name: slot("name"),
    place: slot("place"),
    date: slot("date"),
    words: slot("words"),
  }),
);

/**
 * Makes photos findable by what their rows say now. Belongs at the end of a transaction: when another table changes
 * after it, FTS5 writes out what it has as a piece of its own, and many small pieces are slow.
 */
export function indexPhotos(db: Database, numbers: Iterable<number>): void {
  const all = [...numbers];
  for (const number of all) db.run(removal(db, { number }));
  for (const number of all) {
    const row = db.get(reading(db, { number }));
    if (row === undefined) continue;
    const photo = {
      name: row.name,
      title: row.title ?? undefined,
      caption: row.caption ?? undefined,
      place: row.place ?? undefined,
      takenAt: row.taken_at ?? undefined,
      people: listOf(row.people),
      keywords: listOf(row.keywords),
    };
    db.run(insertion(db, { number, ...searchRow(photo) }));
  }
}

/** @param texts words with a space between them */
function dateWords(takenAt: string | undefined, texts: readonly string[]): string {
  const decades = new Set(texts.flatMap(decadesIn));
  if (takenAt === undefined) return [...decades].join(" ");
  const [year = "", month, day] = takenAt.split("-");
  decades.add(DECADE + year.slice(0, 3));
  const parts = [year, month, day].filter((part) => part !== undefined);
  const chinese = ["年", "月", "日"].map((unit, index) => {
    const part = parts[index];
    return part === undefined ? "" : `${Number(part)} ${unit}`;
  });
  const names = month === undefined ? "" : (MONTHS[Number(month) - 1] ?? "");
  return [...parts, names, ...chinese, ...decades].join(" ");
}

/** Words for the decades that a text names: 1930s, 1930's, 1930年代. */
function decadesIn(text: string): string[] {
  return Array.from(
    text.matchAll(/(?<![^ ])(\d{3})0(?:s| s| 年 代)(?![^ ])/giu),
    ([, years]) => DECADE + years,
  );
}
