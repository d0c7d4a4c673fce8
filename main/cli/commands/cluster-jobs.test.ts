import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogLine } from "../../../app/cluster/index.ts";
import { sentencesOf } from "./cluster-jobs.ts";

const TIME = "2026-11-24T10:00:00.000Z";
const line = (message: string, facts: LogLine["facts"] = {}, time = TIME): LogLine => ({
  ...{ time, message, facts },
});
const texts = (lines: readonly LogLine[]) => sentencesOf(lines).map(({ text }) => text);

test("a worker's log in sentences", () => {
  const error = { code: "damaged-image", message: "The file is cut off.", next: "Scan it again." };
  const lines = [
    line("chunk begins", { photos: 5, failures: 1 }),
    line("photo over", { status: "done" }),
    line("photo over", { status: "done" }, "2026-11-24T10:00:07.000Z"),
    line("photo over", { status: "failed", error }),
    line("photo over", { status: "failed" }),
    line("photo over", { status: "done" }),
    line("chunk done", { done: 3, failed: 2, there: 0 }),
  ];
  expect(sentencesOf(lines)).toEqual([
    { time: TIME, text: "Begins with 5 photos; earlier pods failed once." },
    { time: "2026-11-24T10:00:07.000Z", text: "2 photos done." },
    { time: TIME, text: "A photo failed: The file is cut off.", next: "Scan it again." },
    { time: TIME, text: "1 photo done, 1 photo failed." },
    { time: TIME, text: "Its part is done: 3 photos coloured, 2 failed." },
  ]);
});

test("an error and the same as last words is one sentence; what nobody knows stays as it is", () => {
  const error = { message: "There is no model x.", next: "Bake it in." };
  expect(
    sentencesOf([line(error.message, { error }), line(`${error.message} ${error.next}`), line("Killed")]),
  ).toEqual([
    { time: TIME, text: error.message, next: error.next },
    { time: TIME, text: "Killed" },
  ]);
  expect(texts([line("photo over", { error: "odd", status: "done" })])).toEqual(["1 photo done."]);
});

test("no photo is counted twice or left out, wherever the log is cut", () => {
  const any = fc.array(
    fc.oneof(
      fc.constantFrom("done", "failed").map((status) => line("photo over", { status })),
      fc.string().map((text) => line(`word ${text}`)),
    ),
  );
  fc.assert(
    fc.property(any, (lines) => {
      const counted = texts(lines)
        .filter((text) => !text.startsWith("word "))
        .flatMap((text) => [...text.matchAll(/(\d+) photo/g)].map(([, number]) => Number(number)));
      const photos = lines.filter(({ message }) => message === "photo over").length;
      expect(counted.reduce((sum, number) => sum + number, 0)).toBe(photos);
      expect(texts(lines).filter((text) => text.startsWith("word "))).toEqual(
        lines.filter(({ message }) => message !== "photo over").map(({ message }) => message),
      );
    }),
  );
});
