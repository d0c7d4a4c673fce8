import type { TFunction } from "i18next";
import { expect, test } from "vitest";
import type { PhotoCard } from "../../app/api/library/contract.ts";
import en from "../words/en/library.json" with { type: "json" };
import { cellName, dateWords, sizeWords } from "./naming.ts";

test("a date is said as exactly as it is known, and no more", () => {
  expect(dateWords("1936", "en")).toBe("1936");
  expect(dateWords("1936-02", "en")).toBe("February 1936");
  expect(dateWords("1936-02-11", "en-GB")).toBe("11 February 1936");
  expect(dateWords("1936-02-11", "zh-CN")).toBe("1936年2月11日");
  expect(dateWords("0099", "en")).toBe("99");
  expect(dateWords("nonsense", "en")).toBe("nonsense");
});

test("a cell's name says what is seen of it", () => {
  const flat: Record<string, string> = {
    "library.mono": en.mono,
    "library.comma": en.comma,
    "library.states.review": en.states.review,
    "library.states.missing": en.states.missing,
  };
  const t = ((key: string) => flat[key] ?? key) as unknown as TFunction;
  const card: PhotoCard = {
    id: "1",
    name: "scan 3.jpg",
    width: 3,
    height: 2,
    isMono: true,
    isMissing: false,
    takenAt: "1936-02",
    state: "review",
    versions: 1,
  };
  expect(cellName({ ...card, title: "Grandmother at the window" }, t, "en")).toBe(
    "February 1936, Grandmother at the window, black and white, to review",
  );
  expect(cellName({ ...card, state: "plain", isMono: false, isMissing: true }, t, "en")).toBe(
    "February 1936, scan 3.jpg, file missing",
  );
});

test("sizes are said in the unit that fits", () => {
  expect(sizeWords(512, "en")).toBe("512 byte");
  expect(sizeWords(45_810, "en")).toBe("46 kB");
  expect(sizeWords(61_500_000, "en")).toBe("61.5 MB");
});
