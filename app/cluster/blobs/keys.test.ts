import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newId } from "../../kernel/index.ts";
import {
  batchKey,
  batchPrefixes,
  checkKey,
  checkPrefix,
  digestInKey,
  doneKey,
  donePrefix,
  inputKey,
  isKey,
  isPrefix,
  outputKey,
  probeKey,
} from "./keys.ts";

const sha256 = "0".repeat(63).concat("a");

describe("keys", () => {
  it("are what they say", () => {
    const batch = newId();
    const all = [
      inputKey(sha256),
      batchKey(batch, "manifest.json"),
      outputKey(batch, "000001.tif"),
      doneKey(batch, 3, 17),
      probeKey(newId()),
    ];
    expect(all[3]).toBe(`done/${batch}/000003/000017`);
    expect(all.every(isKey)).toBe(true);
    expect(all.map(digestInKey)).toEqual([sha256, undefined, undefined, undefined, undefined]);
    expect(
      all.slice(1, 4).map((key) => batchPrefixes(batch).filter((prefix) => key.startsWith(prefix)).length),
    ).toEqual([1, 1, 1]);
  });

  it("sort by index and item", () => {
    const number = fc.integer({ min: 0, max: 999_999 });
    fc.assert(
      fc.property(number, number, number, number, (index, item, other, another) => {
        const [a, b] = [doneKey("b", index, item), doneKey("b", other, another)];
        const order = index - other || item - another;
        expect(a < b).toBe(order < 0);
        expect(a.startsWith(donePrefix("b", index))).toBe(true);
      }),
    );
    expect(() => doneKey("b", 1_000_000, 0)).toThrow("no name");
    expect(() => doneKey("b", 0, -1)).toThrow("no name");
    expect(() => doneKey("b", 0.5, 0)).toThrow("no name");
  });

  it("are nothing that leads out of a folder, or that two disks write differently", () => {
    for (const text of [
      "",
      "in/",
      "in/..",
      "out/b/.x",
      "out/b/x.",
      "out/b/a/b",
      "out/../in/x",
      "OUT/b/x",
      "out/b/x y",
      "/in/x",
      "out//x",
    ]) {
      expect([text, isKey(text)]).toEqual([text, false]);
    }
    for (const text of ["", "in", "/", "../", "out/../", "out/./", "out//", "x/", "out/b\\", "OUT/"]) {
      expect([text, isPrefix(text)]).toEqual([text, false]);
    }
    for (const text of ["in/", "out/b", "out/b/", "done/b/0000", "in/00"])
      expect([text, isPrefix(text)]).toEqual([text, true]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const key of [text, `out/b/${text}`, `in/${text}`]) {
          if (!isKey(key)) expect(() => checkKey(key)).toThrow("no name");
          else
            expect(
              key.split("/").every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part) && !part.endsWith(".")),
            ).toBe(true);
          if (!isPrefix(key)) expect(() => checkPrefix(key)).toThrow("no name");
        }
      }),
    );
  });
});
