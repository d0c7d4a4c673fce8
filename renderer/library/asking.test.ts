import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { completed, filterIn, partsOf, queryOf, suggestionsFor, withFilter, wordsOf } from "./asking.ts";

describe("the query of an address", () => {
  test("shows photos by time where nothing is said, and takes what it knows", () => {
    expect(queryOf({})).toEqual({ sort: "taken", descending: "false" });
    expect(
      queryOf({ album: "a1", smart: "toReview", search: "  lyon ", sort: "imported-descending", x: "y" }),
    ).toEqual({ album: "a1", smart: "toReview", search: "lyon", sort: "imported", descending: "true" });
    expect(queryOf({ smart: "nonsense", sort: "nonsense", search: " " })).toEqual(queryOf({}));
  });
  test("is made of words again", () => {
    expect(wordsOf({ sort: "name", descending: "true", smart: "failed" })).toEqual({
      sort: "name",
      descending: "true",
      smart: "failed",
    });
  });
});

describe("a search text", () => {
  test("consists of words and filters", () => {
    expect(
      partsOf('oma  year:1936..1945 album:"Summer 1936" Place:').map((part) => [part.filter, part.value]),
    ).toEqual([
      [undefined, "oma"],
      ["year", "1936..1945"],
      ["album", "Summer 1936"],
      ["place", ""],
    ]);
    expect(partsOf("外婆 place:上海").map(({ value }) => value)).toEqual(["外婆", "上海"]);
    expect(partsOf('album:"not clo sed')[0]).toMatchObject({ filter: "album", value: "not clo sed" });
  });

  test("any text is taken apart without losing anything but spaces", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const parts = partsOf(text);
        let at = 0;
        for (const { start, end, text: own } of parts) {
          expect(text.slice(at, start).trim()).toBe("");
          expect(text.slice(start, end)).toBe(own);
          at = end;
        }
        expect(text.slice(at).trim()).toBe("");
      }),
    );
  });

  test("has a filter set, changed and taken out, and keeps the rest", () => {
    expect(withFilter("oma", "year", "1930..1939")).toBe("oma year:1930..1939");
    expect(withFilter("year:1945 oma", "year", "1930..1939")).toBe("oma year:1930..1939");
    expect(withFilter('oma album:"Summer 1936"', "year", undefined)).toBe('oma album:"Summer 1936"');
    expect(withFilter("", "album", "Summer 1936")).toBe('album:"Summer 1936"');
    expect(filterIn("oma year:1945", "year")).toBe("1945");
    expect(filterIn("oma", "year")).toBeUndefined();
  });

  test("a filter that was set is found again, whatever its value", () => {
    const value = fc.string({ minLength: 1 }).filter((one) => !/["“”「」]/.test(one) && one.trim() !== "");
    fc.assert(
      fc.property(value, fc.constantFrom("", "oma", "rating:>3"), (one, text) => {
        expect(filterIn(withFilter(text, "place", one), "place")).toBe(one);
      }),
    );
  });
});

describe("suggestions", () => {
  const albums = ["Summer 1936", "Lyon", "Lyon, the second visit"];
  test("propose filters for what is begun, and values after the colon", () => {
    expect(suggestionsFor("", 0, albums).map(({ insert }) => insert)).toContain("album:");
    expect(suggestionsFor("oma p", 5, albums).map(({ insert }) => insert)).toEqual(["person:", "place:"]);
    expect(suggestionsFor("mono:", 5, albums).map(({ insert }) => insert)).toEqual(["mono:yes", "mono:no"]);
    expect(suggestionsFor("album:ly", 8, albums).map(({ insert }) => insert)).toEqual([
      "album:Lyon",
      'album:"Lyon, the second visit"',
    ]);
    expect(suggestionsFor("mono:yes", 8, albums)).toEqual([]);
    expect(suggestionsFor("黑", 1, albums).map(({ insert }) => insert)).toEqual(["mono:"]);
    expect(suggestionsFor("黑白：", 3, albums).map(({ insert }) => insert)).toEqual(["mono:yes", "mono:no"]);
    expect(suggestionsFor("nobody", 6, albums)).toEqual([]);
  });

  test("are put where the caret is", () => {
    const [person] = suggestionsFor("pe rating:>3", 2, albums);
    expect(completed("pe rating:>3", 2, person!)).toEqual({ text: "person: rating:>3", caret: 7 });
    const [yes] = suggestionsFor("mono:y oma", 6, albums);
    expect(completed("mono:y oma", 6, yes!)).toEqual({ text: "mono:yes oma", caret: 9 });
    const [first] = suggestionsFor("", 0, albums);
    expect(completed("", 0, first!)).toEqual({ text: "album:", caret: 6 });
  });
});
