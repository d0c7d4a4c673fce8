import fc from "fast-check";
import { expect, test } from "vitest";
import { isId, newId } from "./index.ts";

test("ids sort in the order of their making, also within a millisecond and when the clock goes back", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 47 }), { minLength: 2, maxLength: 200 }), (clock) => {
      const ids = clock.map((now) => newId(now));
      expect([...ids].sort()).toEqual(ids);
      expect(new Set(ids).size).toBe(ids.length);
    }),
  );
});

test("an id has a form of its own", () => {
  expect(isId(newId())).toBe(true);
  for (const text of ["", "abc", "../../etc/passwd", "ILOU".repeat(7).slice(0, 26), `${newId()}x`]) {
    expect(isId(text)).toBe(false);
  }
});
