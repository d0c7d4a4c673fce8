import { expect, test } from "vitest";
import { rememberedScroll, rememberScroll } from "./grid-memory.ts";
import { boxOf, justify } from "./justify.ts";

const measures = { width: 1000, rowHeight: 190, gap: 6, headingHeight: 46 };
const rowsOf = (count: number) =>
  justify({ ratios: new Array(count).fill(1000), headings: [0, 20].filter((at) => at < count) }, measures);
const names = (count: number) => Array.from({ length: count }, (_, at) => `p${at}`);

test("the grid comes back to where it was, also by its headings and after a resize", () => {
  const [ids, rows] = [names(100), rowsOf(100)];
  for (const top of [1, 333, 900, rows.height - 500]) {
    rememberScroll("a", ids, rows, top);
    expect(rememberedScroll("a", ids, rows)).toBe(top);
  }
  const narrow = justify(
    { ratios: new Array(100).fill(1000), headings: [0, 20] },
    { ...measures, width: 600 },
  );
  const top = boxOf(rows, 50).top;
  rememberScroll("a", ids, rows, top);
  expect(rememberedScroll("a", ids, narrow)).toBe(boxOf(narrow, rows.first[rows.row[50]!]!).top);
});

test("photos that come in above push nothing away, and what is gone is forgotten", () => {
  const [ids, rows] = [names(60), rowsOf(60)];
  rememberScroll("b", ids, rows, boxOf(rows, 40).top + 10);
  const anchor = rows.first[rows.row[40]!]!;
  const more = [...names(60).map((id) => `new ${id}`), ...ids];
  const grown = rowsOf(120);
  expect(rememberedScroll("b", more, grown)).toBe(boxOf(grown, 60 + anchor).top + 10);
  expect(rememberedScroll("b", names(5), rowsOf(5))).toBe(0);
  expect(rememberedScroll("unknown", ids, rows)).toBe(0);
  rememberScroll("b", ids, rows, 0);
  expect(rememberedScroll("b", ids, rows)).toBe(0);
});
