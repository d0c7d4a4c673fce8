import { expect, test } from "vitest";
import { AutochromeError, errorFromRecord, toErrorRecord } from "./index.ts";

test("an error survives the way through a record", () => {
  const error = new AutochromeError("disk-full", "The disk is full.", "Free some space.", {
    cause: new Error("ENOSPC"),
  });
  const back = errorFromRecord(JSON.parse(JSON.stringify(error.toRecord())));
  expect(back.toRecord()).toEqual(error.toRecord());
  expect(back.detail).toContain("ENOSPC");
});

test.each([
  ["ENOSPC", "disk-full"],
  ["EACCES", "unreadable-file"],
  ["ENOENT", "not-found"],
  ["EROFS", "output-unwritable"],
  ["ENAMETOOLONG", "output-unwritable"],
  ["EIO", "unreadable-file"],
])("the system's %s becomes %s, with the file named and a next step", (system, code) => {
  const record = toErrorRecord(Object.assign(new Error("boom"), { code: system }), "harbour.jpg");
  expect(record.code).toBe(code);
  expect(record.message).toContain("harbour.jpg");
  expect(record.next).not.toBe("");
});

test("an abort is an interruption, anything unknown is a bug of ours", () => {
  expect(toErrorRecord(AbortSignal.abort().reason).code).toBe("interrupted");
  expect(toErrorRecord("a string").code).toBe("internal");
  expect(toErrorRecord(new TypeError("x is not a function")).detail).toContain("x is not a function");
});
