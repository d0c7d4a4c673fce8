import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  countPhotos,
  createAlbum,
  fillSynthetic,
  getPhoto,
  type Library,
  listPhotos,
  openLibrary,
  type PageRequest,
  type Photo,
  photosOf,
  syntheticWord,
} from "./index.ts";
import { readPage } from "./pages.ts";
import { insertPhoto, nameKey } from "./record.ts";
import { words } from "./search.ts";
import { photoOf } from "./testing.ts";

const COUNT = 3000;
let library: Library;
let all: Photo[];
let tenth: Set<string>;
beforeAll(async () => {
  library = await openLibrary(":memory:");
  fillSynthetic(library, COUNT);
  createAlbum(library, "Empty");
  all = [...photosOf(library)];
  tenth = new Set(all.filter((_, index) => index % 10 === 0).map((photo) => photo.id));
});
afterAll(() => library.close());

/** Every page of a request. */
function pages(request: PageRequest, few = 1000): Photo[] {
  const photos: Photo[] = [];
  let after: string | undefined;
  do {
    const page = readPage(library, { ...request, after }, few);
    expect(page.photos.length).toBeLessThanOrEqual(request.limit ?? 100);
    expect(page.next === undefined || page.photos.length === (request.limit ?? 100)).toBe(true);
    photos.push(...page.photos);
    after = page.next;
  } while (after !== undefined);
  return photos;
}

/** What the pages must be, by the plainest means. */
function expected(request: PageRequest): string[] {
  const { search, sort = "imported" } = request;
  const key = (photo: Photo) =>
    ({ imported: "", taken: photo.takenAt ?? "~", name: nameKey(photo.name) })[sort];
  const wanted = search === undefined ? [] : words(search);
  const found = all
    .filter((photo) => request.album === undefined || (request.album === "Tenth" && tenth.has(photo.id)))
    .filter((photo) => request.mono === undefined || photo.isMono === request.mono)
    .filter(
      (photo) => request.missing === undefined || (photo.missingSince !== undefined) === request.missing,
    )
    .filter((photo) => {
      const own = words(
        [
          photo.title,
          photo.caption,
          photo.name,
          photo.place,
          ...photo.people,
          ...photo.keywords,
          photo.takenAt,
        ].join(" "),
      ).map((word) => word.toLowerCase());
      return wanted.every((word, index) =>
        own.some((other) => (index === wanted.length - 1 ? other.startsWith(word) : other === word)),
      );
    });
  // all is in order of import, and this sort is stable
  const sorted = found
    .sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
    .map((photo) => photo.id);
  if (request.descending !== true) return sorted;
  return found
    .sort((a, b) => (key(a) < key(b) ? 1 : key(a) > key(b) ? -1 : a.id < b.id ? 1 : -1))
    .map(({ id }) => id);
}

const requests = fc.record(
  {
    album: fc.constantFrom("Tenth", "Empty"),
    // in most photos, in some, in none
    search: fc.constantFrom(
      syntheticWord(0),
      syntheticWord(30),
      syntheticWord(0).slice(0, 2),
      "img 17",
      "nothing",
    ),
    mono: fc.boolean(),
    missing: fc.boolean(),
    sort: fc.constantFrom("imported" as const, "taken" as const, "name" as const),
    descending: fc.boolean(),
    limit: fc.constantFrom(1000, 500, 137, 50),
  },
  { requiredKeys: [] },
);

test("pages give exactly the photos of every filter, in every order, each once", () => {
  fc.assert(
    fc.property(requests, fc.constantFrom(0, 1000, COUNT), (request, few) => {
      const ids = pages(request, few).map((photo) => photo.id);
      expect(ids).toEqual(expected(request));
      expect(countPhotos(library, request)).toBe(ids.length);
    }),
    { numRuns: 150 },
  );
});

test("a page of one, and a page that is exactly full", () => {
  const album = { album: "Tenth", sort: "taken" } as const;
  expect(pages({ ...album, limit: 1 }).map(({ id }) => id)).toEqual(expected(album));
  expect(listPhotos(library, { ...album, limit: COUNT / 10 }).next).toBeUndefined();
  expect(listPhotos(library, { ...album, limit: COUNT / 10 - 1 }).next).toBeDefined();
});

test("a page goes on rightly after its last photo was removed and others were added", async () => {
  const own = await openLibrary(":memory:");
  for (let number = 1; number <= 10; number++) {
    insertPhoto(own.db, photoOf(number, { takenAt: `19${number + 10}`, takenPrecision: "year" }));
  }
  const first = listPhotos(own, { sort: "taken", limit: 5 });
  own.db.run(own.db.build.deleteFrom("photo").where("id", "=", first.photos[4]?.id ?? ""));
  insertPhoto(own.db, photoOf(11, { takenAt: "1910", takenPrecision: "year" }));
  insertPhoto(own.db, photoOf(12, { takenAt: "1916-05", takenPrecision: "month" }));
  const second = listPhotos(own, { sort: "taken", limit: 100, after: first.next });
  expect(second.photos.map(({ takenAt }) => takenAt)).toEqual([
    "1916",
    "1916-05",
    "1917",
    "1918",
    "1919",
    "1920",
  ]);
  expect(countPhotos(own)).toBe(11);
  own.close();
});

