// Every word in every language: no key is missing in one, none is empty, and what is put in is the same.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const here = import.meta.dirname;
const rooms = readdirSync(join(here, "en")).sort();

function flat(value: unknown, path = ""): [key: string, text: string][] {
  if (typeof value === "string") return [[path, value]];
  return Object.entries(value as object).flatMap(([key, inner]) =>
    flat(inner, path === "" ? key : `${path}.${key}`),
  );
}
const words = (language: string, room: string) =>
  new Map(flat(JSON.parse(readFileSync(join(here, language, room), "utf8"))));
/** Chinese has one form for all numbers. */
const forms = (keys: Iterable<string>) =>
  [...new Set([...keys].map((key) => key.replace(/_(one|other)$/, "")))].sort();
const slots = (text: string) => [...text.matchAll(/\{\{(\w+)/g)].map(([, name]) => name).sort();

test("the same rooms in both languages", () => {
  expect(readdirSync(join(here, "zh-CN")).sort()).toEqual(rooms);
});

// The engine says its problems in English itself; other languages need all of them.
test.each(rooms.filter((room) => room !== "problems.json"))("%s", (room) => {
  const [en, zh] = [words("en", room), words("zh-CN", room)];
  expect(forms(zh.keys())).toEqual(forms(en.keys()));
  for (const [key, text] of [...en, ...zh]) expect(text.trim(), key).not.toBe("");
  for (const [key, text] of zh) {
    if (key.endsWith("_one")) continue; // never asked for
    const other = en.get(key) ?? en.get(key.replace(/_other$/, "")) ?? "";
    expect(slots(text), key).toEqual(slots(other));
  }
});
