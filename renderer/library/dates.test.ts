import fc from "fast-check";
import { expect, test } from "vitest";
import { dateFrom, daysIn, monthNames, typedDate } from "./dates.ts";

test("a date is kept as exactly as it was typed", () => {
  expect(dateFrom({ year: "1936", month: "", day: "" })).toBe("1936");
  expect(dateFrom({ year: "1936", month: "2", day: "" })).toBe("1936-02");
  expect(dateFrom({ year: "1936", month: "2", day: "11" })).toBe("1936-02-11");
  expect(dateFrom({ year: "", month: "", day: "" })).toBeNull();
});

test("what is no date is none", () => {
  for (const [year, month, day] of [
    ["", "2", ""],
    ["1936", "", "3"],
    ["1935", "2", "29"],
    ["1936", "13", ""],
    ["1936", "4", "31"],
    ["0", "", ""],
    ["19x6", "", ""],
    ["12345", "", ""],
  ] as const) {
    expect(dateFrom({ year, month, day })).toBeUndefined();
  }
});

test("every date comes back as it was, and has the days of its month", () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date("0101-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }),
      fc.constantFrom(4, 7, 10),
      (date, length) => {
        const text = date.toISOString().slice(0, length);
        expect(dateFrom(typedDate(text))).toBe(text);
        const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0));
        expect(daysIn(date.getUTCFullYear(), date.getUTCMonth() + 1)).toBe(last.getUTCDate());
      },
    ),
  );
});

test("months have their names", () => {
  expect(monthNames("en")[1]).toBe("February");
  expect(monthNames("zh-CN")[1]).toBe("二月");
});