test("a marker that was not made for this list is refused, whatever it is", () => {
  const { next = "" } = listPhotos(library, { sort: "taken", limit: 3 });
  expect(listPhotos(library, { sort: "taken", limit: 3, after: next, mono: true }).photos).toHaveLength(3);
  for (const request of [
    { sort: "name" },
    { sort: "imported" },
    { sort: "taken", descending: true },
  ] as const) {
    expect(() => listPhotos(library, { ...request, after: next })).toThrow("no place to go on from");
  }
  const json = fc.json().map((text) => Buffer.from(text).toString("base64url"));
  const texts = fc.oneof(fc.string({ unit: "binary" }), json, fc.base64String(), fc.constant(`${next}x`));
  fc.assert(
    fc.property(texts, (after) => {
      fc.pre(after !== next);
      try {
        const { photos } = listPhotos(library, { sort: "taken", after });
        expect(photos.length).toBeGreaterThan(0); // base64 does not mind some characters more
      } catch (error) {
        expect(error).toMatchObject({ code: "usage" });
      }
    }),
    { numRuns: 200 },
  );
});

test("limits and albums that make no sense are told", () => {
  for (const limit of [0, -1, 1.5, 1001, Number.NaN]) {
    expect(() => listPhotos(library, { limit })).toThrow(expect.objectContaining({ code: "usage" }));
  }
  expect(() => listPhotos(library, { album: "none" })).toThrow(
    expect.objectContaining({ code: "not-found" }),
  );
  expect(() => countPhotos(library, { album: "none" })).toThrow(
    expect.objectContaining({ code: "not-found" }),
  );
  expect(() => [...photosOf(library, { album: "none" })]).toThrow(
    expect.objectContaining({ code: "not-found" }),
  );
  expect(() => getPhoto(library, "none")).toThrow(expect.objectContaining({ code: "not-found" }));
});

test("a photo comes back as it went in", () => {
  const photo = photoOf(7000, {
    iccName: "Dot Gain 20%",
    isMono: false,
    hasAlpha: true,
    takenAt: "1936-02-11",
    takenPrecision: "day",
    title: "Migrant\nMother",
    caption: 'with "quotes" and 外婆',
    place: "Nipomo",
    people: ["Florence Owens Thompson", ""],
    keywords: ["a,b", "c"],
    rating: 0,
    notes: ["A sentence."],
    missingSince: "2026-01-02T00:00:00.000Z",
    bitDepth: 16,
    mtime: -5,
  });
  const number = insertPhoto(library.db, photo);
  expect(getPhoto(library, photo.id)).toEqual(photo);
  library.db.run(library.db.build.deleteFrom("photo").where("number", "=", number));
});

test("names sort as people count", () => {
  const names = [
    "b2.jpg",
    "IMG_10.jpg",
    "img_9.jpg",
    "Ábc.jpg",
    "abd.jpg",
    "2.jpg",
    "007.jpg",
    "10.jpg",
    "外.jpg",
  ];
  const sorted = names.toSorted((a, b) => (nameKey(a) < nameKey(b) ? -1 : 1));
  expect(sorted).toEqual([
    "2.jpg",
    "007.jpg",
    "10.jpg",
    "Ábc.jpg",
    "abd.jpg",
    "b2.jpg",
    "img_9.jpg",
    "IMG_10.jpg",
    "外.jpg",
  ]);
});

/** How SQLite reads what a call asks for. */
function plansOf(request: PageRequest, few = 1000): string[] {
  const plans: string[] = [];
  const spy: Library = {
    ...library,
    db: {
      ...library.db,
      tuples: (query) => {
        const { sql, parameters } = query.compile();
        const rows = library.db.raw.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as {
          detail: string;
        }[];
        plans.push(rows.map((row) => row.detail).join("\n"));
        return library.db.tuples(query);
      },
    },
  };
  readPage(spy, request, few);
  return plans;
}

test("every page is read in the order of an index: nothing is scanned for it and nothing sorted", () => {
  const sorts = ["imported", "taken", "name"] as const;
  for (const sort of sorts) {
    for (const descending of [false, true]) {
      for (const album of [undefined, "Tenth"]) {
        for (const mono of [undefined, true, false]) {
          for (const missing of [undefined, true, false]) {
            for (const search of [undefined, syntheticWord(0)]) {
              const request = { sort, descending, album, mono, missing, search };
              const { next } = listPhotos(library, {
                ...request,
                mono: undefined,
                missing: undefined,
                limit: 2,
              });
              for (const after of [undefined, next]) {
                const [plan = ""] = plansOf({ ...request, after, limit: 2 }, 0);
                const about = `${JSON.stringify(request)} ${after === undefined ? "first" : "next"}\n${plan}`;
                expect(about).not.toContain("TEMP B-TREE");
                // A table is only ever scanned along an index that is in the page's order, up to the page's end.
                const scans = plan.split("\n").filter((line) => line.startsWith("SCAN"));
                for (const scan of scans) {
                  expect([scan, about]).toEqual([
                    expect.stringMatching(
                      /^SCAN (photo USING INDEX photo_(taken|name)|photo$|photo_search VIRTUAL TABLE INDEX \d+:M6)/,
                    ),
                    about,
                  ]);
                }
                if (scans.includes("SCAN photo"))
                  expect([sort, search, after]).toEqual(["imported", undefined, undefined]);
                if (after !== undefined && search === undefined) {
                  expect(about).toMatch(/(_key,\w+\)|rowid|photo_number)[<>]/);
                }
              }
            }
          }
        }
      }
    }
  }
});

test("few finds are sorted in memory, many are met along an index", () => {
  const [few = ""] = plansOf({ search: syntheticWord(0), sort: "taken" }, COUNT);
  expect(few).toContain("SEARCH photo USING INTEGER PRIMARY KEY");
  const [many = ""] = plansOf({ search: syntheticWord(0), sort: "taken" }, 100);
  expect(many).toContain("SCAN photo USING INDEX photo_taken");
});
