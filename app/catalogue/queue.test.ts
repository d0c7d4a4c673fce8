import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "./database.ts";
import {
  type BatchItem,
  claimItem,
  completeItem,
  countItems,
  createBatch,
  extendLeases,
  failItem,
  getBatch,
  listItems,
  releaseDead,
  releaseItem,
  retryFailed,
  setBatchState,
} from "./queue.ts";

const open: Database[] = [];
afterEach(() => {
  for (const db of open.splice(0)) db.close();
});

async function database(): Promise<Database> {
  const db = await openDatabase(":memory:");
  open.push(db);
  return db;
}

function batchOf(db: Database, count: number, priority = 0): string {
  const items = Array.from({ length: count }, (_, i) => ({
    source: `/in/${i}.jpg`,
    target: () => `/out/${i}.jpg`,
  }));
  return createBatch(db, { recipe: { any: 1 }, executor: "local", priority }, items).id;
}

const error = { code: "damaged-image", message: "It is damaged.", next: "Copy it again." } as const;
const LATER = Date.now() + 1e9;
const claim = (db: Database, owner: string, only?: string) => claimItem(db, owner, LATER, "local", only);

describe("the queue", () => {
  it("hands out items in order, each once", async () => {
    const db = await database();
    const id = batchOf(db, 3);
    const claimed = [claim(db, "a"), claim(db, "b"), claim(db, "a"), claim(db, "b")];
    expect(claimed.map((item) => item?.position)).toEqual([0, 1, 2, undefined]);
    expect(countItems(db, id)).toEqual({ queued: 0, running: 3, done: 0, failed: 0, cancelled: 0 });
  });

  it("prefers higher priority, then the older batch", async () => {
    const db = await database();
    const first = batchOf(db, 1);
    const second = batchOf(db, 1);
    const urgent = batchOf(db, 1, 5);
    expect([claim(db, "a"), claim(db, "a"), claim(db, "a")].map((item) => item?.batchId)).toEqual([
      urgent,
      first,
      second,
    ]);
  });

  it("gives an executor only its own batches", async () => {
    const db = await database();
    batchOf(db, 1);
    expect(claimItem(db, "a", LATER, "kubernetes")).toBeUndefined();
  });

  it("finishes a batch with its last item, and opens it again for a retry", async () => {
    const db = await database();
    const id = batchOf(db, 2);
    completeItem(db, claim(db, "a")!, "a", { ms: 5, result: { ok: true } });
    expect(getBatch(db, id).state).toBe("active");
    failItem(db, claim(db, "a")!, "a", { ms: 5, error });
    expect(getBatch(db, id).state).toBe("finished");
    expect(listItems(db, id)[1]?.error).toEqual(error);
    expect(retryFailed(db, id)).toBe(1);
    expect(getBatch(db, id).state).toBe("active");
    const again = claim(db, "a");
    expect(again).toMatchObject({ position: 1, attempts: 2, error: undefined });
  });

  it("keeps the time of the first attempt, which is part of the record", async () => {
    const db = await database();
    batchOf(db, 1);
    const first = claim(db, "a")!;
    releaseItem(db, first, "a");
    const second = claim(db, "b")!;
    expect(second.startedAt).toBe(first.startedAt);
  });

  it("does not record what a process finishes after it lost its lease", async () => {
    const db = await database();
    const id = batchOf(db, 1);
    const lost = claimItem(db, "a", 1000, "local")!;
    expect(releaseDead(db, () => true, 2000)).toBe(1);
    const current = claim(db, "b")!;
    expect(completeItem(db, lost, "a", { ms: 1, result: {} })).toBe(false);
    expect(completeItem(db, current, "b", { ms: 1, result: {} })).toBe(true);
    expect(countItems(db, id).done).toBe(1);
  });

  it("keeps a lease that is extended in time", async () => {
    const db = await database();
    batchOf(db, 1);
    claimItem(db, "a", 1000, "local");
    extendLeases(db, "a", 5000);
    expect(releaseDead(db, () => true, 2000)).toBe(0);
    expect(releaseDead(db, () => false, 2000)).toBe(1);
  });

  it("puts an item behind the others that was there whenever the program died", async () => {
    const db = await database();
    const id = batchOf(db, 3);
    for (let death = 0; death < 3; death++) {
      expect(claim(db, "a")?.position).toBe(0);
      releaseDead(db, () => false, 0);
    }
    expect([claim(db, "a"), claim(db, "a"), claim(db, "a")].map((item) => item?.position)).toEqual([1, 2, 0]);
    expect(listItems(db, id).map((item) => item.position)).toEqual([0, 1, 2]);
  });

  it("hands out nothing of a paused batch, and cancels what waits", async () => {
    const db = await database();
    const id = batchOf(db, 3);
    const running = claim(db, "a")!;
    setBatchState(db, id, "paused");
    expect(claim(db, "a")).toBeUndefined();
    setBatchState(db, id, "active");
    setBatchState(db, id, "cancelled");
    expect(countItems(db, id)).toMatchObject({ running: 1, cancelled: 2 });
    releaseItem(db, running, "a");
    expect(countItems(db, id)).toMatchObject({ running: 0, cancelled: 3 });
    expect(getBatch(db, id).state).toBe("cancelled");
    expect(() => setBatchState(db, id, "active")).toThrow(/already cancelled/);
  });

  it("refuses an empty batch and leaves nothing of it", async () => {
    const db = await database();
    expect(() => batchOf(db, 0)).toThrow(/no photos/);
    expect(db.all(db.build.selectFrom("batch").selectAll())).toEqual([]);
  });

  it("keeps its promises whatever happens in whatever order", async () => {
    const step = fc.constantFrom(
      "claim",
      "complete",
      "fail",
      "release",
      "die",
      "expire",
      "pause",
      "resume",
      "cancel",
      "retry",
    );
    const owner = fc.constantFrom("a", "b");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(step, owner), { maxLength: 60 }),
        async (size, steps) => {
          const db = await openDatabase(":memory:");
          try {
            const id = batchOf(db, size);
            const held: { item: BatchItem; owner: string }[] = []; // what the processes believe they have
            const done = new Set<string>();
            for (const [what, who] of steps) {
              const state = getBatch(db, id).state;
              const mine = held.findIndex((entry) => entry.owner === who);
              const taken = mine === -1 ? undefined : held[mine];
              if (what === "claim") {
                const item = claim(db, who);
                if (item !== undefined) {
                  expect(state).toBe("active");
                  expect(done.has(item.id)).toBe(false);
                  held.push({ item, owner: who });
                }
              } else if (what === "complete" && taken !== undefined) {
                held.splice(mine, 1);
                if (completeItem(db, taken.item, who, { ms: 1, result: {} })) {
                  expect(done.has(taken.item.id)).toBe(false); // nothing is done twice
                  done.add(taken.item.id);
                }
              } else if (what === "fail" && taken !== undefined) {
                held.splice(mine, 1);
                failItem(db, taken.item, who, { ms: 1, error });
              } else if (what === "release" && taken !== undefined) {
                held.splice(mine, 1);
                releaseItem(db, taken.item, who);
              } else if (what === "die") releaseDead(db, (name) => name !== who, 0);
              else if (what === "expire") releaseDead(db, () => true, LATER + 1);
              else if (what === "pause" && (state === "active" || state === "paused"))
                setBatchState(db, id, "paused");
              else if (what === "resume" && (state === "active" || state === "paused"))
                setBatchState(db, id, "active");
              else if (what === "cancel" && (state === "active" || state === "paused"))
                setBatchState(db, id, "cancelled");
              else if (what === "retry") retryFailed(db, id);

              const counts = countItems(db, id);
              const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
              expect(total).toBe(size); // nothing is lost
              expect(counts.done).toBe(done.size);
              const now = getBatch(db, id).state;
              if (now === "finished") expect(counts.queued + counts.running).toBe(0);
              if (now === "cancelled") expect(counts.queued).toBe(0);
            }
            // Whatever happened, the rest can be brought to an end.
            releaseDead(db, () => false, 0);
            if (getBatch(db, id).state === "paused") setBatchState(db, id, "active");
            for (let item = claim(db, "end"); item !== undefined; item = claim(db, "end")) {
              completeItem(db, item, "end", { ms: 1, result: {} });
            }
            const { queued, running } = countItems(db, id);
            expect(queued + running).toBe(0);
          } finally {
            db.close();
          }
        },
      ),
      { numRuns: 120 },
    );
  });
});
