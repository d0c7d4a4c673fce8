// What the library is asked for: from the address to a query and back, and the search text with its filters.
//
// Owns: how a search text is taken apart and completed while one types. Must never: decide what a filter finds; that is the
// engine's.
import type { PhotoQuery } from "../../app/api/library/contract.ts";

type Words = Readonly<Record<string, string>>;

const SMART = ["toColour", "toReview", "accepted", "failed", "missing"] as const;
export type Smart = (typeof SMART)[number];
export const SORTS = [
  "taken",
  "taken-descending",
  "imported-descending",
  "imported",
  "name",
  "name-descending",
] as const;
export type Sorting = (typeof SORTS)[number];

/** Pure: the query that an address asks for. Oldest first where it says nothing. */
export function queryOf(words: Words): PhotoQuery {
  const { album, session, search } = words;
  const smart = SMART.find((one) => one === words.smart);
  const sorting = SORTS.find((one) => one === words.sort) ?? "taken";
  return {
    ...(album ? { album } : {}),
    ...(smart === undefined ? {} : { smart }),
    ...(session ? { session } : {}),
    ...(search?.trim() ? { search: search.trim().slice(0, 500) } : {}),
    sort: sorting.startsWith("taken") ? "taken" : sorting.startsWith("name") ? "name" : "imported",
    descending: sorting.endsWith("-descending") ? "true" : "false",
  };
}

/** A query as plain values, for an address; and a name for it that is the same for the same query. */
export function wordsOf(query: PhotoQuery): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
  );
}

/** What a search text consists of. */
export interface Part {
  /** As it stands in the text, from `start` to `end`. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The filter's name, in lower case; absent: a word. */
  readonly filter?: string;
  /** Without quotation marks. */
  readonly value: string;
}

const PART = /(?:(\p{L}+)[:：])?(["“”「][^"“”「」]*["“”」]?|[^\s"“”「」]+)|\S/gu;
const QUOTES = /["“”「」]/g;

/** Takes a search text apart as the engine does: words, and filters like place:Lyon or album:"Summer 1936". */
export function partsOf(text: string): Part[] {
  return Array.from(text.matchAll(PART), (match) => {
    const [whole, before, after = whole] = match;
    // "album:" with nothing after it yet is a filter too.
    const [, bare] = before === undefined ? (/^(\p{L}+)[:：]$/u.exec(whole) ?? []) : [];
    const filter = before ?? bare;
    return {
      text: whole,
      start: match.index,
      end: match.index + whole.length,
      ...(filter === undefined ? {} : { filter: nameOf(filter) }),
      value: bare === undefined ? after.replaceAll(QUOTES, "") : "",
    };
  });
}

/** The value of the first filter of a name; undefined where there is none. */
export function filterIn(text: string, name: string): string | undefined {
  return partsOf(text).find(({ filter }) => filter === name)?.value;
}

/** The text with this filter set, in the place of all of its name; undefined takes it out. */
export function withFilter(text: string, name: string, value: string | undefined): string {
  const others = partsOf(text).flatMap((part) => (part.filter === name ? [] : [part.text]));
  return [...others, ...(value === undefined ? [] : [`${name}:${quoted(value)}`])].join(" ");
}

const quoted = (value: string): string =>
  /[\s"“”「」]/.test(value) ? `"${value.replaceAll(QUOTES, "")}"` : value;

/** Filters, their names in Chinese, and what may follow them; those without values take what one types. */
const FILTERS: Readonly<
  Record<string, { readonly also: readonly string[]; readonly values: readonly string[] }>
> = {
  album: { also: ["相册"], values: [] },
  year: { also: ["年份", "年"], values: ["1930..1939", "1945"] },
  before: { also: ["早于"], values: [] },
  after: { also: ["晚于"], values: [] },
  person: { also: ["人物"], values: [] },
  place: { also: ["地点"], values: [] },
  tag: { also: ["标签"], values: [] },
  state: {
    also: ["状态"],
    values: ["plain", "working", "review", "accepted", "rejected", "failed"],
  },
  mono: { also: ["黑白"], values: ["yes", "no"] },
  rating: { also: ["评分"], values: [">3", "5"] },
  is: { also: ["是"], values: ["missing"] },
};

/** A filter's English name, by which all of the window knows it. */
function nameOf(typed: string): string {
  const name = typed.toLowerCase();
  return Object.keys(FILTERS).find((one) => FILTERS[one]?.also.includes(name)) ?? name;
}

export interface Suggestion {
  /** What is put in the place of the part under the caret. */
  readonly insert: string;
  /** The filter it belongs to, for words about it. */
  readonly filter: string;
  /** Absent: the filter itself is proposed. */
  readonly value?: string;
}

/**
 * What could stand at the caret: filters that begin with what is typed, or values of the filter that was typed.
 * @param albums names, for album:
 */
export function suggestionsFor(text: string, caret: number, albums: readonly string[]): Suggestion[] {
  const part = partAt(text, caret);
  const typed = (part?.text ?? "").slice(0, caret - (part?.start ?? caret)).toLowerCase();
  if (part?.filter === undefined) {
    return Object.entries(FILTERS)
      .filter(([name, { also }]) => [name, ...also].some((one) => one.startsWith(typed)))
      .map(([filter]) => ({ filter, insert: `${filter}:` }));
  }
  const { filter } = part;
  const begun = typed.replace(/^[^:：]*[:：]/, "").replaceAll(QUOTES, "");
  const values = filter === "album" ? albums : (FILTERS[filter]?.values ?? []);
  return values
    .filter((value) => value.toLowerCase().includes(begun) && value.toLowerCase() !== begun)
    .slice(0, 8)
    .map((value) => ({ filter, value, insert: `${filter}:${quoted(value)}` }));
}

/** The text and the caret after a suggestion was taken; a whole filter is followed by a space. */
export function completed(text: string, caret: number, { insert, value }: Suggestion) {
  const part = partAt(text, caret);
  const start = part?.start ?? caret;
  const before = text.slice(0, start) + insert + (value === undefined ? "" : " ");
  const after = text.slice(part?.end ?? caret);
  return {
    text: before + (value === undefined ? after : after.trimStart()),
    caret: before.length,
  };
}

function partAt(text: string, caret: number): Part | undefined {
  return partsOf(text).find(({ start, end }) => start < caret && caret <= end);
}
