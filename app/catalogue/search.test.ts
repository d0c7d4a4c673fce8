import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countPhotos, type Library, listPhotos, openLibrary, type Photo } from "./index.ts";
import { insertPhoto } from "./record.ts";
import { indexPhotos, matchExpression, words } from "./search.ts";
import { photoOf } from "./testing.ts";

let library: Library;
beforeEach(async () => {
  library = await openLibrary(":memory:");
});
afterEach(() => library.close());

function add(number: number, fields: Partial<Photo>): void {
  library.db.transaction(() => indexPhotos(library.db, [insertPhoto(library.db, photoOf(number, fields))]));
}

function find(search: string): number[] {
  const { photos } = listPhotos(library, { search, limit: 1000 });
  expect(countPhotos(library, { search })).toBe(photos.length);
  for (const sort of ["taken", "name"] as const) {
    const ids = listPhotos(library, { search, sort, limit: 1000 }).photos.map((photo) => photo.id);
    expect(ids.sort()).toEqual(photos.map((photo) => photo.id));
  }
  return photos.map((photo) => Number(photo.id));
}

test("every text of a photo is searched: title, caption, name, place, people, keywords", () => {
  add(1, { title: "Migrant Mother", caption: "Destitute pea pickers", place: "Nipomo, California" });
  add(2, { name: "family_picnic-03.jpg", people: ["Florence Thompson"], keywords: ["Great Depression"] });
  expect(find("migrant")).toEqual([1]);
  expect(find("PICKERS destitute")).toEqual([1]);
  expect(find("nipomo")).toEqual([1]);
  expect(find("picnic")).toEqual([2]);
  expect(find("florence depression")).toEqual([2]);
  expect(find("migrant florence")).toEqual([]);
});

test("the last word may be a beginning, the others may not", () => {
  add(1, { title: "Harbour street" });
  expect(find("harb")).toEqual([1]);
  expect(find("h")).toEqual([1]);
  expect(find("harbour stre")).toEqual([1]);
  expect(find("harb street")).toEqual([]);
  expect(find("arbour")).toEqual([]);
});

test("accents, letter case and width do not count", () => {
  add(1, { title: "Café Zürich ÉTÉ", caption: "Ｔｏｋｙｏ １９３６", place: "Łódź Ελλάδα" });
  for (const text of ["cafe", "CAFÉ", "cafe\u0301", "zurich", "été", "tokyo 1936", "ελλαδα"]) {
    expect([text, find(text)]).toEqual([text, [1]]);
  }
});

test("Chinese is found by any run of characters, even a single one, and by no other order", () => {
  add(1, { title: "外婆在上海的老照片", place: "上海" });
  add(2, { title: "父亲", name: "海上日出 1936.jpg" });
  for (const text of ["外婆", "婆", "老照片", "在上海的", "外婆 照片"])
    expect([text, find(text)]).toEqual([text, [1]]);
  expect(find("上海")).toEqual([1]);
  expect(find("海上")).toEqual([2]);
  expect(find("海")).toEqual([1, 2]);
  expect(find("照老")).toEqual([]);
  expect(find("日出1936")).toEqual([2]);
});

test("other scripts without spaces, and emoji", () => {
  add(1, { title: "東京タワー", caption: "カメラ" });
  add(2, { title: "서울 거리" });
  add(3, { name: "外婆 👵🏽.jpg" });
  add(4, { title: "हिन्दी चित्र" });
  expect(find("タワー")).toEqual([1]);
  expect(find("ｶﾒﾗ")).toEqual([1]);
  expect(find("울")).toEqual([2]);
  expect(find("👵")).toEqual([3]);
  expect(find("हिन्दी")).toEqual([4]);
});

