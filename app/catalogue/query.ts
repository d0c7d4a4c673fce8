// What a user types into the search box: filters as words (album:"Grand parents" year:1936..1945 rating:>3), in English
// or Chinese, and free words between them.
//
// Owns: that language. Must never: refuse anything: what is not understood is told as a hint, and the rest is searched.

export type SearchState = "plain" | "working" | "review" | "accepted" | "rejected" | "failed";

/** One condition; all of a query's must hold. */
export type Filter =
  | { readonly kind: "album"; readonly name: string }
  /** Years, both included; open where one is absent. */
  | { readonly kind: "years"; readonly from?: number; readonly to?: number }
  /** A date as exact as it is given: 1936, 1936-02 or 1936-02-11. */
  | { readonly kind: "before" | "after"; readonly date: string }
  | { readonly kind: "mono"; readonly is: boolean }
  /** Stars, both included; photos without any count as 0. */
  | { readonly kind: "rating"; readonly least: number; readonly most: number }
  | { readonly kind: "state"; readonly state: SearchState }
  | { readonly kind: "missing" }
  | { readonly kind: "person" | "place" | "tag"; readonly text: string };

/** What was not understood. `part` is as it was typed. */
export interface Hint {
  /** A filter that there is not (searched as words), a value that makes no sense, an album that there is not, no words. */
  readonly about: "filter" | "value" | "album" | "words";
  readonly part: string;
}

export interface ParsedQuery {
  readonly filters: readonly Filter[];
  /** Free words, as they were typed. */
  readonly words: string;
  readonly hints: readonly Hint[];
}

const NAMES: Readonly<Record<string, string>> = {
  album: "album",
  相册: "album",
  year: "year",
  年份: "year",
  年: "year",
  before: "before",
  早于: "before",
  after: "after",
  晚于: "after",
  mono: "mono",
  黑白: "mono",
  rating: "rating",
  评分: "rating",
  state: "state",
  状态: "state",
  is: "is",
  是: "is",
  person: "person",
  people: "person",
  人物: "person",
  place: "place",
  地点: "place",
  tag: "tag",
  keyword: "tag",
  标签: "tag",
};

const STATES: Readonly<Record<string, SearchState>> = {
  plain: "plain",
  未处理: "plain",
  working: "working",
  处理中: "working",
  review: "review",
  待审: "review",
  待审核: "review",
  accepted: "accepted",
  已接受: "accepted",
  rejected: "rejected",
  已拒绝: "rejected",
  failed: "failed",
  失败: "failed",
};

const FLAGS: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  "1": true,
  是: true,
  no: false,
  false: false,
  "0": false,
  否: false,
};

/** A part: perhaps a name with a colon, then something in quotes or anything up to the next space. */
const PART = /(?:(\p{L}+)[:：])?(?:["“”「]([^"“”「」]*)["“”」]?|([^\s"“”「」]+))/gu;
/** A name whose value is still to be typed. */
const BARE_NAME = /^(\p{L}+)[:：]$/u;

/** @param text as typed; of any length and content */
export function parseQuery(text: string): ParsedQuery {
  const filters: Filter[] = [];
  const hints: Hint[] = [];
  const words: string[] = [];
  for (const [part, typed, quoted, plain] of text.toWellFormed().matchAll(PART)) {
    const value = (quoted ?? plain ?? "").trim();
    const name = lookUp(NAMES, typed ?? BARE_NAME.exec(value)?.[1]);
    if (name === undefined) {
      if (typed !== undefined && value !== "" && !value.startsWith("/")) {
        hints.push({ about: "filter", part: typed });
      }
      const free = typed === undefined ? value : part;
      if (free !== "") words.push(free);
    } else if (typed !== undefined && value !== "") {
      const filter = filterOf(name, value);
      if (filter === undefined) hints.push({ about: "value", part });
      else filters.push(filter);
    }
  }
  return { filters, words: words.join(" "), hints };
}

