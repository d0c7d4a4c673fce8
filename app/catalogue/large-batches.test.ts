import { afterEach, beforeEach, expect, it } from "vitest";
import { cancelBatch, cancelLeftOver, fillBatch } from "./large-batches.ts";
import { type Library, openLibrary } from "./library.ts";
import {
  claimItem,
  countItems,
  createBatch,
  listBatches,
  listItems,
  type NewItem,
  releaseItem,
  setBatchState,
} from "./queue.ts";

let library: Library;
beforeEach(async () => {
  library = await openLibrary(":memory:");
});
afterEach(() => library.close());

const how = { recipe: {}, executor: "local", priority: 0 };
const item = (number: number): NewItem => ({ source: `/${number}`, target: () => `/out/${number}` });
const claim = () => claimItem(library.db, "somebody", Date.now() + 1000, "local");

it("makes a batch of any size in its order, which nobody can claim from before it is whole", async () => {
  const { db } = library;
  let claimed = 0;
  async function* items() {
    for (let number = 0; number < 1050; number++) {
      if (claim() !== undefined) claimed++;
      yield item(number);
    }
  }
  const batch = await fillBatch(db, how, items());
  expect(claimed).toBe(0);
  expect(batch.state).toBe("active");
  expect(listItems(db, batch.id, -1, 2000).map(({ source }) => source)).toEqual(
    Array.from({ length: 1050 }, (_, number) => `/${number}`),
  );
  expect(claim()?.source).toBe("/0");
});

it("leaves nothing where there are no items, where they end with an error, or where nobody wants it any more", async () => {
  const { db } = library;
  await expect(fillBatch(db, how, [])).rejects.toMatchObject({ code: "usage" });
  async function* broken() {
    for (let number = 0; number < 250; number++) yield item(number);
    throw new Error("the photo is gone");
  }
  await expect(fillBatch(db, how, broken())).rejects.toThrow("the photo is gone");
  const given = new AbortController();
  async function* long() {
    for (let number = 0; number < 1000; number++) {
      if (number === 500) given.abort();
      yield item(number);
    }
  }
  await expect(fillBatch(db, how, long(), given.signal)).rejects.toMatchObject({ name: "AbortError" });
  expect(listBatches(db)).toEqual([]);
});

it("ends where somebody cancels it meanwhile", async () => {
  const { db } = library;
  async function* items() {
    for (let number = 0; number < 500; number++) {
      if (number === 250) setBatchState(db, listBatches(db)[0]?.id ?? "", "cancelled");
      yield item(number);
    }
  }
  await expect(fillBatch(db, how, items())).rejects.toMatchObject({ code: "usage" });
  expect(claim()).toBeUndefined();
});

it("cancels a batch of any size: nothing can be claimed from the first moment on", async () => {
  const { db } = library;
  const { id } = createBatch(
    db,
    how,
    Array.from({ length: 700 }, (_, number) => item(number)),
  );
  const running = claim();
  const over = cancelBatch(db, id);
  expect(claim()).toBeUndefined();
  await over;
  expect(countItems(db, id)).toEqual({ queued: 0, running: 1, done: 0, failed: 0, cancelled: 699 });
  if (running !== undefined) releaseItem(db, running, "somebody");
  expect(countItems(db, id).cancelled).toBe(700);
  await expect(cancelBatch(db, id)).rejects.toMatchObject({ code: "usage" });
});

it("goes on with a cancelling that was cut off", async () => {
  const { db } = library;
  const { id } = createBatch(db, how, [item(1), item(2)]);
  const other = createBatch(db, how, [item(3)]);
  setBatchState(db, id, "cancelled", { leavesItems: true });
  expect(countItems(db, id).queued).toBe(2);
  await cancelLeftOver(db);
  expect(countItems(db, id)).toMatchObject({ queued: 0, cancelled: 2 });
  expect(countItems(db, other.id).queued).toBe(1);
});