test("dates are found as people write them", () => {
  add(1, { takenAt: "1936", takenPrecision: "year" });
  add(2, { takenAt: "1936-02", takenPrecision: "month" });
  add(3, { takenAt: "1936-02-11", takenPrecision: "day" });
  add(4, { takenAt: "1930-02-11", takenPrecision: "day" });
  add(5, { takenAt: "1941-12-02", takenPrecision: "day" });
  add(6, { caption: "somewhere in the 1930s" });
  expect(find("1936")).toEqual([1, 2, 3]);
  expect(find("1936-02")).toEqual([2, 3]);
  expect(find("1936-02-11")).toEqual([3]);
  expect(find("February 1936")).toEqual([2, 3]);
  expect(find("feb 1936")).toEqual([2, 3]);
  expect(find("11 February 1936")).toEqual([3]);
  expect(find("1936年")).toEqual([1, 2, 3]);
  expect(find("1936年2月")).toEqual([2, 3]);
  expect(find("1936年2月11日")).toEqual([3]);
  expect(find("1930s")).toEqual([1, 2, 3, 4, 6]);
  expect(find("1930's")).toEqual([1, 2, 3, 4, 6]);
  expect(find("1930年代")).toEqual([1, 2, 3, 4, 6]);
  expect(find("1930")).toEqual([4, 6]); // 6 says "1930s", which begins with it
  expect(find("1940s")).toEqual([5]);
});

test("what belongs together by punctuation is a phrase", () => {
  add(1, { title: "Conan O'Brien" });
  add(2, { title: "Brien O" });
  expect(find("o'brien")).toEqual([1]);
  expect(find("O’Brien")).toEqual([1]);
  expect(find("o brien")).toEqual([1, 2]);
});

test("operators are text", () => {
  add(1, { title: "cats and dogs" });
  add(2, { title: "cats" });
  expect(find("cats AND dogs")).toEqual([1]);
  expect(find("cats NOT dogs")).toEqual([]);
  expect(find("dogs OR birds")).toEqual([]);
  expect(find("title:cats")).toEqual([]);
  expect(find('"cats')).toEqual([1, 2]);
  expect(find("cats*")).toEqual([1, 2]);
  expect(find("(cats) ^dogs")).toEqual([1]);
});

test("blank text finds all, text without a word finds nothing", () => {
  add(1, { title: "a" });
  expect(find("")).toEqual([1]);
  expect(find(" \n")).toEqual([1]);
  expect(find("!?")).toEqual([]);
  expect(find('"')).toEqual([]);
});

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        '"',
        "'",
        "*",
        "(",
        ")",
        "AND",
        "NOT",
        "NEAR(a b, 2)",
        "^",
        ":",
        "-",
        "+",
        "\0",
        "\ud800",
        " ",
        "a",
        "外",
        "1930s",
        "{",
        "}",
        "\ue000193",
        "👵",
        "é",
      ),
      { maxLength: 80 },
    )
    .map((parts) => parts.join("")),
);

test("no text breaks a search", () => {
  add(1, { title: "cats and dogs" });
  fc.assert(
    fc.property(anyText, fc.constantFrom("imported", "taken", "name"), (search, sort) => {
      const { photos } = listPhotos(library, { search, sort });
      expect(photos.length).toBeLessThanOrEqual(1);
      expect(countPhotos(library, { search, mono: true })).toBe(photos.length);
    }),
    { numRuns: 500 },
  );
  const long = "word ".repeat(20_000);
  expect(find(long)).toEqual([]);
});

test("a photo is found by any run of words of its own text", () => {
  const texts = fc.array(
    fc.oneof(anyText, fc.lorem({ maxCount: 8 }), fc.constantFrom("外婆在上海", "Été à Łódź")),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  let number = 0;
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), (parts, start, count) => {
      const title = parts.join(" ");
      number++;
      add(number, { title });
      const all = words(title);
      const from = all.length === 0 ? 0 : start % all.length;
      const search = all.slice(from, from + 1 + (count % 6)).join(" ");
      if (search === "") return;
      expect(Number(listPhotos(library, { search, descending: true, limit: 1 }).photos[0]?.id)).toBe(number);
    }),
    { numRuns: 300 },
  );
});

test("an expression has a bounded number of words", () => {
  const many = `${"word ".repeat(39)}1930s 1940s ${"more ".repeat(100)}`;
  expect(matchExpression(many)?.split(" ")).toHaveLength(40);
  fc.assert(
    fc.property(fc.array(anyText, { maxLength: 50 }), (parts) => {
      const expression = matchExpression(parts.join(" "));
      if (expression === undefined) return;
      expect(expression.split(/\s+/u).length).toBeLessThanOrEqual(40);
      expect(/^(?:"[^"]+"\s?)+\*?$/u.test(expression)).toBe(true);
    }),
  );
});
