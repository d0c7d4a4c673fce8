import { expect, test } from "vitest";
import { readAhead } from "./readahead.ts";

async function* count(to: number, made: number[] = []): AsyncGenerator<number> {
  try {
    for (let number = 0; number < to; number++) {
      made.push(number);
      yield number;
    }
  } finally {
    made.push(-1);
  }
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test("several readers get everything once, in order", async () => {
  const ahead = readAhead(count(200), 7);
  const got: (readonly [number, number])[] = [];
  const reader = async () => {
    for (let next = await ahead.next(); next !== undefined; next = await ahead.next()) {
      got.push([next.turn, next.item]);
      if (next.item % 3 === 0) await settle();
    }
  };
  await Promise.all([reader(), reader(), reader()]);
  expect(got.toSorted(([a], [b]) => a - b)).toEqual(
    Array.from({ length: 200 }, (_, index) => [index, index]),
  );
  expect(ahead.total()).toBe(200);
  await ahead.close();
});

test("it runs ahead as far as told and no further, and ends its source when closed", async () => {
  const made: number[] = [];
  const ahead = readAhead(count(100, made), 10);
  await settle();
  expect(ahead.total()).toBe(10);
  expect((await ahead.next())?.item).toBe(0);
  await settle();
  expect(ahead.total()).toBe(11);
  await ahead.close();
  expect(made.at(-1)).toBe(-1);
  expect(await ahead.next()).toBeUndefined();
});

test("a failure comes after what was read before it", async () => {
  const ahead = readAhead(
    (async function* () {
      yield 1;
      throw new Error("broken");
    })(),
    10,
  );
  expect(await ahead.next()).toEqual({ item: 1, turn: 0 });
  await expect(ahead.next()).rejects.toThrow("broken");
  await ahead.close();
});
