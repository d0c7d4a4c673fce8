import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  addToAlbum,
  countPhotos,
  createAlbum,
  deleteAlbum,
  getAlbum,
  type Library,
  listAlbums,
  listPhotos,
  openLibrary,
  removeFromAlbum,
  renameAlbum,
} from "./index.ts";
import { insertPhoto, markMissing, setFile } from "./record.ts";
import { photoOf } from "./testing.ts";

let library: Library;
beforeEach(async () => {
  library = await openLibrary(":memory:");
});
afterEach(() => library.close());

const idOf = (number: number) => photoOf(number).id;
const namesIn = (album: string) => listPhotos(library, { album }).photos.map((photo) => photo.name);

test("albums are made, listed with counts, renamed and deleted; photos stay", () => {
  for (const number of [1, 2, 3]) insertPhoto(library.db, photoOf(number));
  const made = createAlbum(library, " Album 10 ");
  expect(made).toMatchObject({ name: "Album 10", photos: 0 });
  createAlbum(library, "Album 9");
  expect(addToAlbum(library, "Album 10", [idOf(1), idOf(3), idOf(1)])).toBe(2);
  expect(addToAlbum(library, "Album 10", [idOf(3)])).toBe(0);
  expect(listAlbums(library).map(({ name, photos }) => [name, photos])).toEqual([
    ["Album 9", 0],
    ["Album 10", 2],
  ]);
  renameAlbum(library, "Album 10", "外婆");
  expect(getAlbum(library, "外婆")).toEqual({ ...made, name: "外婆", photos: 2 });
  renameAlbum(library, "外婆", "外婆");
  expect(namesIn("外婆")).toEqual(["0001.jpg", "0003.jpg"]);
  expect(removeFromAlbum(library, "外婆", [idOf(1), idOf(2)])).toBe(1);
  expect(namesIn("外婆")).toEqual(["0003.jpg"]);
  deleteAlbum(library, "外婆");
  expect(listAlbums(library).map(({ name }) => name)).toEqual(["Album 9"]);
  expect(countPhotos(library)).toBe(3);
});

test("names that are empty, too long or taken are refused", () => {
  createAlbum(library, "A");
  for (const name of ["", "  ", "A", " A ", "x".repeat(201)]) {
    expect(() => createAlbum(library, name)).toThrow(expect.objectContaining({ code: "usage" }));
  }
  createAlbum(library, "B");
  expect(() => renameAlbum(library, "B", "A")).toThrow(expect.objectContaining({ code: "usage" }));
  expect(createAlbum(library, "Cafe\u0301").name).toBe("Café");
  expect(getAlbum(library, "Cafe\u0301").name).toBe("Café");
  expect(createAlbum(library, "👵".repeat(200)).photos).toBe(0);
});

test("an unknown album or photo is told, and then nothing is changed", () => {
  insertPhoto(library.db, photoOf(1));
  createAlbum(library, "A");
  const missing = expect.objectContaining({ code: "not-found" });
  expect(() => addToAlbum(library, "A", [idOf(1), "nobody"])).toThrow(missing);
  expect(getAlbum(library, "A").photos).toBe(0);
  for (const attempt of [
    () => addToAlbum(library, "B", []),
    () => removeFromAlbum(library, "B", []),
    () => removeFromAlbum(library, "A", ["nobody"]),
    () => renameAlbum(library, "B", "C"),
    () => deleteAlbum(library, "B"),
    () => getAlbum(library, "B"),
  ]) {
    expect(attempt).toThrow(missing);
  }
});

test("the tally and the albums' sort keys are right after any changes", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("add" as const), mono: fc.boolean(), missing: fc.boolean() }),
    fc.record({
      do: fc.constantFrom("remove", "miss", "find", "place", "take", "colour", "date"),
      which: fc.nat(),
    }),
    fc.record({ do: fc.constantFrom("album", "drop") }),
  );
  let round = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { db } = library;
      const base = ++round * 100;
      let next = base;
      let numbers: number[] = [];
      const pick = (which: number) => numbers[which % numbers.length];
      const album = `album ${round}`;
      let hasAlbum = false;
      for (const action of steps) {
        if (action.do === "add" && "mono" in action) {
          const missingSince = action.missing ? "2026-01-01T00:00:00.000Z" : undefined;
          numbers.push(insertPhoto(db, photoOf(next++, { isMono: action.mono, missingSince })));
        } else if (action.do === "album" && !hasAlbum) {
          createAlbum(library, album);
          hasAlbum = true;
        } else if (action.do === "drop" && hasAlbum) {
          deleteAlbum(library, album);
          hasAlbum = false;
        } else if ("which" in action) {
          const number = pick(action.which);
          if (number === undefined) continue;
          const id = db.get(db.build.selectFrom("photo").select("id").where("number", "=", number))?.id ?? "";
          const set = db.build.updateTable("photo").where("number", "=", number);
          if (action.do === "remove") {
            db.run(db.build.deleteFrom("photo").where("number", "=", number));
            numbers = numbers.filter((other) => other !== number);
          }
          if (action.do === "miss") markMissing(db, number);
          if (action.do === "find")
            setFile(db, number, { path: `/new/${action.which}.jpg`, size: 1, mtime: 1 });
          if (action.do === "colour") db.run(set.set({ is_mono: action.which % 2 }));
          if (action.do === "date") db.run(set.set({ taken_at: "1936", taken_precision: "year" }));
          if (action.do === "place" && hasAlbum) addToAlbum(library, album, [id]);
          if (action.do === "take" && hasAlbum) removeFromAlbum(library, album, [id]);
        }
      }
      const tallied = db.raw
        .prepare(
          "SELECT album_number, is_mono, is_missing, photos FROM tally WHERE photos <> 0 ORDER BY 1, 2, 3",
        )
        .all();
      const counted = db.raw
        .prepare(
          `SELECT album_number, is_mono, is_missing, count(*) AS photos FROM (
            SELECT 0 AS album_number, is_mono, is_missing FROM photo
            UNION ALL
            SELECT a.album_number, p.is_mono, p.is_missing
            FROM album_photo AS a JOIN photo AS p ON p.number = a.photo_number
          ) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
        )
        .all();
      expect(tallied).toEqual(counted);
      const stale = db.raw
        .prepare(
          `SELECT count(*) FROM album_photo AS a JOIN photo AS p ON p.number = a.photo_number
          WHERE (a.is_mono, a.is_missing, a.taken_key, a.name_key)
            IS NOT (p.is_mono, p.is_missing, p.taken_key, p.name_key)`,
        )
        .pluck()
        .get();
      expect(stale).toBe(0);
      db.run(db.build.deleteFrom("photo"));
      if (hasAlbum) deleteAlbum(library, album);
    }),
    { numRuns: 200 },
  );
});