function lookUp<T>(table: Readonly<Record<string, T>>, key: string | undefined): T | undefined {
  const clean = key?.normalize("NFKC").toLowerCase();
  return clean !== undefined && Object.hasOwn(table, clean) ? table[clean] : undefined;
}

function filterOf(name: string, value: string): Filter | undefined {
  switch (name) {
    case "album":
      return { kind: "album", name: value };
    case "year":
      return yearsOf(value.normalize("NFKC"));
    case "before":
    case "after": {
      const date = dateOf(value.normalize("NFKC"));
      return date === undefined ? undefined : { kind: name, date };
    }
    case "mono": {
      const is = lookUp(FLAGS, value);
      return is === undefined ? undefined : { kind: "mono", is };
    }
    case "rating":
      return ratingOf(value.normalize("NFKC"));
    case "state": {
      const state = lookUp(STATES, value);
      return state === undefined ? undefined : { kind: "state", state };
    }
    case "is":
      return isOf(value.toLowerCase());
    case "person":
    case "place":
    case "tag":
      return { kind: name, text: value };
    default:
      return undefined;
  }
}

function yearsOf(value: string): Filter | undefined {
  const decade = /^(\d{3})0(?:s|'s|年代)$/i.exec(value)?.[1];
  if (decade !== undefined) return { kind: "years", from: Number(`${decade}0`), to: Number(`${decade}9`) };
  const single = /^(\d{4})年?$/.exec(value)?.[1];
  if (single !== undefined) return { kind: "years", from: Number(single), to: Number(single) };
  const [, from = "", to = ""] = /^(\d{4})?年?(?:\.\.+|[-–—~…]|至|到)(\d{4})?年?$/.exec(value) ?? [];
  if (from === "" && to === "") return undefined;
  if (from === "") return { kind: "years", to: Number(to) };
  if (to === "") return { kind: "years", from: Number(from) };
  const [first, last] = [Number(from), Number(to)];
  return { kind: "years", from: Math.min(first, last), to: Math.max(first, last) };
}

function dateOf(value: string): string | undefined {
  const match = /^(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2}))?)?[年月日]?$/.exec(value);
  const [, year, month, day] = match ?? [];
  if (year === undefined) return undefined;
  const text = [
    year,
    ...[month, day].filter((part) => part !== undefined).map((part) => part.padStart(2, "0")),
  ];
  return isCalendarDate(text.join("-")) ? text.join("-") : undefined;
}

/** Whether a date like 1936, 1936-02 or 1936-02-11 is in the calendar. */
export function isCalendarDate(text: string): boolean {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(text);
  if (match === null) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? "1"), Number(match[3] ?? "1")];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function ratingOf(value: string): Filter | undefined {
  const range = /^([0-5])\.\.([0-5])$/.exec(value);
  if (range !== null) {
    const [first, last] = [Number(range[1]), Number(range[2])];
    return { kind: "rating", least: Math.min(first, last), most: Math.max(first, last) };
  }
  const [, sign, digit] = /^(>=|=>|≥|<=|=<|≤|>|<|=)? *([0-5])$/.exec(value) ?? [];
  if (digit === undefined) return undefined;
  const stars = Number(digit);
  switch (sign) {
    case ">":
      return { kind: "rating", least: stars + 1, most: 5 };
    case "<":
      return { kind: "rating", least: 0, most: stars - 1 };
    case ">=":
    case "=>":
    case "≥":
      return { kind: "rating", least: stars, most: 5 };
    case "<=":
    case "=<":
    case "≤":
      return { kind: "rating", least: 0, most: stars };
    default:
      return { kind: "rating", least: stars, most: stars };
  }
}

function isOf(value: string): Filter | undefined {
  if (value === "missing" || value === "缺失") return { kind: "missing" };
  if (value === "mono" || value === "黑白") return { kind: "mono", is: true };
  const state = lookUp(STATES, value);
  return state === undefined ? undefined : { kind: "state", state };
}
