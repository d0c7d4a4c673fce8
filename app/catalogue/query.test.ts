import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Filter, isCalendarDate, parseQuery } from "./query.ts";

const only = (text: string): Filter | undefined => {
  const { filters, words, hints } = parseQuery(text);
  expect({ words, hints, count: filters.length }).toEqual({ words: "", hints: [], count: 1 });
  return filters[0];
};

describe("filters as words", () => {
  it.each<[string, Filter]>([
    ['album:"Grand parents"', { kind: "album", name: "Grand parents" }],
    ["ALBUM:Paris", { kind: "album", name: "Paris" }],
    ["相册：“外婆家”", { kind: "album", name: "外婆家" }],
    ["year:1936", { kind: "years", from: 1936, to: 1936 }],
    ["year:1936..1945", { kind: "years", from: 1936, to: 1945 }],
    ["year:1945-1936", { kind: "years", from: 1936, to: 1945 }],
    ["year:1936..", { kind: "years", from: 1936 }],
    ["year:..1945", { kind: "years", to: 1945 }],
    ["year:1930s", { kind: "years", from: 1930, to: 1939 }],
    ["年份:1930年代", { kind: "years", from: 1930, to: 1939 }],
    ["年份:1936年", { kind: "years", from: 1936, to: 1936 }],
    ["年份:1936至1945", { kind: "years", from: 1936, to: 1945 }],
    ["before:1940", { kind: "before", date: "1940" }],
    ["before:1940-5", { kind: "before", date: "1940-05" }],
    ["after:1940.5.9", { kind: "after", date: "1940-05-09" }],
    ["早于:1940年5月", { kind: "before", date: "1940-05" }],
    ["mono:yes", { kind: "mono", is: true }],
    ["mono:No", { kind: "mono", is: false }],
    ["黑白：否", { kind: "mono", is: false }],
    ["rating:3", { kind: "rating", least: 3, most: 3 }],
    ["rating:>3", { kind: "rating", least: 4, most: 5 }],
    ["rating:>=3", { kind: "rating", least: 3, most: 5 }],
    ["rating:<3", { kind: "rating", least: 0, most: 2 }],
    ["rating:2..4", { kind: "rating", least: 2, most: 4 }],
    ["评分：≥３", { kind: "rating", least: 3, most: 5 }],
    ["state:review", { kind: "state", state: "review" }],
    ["状态:待审", { kind: "state", state: "review" }],
    ["is:missing", { kind: "missing" }],
    ["person:Ann", { kind: "person", text: "Ann" }],
    ["人物:外婆", { kind: "person", text: "外婆" }],
    ['place:"New York"', { kind: "place", text: "New York" }],
    ["地点:北京", { kind: "place", text: "北京" }],
    ["tag:wedding", { kind: "tag", text: "wedding" }],
  ])("%s", (text, filter) => {
    expect(only(text)).toEqual(filter);
  });

  it("leaves free words as they are, between filters", () => {
    expect(parseQuery('  wedding year:1936 "on the  beach" 外婆 ')).toEqual({
      filters: [{ kind: "years", from: 1936, to: 1936 }],
      words: "wedding on the  beach 外婆",
      hints: [],
    });
  });

  it.each([
    "year:1936-13-40",
    "year:abc",
    "rating:9",
    "rating:>",
    "mono:maybe",
    "state:lost",
    "is:odd",
    "before:1936-13",
  ])("hints at a value that makes no sense: %s", (text) => {
    expect(parseQuery(text)).toEqual({ filters: [], words: "", hints: [{ about: "value", part: text }] });
  });

  it("searches what is no filter, and says so", () => {
    expect(parseQuery("albm:Paris toString:1 constructor:x")).toEqual({
      filters: [],
      words: "albm:Paris toString:1 constructor:x",
      hints: ["albm", "toString", "constructor"].map((part) => ({ about: "filter", part })),
    });
  });

  it("says nothing of times, addresses and names that are still to be completed", () => {
    expect(parseQuery("12:30 http://example.org album: year:")).toEqual({
      filters: [],
      words: "12:30 http://example.org",
      hints: [],
    });
  });

  it("takes a quote that is never closed to the end", () => {
    expect(parseQuery('album:"Grand par').filters).toEqual([{ kind: "album", name: "Grand par" }]);
  });
});

describe("dates", () => {
  it("are in the calendar or not", () => {
    const good = ["1936", "1936-02", "1936-02-29", "2000-02-29", "0099-01-01"];
    const bad = ["1936-13", "1936-00", "1935-02-29", "1900-02-29", "1936-2", "36", "1936-02-11T00", ""];
    expect(good.filter(isCalendarDate)).toEqual(good);
    expect(bad.filter(isCalendarDate)).toEqual([]);
  });
});

const year = fc.integer({ min: 1000, max: 9999 });
const stars = fc.integer({ min: 0, max: 5 });
const text = fc.stringMatching(/^[a-z外婆0-9!.'-]([a-z 外婆0-9!.'-]{0,20}[a-z外婆0-9!.'-])?$/u);
const date = fc
  .date({ min: new Date("1000-01-01"), max: new Date("2999-12-31"), noInvalidDate: true })
  .chain((day) => fc.constantFrom(4, 7, 10).map((length) => day.toISOString().slice(0, length)));

/** A filter, and one way to write it. */
const written = fc.oneof(
  text.map((name) => [{ kind: "album", name }, `album:"${name}"`] as const),
  fc
    .tuple(year, year)
    .map(
      ([a, b]) => [{ kind: "years", from: Math.min(a, b), to: Math.max(a, b) }, `year:${a}..${b}`] as const,
    ),
  year.map((from) => [{ kind: "years", from }, `年份:${from}..`] as const),
  date.map((when) => [{ kind: "before", date: when }, `before:${when}`] as const),
  date.map((when) => [{ kind: "after", date: when }, `after：${when}`] as const),
  fc.boolean().map((is) => [{ kind: "mono", is }, `mono:${is ? "yes" : "no"}`] as const),
  stars.map((least) => [{ kind: "rating", least, most: 5 }, `rating:>=${least}`] as const),
  fc
    .constantFrom("plain", "working", "review", "accepted", "rejected", "failed")
    .map((state) => [{ kind: "state", state }, `state:${state}`] as const),
  fc.constant([{ kind: "missing" }, "is:missing"] as const),
  text.map((who) => [{ kind: "person", text: who }, `人物：“${who}”`] as const),
  text.map((where) => [{ kind: "place", text: where }, `place:"${where}"`] as const),
);

describe("any text", () => {
  it("is read without an error, and hints quote it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string(), text), (typed) => {
        const { hints, words } = parseQuery(typed);
        for (const { part } of hints) expect(typed.toWellFormed()).toContain(part);
        expect(words.length).toBeLessThanOrEqual(typed.length);
      }),
    );
  });

  it("gives back the filters that were written, in order, among any words", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(written, fc.stringMatching(/^[a-z0-9]{0,8}$/))), (parts) => {
        const typed = parts.map(([[, filter], word]) => `${word} ${filter}`).join("  ");
        const { filters, words, hints } = parseQuery(typed);
        expect(filters).toEqual(parts.map(([[filter]]) => filter));
        expect(words.split(" ").filter(Boolean)).toEqual(parts.map(([, word]) => word).filter(Boolean));
        expect(hints).toEqual([]);
      }),
    );
  });

  it("is read in time that grows with its length", () => {
    const long = `${'album:"'.repeat(20_000)}${"年".repeat(50_000)}:::::${"\u0000".repeat(1000)}`;
    expect(parseQuery(long).filters.length).toBeGreaterThan(0);
  });
});
