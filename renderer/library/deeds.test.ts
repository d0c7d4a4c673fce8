import { expect, test } from "vitest";
import type { PhotoDetails } from "../../app/api/library/contract.ts";
import { changeBack, shownDate } from "./deeds.ts";

const photo: PhotoDetails = {
  id: "p1",
  name: "scan 1.tif",
  title: "Grandmother",
  width: 3,
  height: 2,
  isMono: true,
  isMissing: false,
  takenAt: "1936-02",
  takenPrecision: "month",
  state: "plain",
  versions: 0,
  path: "/photos/scan 1.tif",
  copies: [],
  size: 1,
  format: "tiff",
  bitDepth: 16,
  pages: 1,
  hash: "0",
  people: ["Anna"],
  keywords: [],
  importedAt: "2026-11-20T10:00:00Z",
  notes: [],
  albums: [],
  allVersions: [],
};

test("a change is taken back field by field: what was there comes back, what was not there goes", () => {
  expect(changeBack(photo, { title: "Mother", caption: "new", people: [], takenAt: null })).toEqual({
    title: "Grandmother",
    caption: null,
    people: ["Anna"],
    takenAt: "1936-02",
  });
  expect(changeBack(photo, {})).toEqual({});
});

test("a date is shown only as exactly as it is known", () => {
  expect(shownDate(photo)).toBe("1936-02");
  expect(shownDate({ takenAt: "1936-02-11T10:00:00Z", takenPrecision: "day" })).toBe("1936-02-11");
  expect(shownDate({ takenAt: "1936-01-01", takenPrecision: "year" })).toBe("1936");
  expect(shownDate({})).toBeUndefined();
});
