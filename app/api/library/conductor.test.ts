// The conductor over a real queue; places are scripted here, the real one of this computer is in batch-routes.test.ts.

import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Executor, Job, JobResult, Plan } from "../../batches/index.ts";
import {
  claimItem,
  countItems,
  createBatch,
  getBatch,
  type Library,
  listItems,
  openLibrary,
  retryFailed,
  setBatchState,
} from "../../catalogue/index.ts";
import { AutochromeError, silentLogger } from "../../kernel/index.ts";
import { readPreset } from "../../workflow/index.ts";
import { type Conductor, type ConductorOptions, createConductor } from "./conductor.ts";
import type { BatchFacts, LibraryEvent } from "./contract.ts";

const PLAN: Plan = {
  variants: [{ name: "quick", graph: await readPreset("quick") }],
  existing: "adopt",
  mayShrink: false,
};
const DONE: JobResult = {
  ...{
    status: "done",
    output: "/out/x",
    outputHash: "",
    sourceHash: "",
    width: 1,
    height: 1,
    format: "jpeg",
  },
  ...{ graph: {}, colours: undefined, device: "none", models: [], networkMs: 0, notes: [] },
};

let library: Library;
let conductor: Conductor | undefined;
let told: LibraryEvent[];
beforeEach(async () => {
  library = await openLibrary(":memory:");
  told = [];
});
afterEach(async () => {
  await conductor?.close();
  conductor = undefined;
  library.close();
});

function batchOf(
  count: number,
  how: { executor?: string; priority?: number; workflow?: string } = {},
): string {
  const items = Array.from({ length: count }, (_, i) => ({ source: `/in/${i}`, target: () => `/out/${i}` }));
  return createBatch(library.db, { recipe: PLAN, executor: "local", priority: 0, ...how }, items).id;
}

type Run = (job: Job, signal: AbortSignal) => Promise<JobResult>;
function executor(run: Run, name = "local", capacity = 2): Executor {
  return {
    ...{ name, capacity, device: "gpu", prepare: async () => undefined, run, close: async () => undefined },
  };
}
const place =
  (run: Run, capacity?: number): ConductorOptions["executorFor"] =>
  async (name) =>
    executor(run, name, capacity);

function start(
  executorFor: ConductorOptions["executorFor"],
  change: Partial<ConductorOptions> = {},
): Conductor {
  const events = {
    publish: (event: LibraryEvent) => void told.push(event),
    subscribe: () => () => undefined,
  };
  conductor = createConductor({
    library,
    events,
    log: silentLogger(),
    executorFor,
    pauses: [30],
    lookEveryMs: 10,
    ...change,
  });
  return conductor;
}

const state = (id: string) => getBatch(library.db, id).state;
const finished = (id: string) =>
  vi.waitFor(() => expect(state(id)).toBe("finished"), { timeout: 20_000, interval: 5 });
/** A gate that work waits at; an abort ends the waiting. */
function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open,
    pass: (signal: AbortSignal) =>
      Promise.race([
        opened,
        new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      ]),
  };
}
const ofBatch = (id: string) =>
  told.flatMap((event): BatchFacts[] =>
    event.type === "batch" && event.batch.id === id ? [event.batch] : [],
  );

describe("the conductor", () => {
  it("works off what is queued, and tells how it goes", async () => {
    const one = start(place(() => sleep(2, DONE)));
    const id = batchOf(40, { workflow: "people" });
    one.wake(id);
    await finished(id);
    await vi.waitFor(() => expect(ofBatch(id).at(-1)?.state).toBe("finished"));
    expect(ofBatch(id).at(-1)).toEqual({
      ...{ id, state: "finished", createdAt: expect.any(String), executor: "local", device: "gpu" },
      ...{
        workflow: "people",
        words: [],
        counts: { queued: 0, running: 0, done: 40, failed: 0, cancelled: 0 },
      },
    });
    expect(ofBatch(id).length).toBeLessThan(20); // not one for each of forty photos
    expect(one.list()).toEqual([one.facts(id)]);
  });

  it("runs one batch at a time and place, by priority, and places side by side", async () => {
    const order: string[] = [];
    const now = new Set<string>();
    let most = 0;
    const ids = [
      batchOf(2),
      batchOf(2, { priority: 5 }),
      batchOf(2, { executor: "cluster" }),
      batchOf(2, { executor: "mixed" }),
    ];
    const both = gate();
    start(async (name) =>
      executor(
        async ({ batchId }, signal) => {
          if (!order.includes(batchId)) order.push(batchId);
          now.add(name);
          most = Math.max(most, now.size);
          expect(now.has("mixed") && now.size > 1).toBe(false); // it takes both places
          if (order.length === 2) both.open();
          if (order.length <= 2) await both.pass(signal); // the first two go on when both have begun
          await sleep(3);
          now.delete(name);
          return DONE;
        },
        name,
        1,
      ),
    );
    for (const id of ids) await finished(id);
    expect(most).toBe(2);
    expect(order.indexOf(ids[1]!)).toBeLessThan(order.indexOf(ids[0]!));
  });

  it("cancels in the middle: what waits and what runs", async () => {
    const stuck = gate();
    const one = start(
      place(async ({ source }, signal) => {
        if (source !== "/in/0") await stuck.pass(signal);
        return DONE;
      }),
    );
    const id = batchOf(10);
    one.wake(id);
    await vi.waitFor(() => expect(one.facts(id).counts).toMatchObject({ done: 1, running: 2 }));
    setBatchState(library.db, id, "cancelled");
    one.wake(id);
    await vi.waitFor(() => expect(one.facts(id).counts.running).toBe(0), 5000);
    expect(one.facts(id)).toMatchObject({ state: "cancelled", counts: { done: 1, cancelled: 9 } });
    await vi.waitFor(() => expect(ofBatch(id).at(-1)).toEqual(one.facts(id)));
  });

  it("lets go when it is closed; the next one goes on, and nothing is done twice", async () => {
    const done: string[] = [];
    const stuck = gate();
    const id = batchOf(12);
    start(
      place(async ({ itemId }, signal) => {
        if (done.length >= 5) await stuck.pass(signal);
        done.push(itemId);
        return DONE;
      }),
    );
    await vi.waitFor(() => expect(done.length).toBe(5));
    await conductor?.close();
    expect(countItems(library.db, id)).toMatchObject({ done: 5, queued: 7, running: 0 });
    expect(state(id)).toBe("active");
    start(
      place(async ({ itemId }) => {
        done.push(itemId);
        return DONE;
      }),
    );
    await finished(id);
    expect([...new Set(done)].length).toBe(12);
    expect(done.length).toBe(12);
  });

  it("goes on with what a process left that died", async () => {
    const id = batchOf(3);
    claimItem(library.db, "another-host:1:", Date.now() - 1, "local");
    start(place(async () => DONE));
    await finished(id);
    expect(countItems(library.db, id).done).toBe(3);
  });

  it("leaves a batch alone that another program runs", async () => {
    const id = batchOf(3);
    claimItem(library.db, "another-host:1:", Date.now() + 300, "local");
    const one = start(place(async () => DONE));
    await sleep(100);
    expect(one.facts(id).counts).toMatchObject({ queued: 2, running: 1 });
    await finished(id); // its lease has ended
  });

  it("keeps why a place cannot work, and tries again by itself with pauses", async () => {
    let away = true;
    const one = start(
      place(async () => {
        if (away)
          throw new AutochromeError("cluster-unreachable", "No answer.", "Check the cable.", { detail: "x" });
        return DONE;
      }),
    );
    const id = batchOf(3);
    one.wake(id);
    const error = { code: "cluster-unreachable", message: "No answer.", next: "Check the cable." };
    await vi.waitFor(() => expect(one.facts(id).error).toEqual(error));
    expect(one.facts(id)).toMatchObject({ state: "active", counts: { queued: 3, failed: 0 } });
    await vi.waitFor(() => expect(ofBatch(id).some((facts) => facts.error?.code === error.code)).toBe(true));
    away = false;
    await finished(id);
    expect(one.facts(id).error).toBeUndefined();
  });

  it("a place that is not set up leaves the batch waiting; resuming tries at once, and others go on", async () => {
    let tries = 0;
    const one = start(
      async (name) => {
        if (name === "local") return executor(async () => DONE);
        tries++;
        throw new AutochromeError("usage", "No cluster is set up.", "Set one up.");
      },
      { pauses: [1_000_000] },
    );
    const waiting = batchOf(2, { executor: "cluster" });
    const other = batchOf(2);
    one.wake();
    await finished(other);
    await vi.waitFor(() => expect(one.facts(waiting).error?.message).toBe("No cluster is set up."));
    await sleep(50);
    expect(tries).toBe(1);
    setBatchState(library.db, waiting, "active");
    one.wake(waiting);
    await vi.waitFor(() => expect(tries).toBe(2));
  });

  it("says what an executor waits for while it runs, of the right batch", async () => {
    const stuck = gate();
    let say: (text: string) => void = () => undefined;
    const one = start(async (name, onWords) => {
      say = onWords;
      return executor((_, signal) => stuck.pass(signal).then(() => DONE), name);
    });
    const [id, next] = [batchOf(1), batchOf(1)];
    one.wake();
    await vi.waitFor(() => expect(one.facts(id).counts.running).toBe(1));
    say("It waits for a GPU.\nTwo pods are pending.");
    expect(one.facts(id).words).toEqual(["It waits for a GPU.", "Two pods are pending."]);
    expect(one.facts(next).words).toEqual([]);
    say("");
    expect(one.facts(id).words).toEqual([]);
    say("Almost.");
    stuck.open();
    await finished(next);
    expect(one.list().flatMap(({ words }) => words)).toEqual([]);
  });

  it("clears away what is left elsewhere of a batch that is cancelled while it does not run", async () => {
    const ended: string[] = [];
    const one = start(async (name) => ({
      ...executor(async () => DONE, name),
      end: async (batch: string) => void ended.push(batch),
    }));
    const id = batchOf(2, { executor: "cluster" });
    setBatchState(library.db, id, "paused");
    setBatchState(library.db, id, "cancelled");
    one.wake(id);
    await vi.waitFor(() => expect(ended).toEqual([id]));
  });

  it("does not spin where nothing can be claimed", async () => {
    let asked = 0;
    const id = batchOf(2, { executor: "http://one:8188" });
    start(
      async () => {
        asked++;
        return executor(async () => DONE, "http://another:8188");
      },
      { pauses: [1_000_000] },
    );
    await sleep(100);
    expect(asked).toBe(1);
    expect(state(id)).toBe("active");
  });

  it("counts right and does everything once, whatever is asked of it and when", async () => {
    const action = fc.record({
      what: fc.constantFrom("pause", "resume", "cancel", "retry", "restart", "wait"),
      of: fc.nat({ max: 1 }),
      after: fc.integer({ min: 0, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 14 }),
        fc.tuple(fc.array(fc.nat({ max: 9 }), { maxLength: 4 }), fc.integer({ min: 1, max: 10 })),
        async (actions, [bad, size]) => {
          const done = new Map<string, number>();
          let isMended = false;
          const run: Run = async ({ itemId, source }, signal) => {
            await sleep(1, undefined, { signal });
            if (!isMended && bad.includes(Number(source.slice(4))))
              throw new AutochromeError("damaged-image", "It is.", "Bin it.");
            done.set(itemId, (done.get(itemId) ?? 0) + 1);
            return DONE;
          };
          const ids = [batchOf(size), batchOf(size)];
          let one = start(place(run));
          const tryTo = (work: () => unknown) => {
            try {
              work();
            } catch (thrown) {
              expect(thrown).toMatchObject({ code: "usage" }); // it is over already
            }
          };
          const check = () => {
            for (const id of ids) {
              const { counts } = one.facts(id);
              expect(counts).toEqual(countItems(library.db, id));
              expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(size);
            }
          };
          for (const { what, of, after } of actions) {
            const id = ids[of]!;
            await sleep(after);
            if (what === "pause") tryTo(() => setBatchState(library.db, id, "paused"));
            if (what === "resume") tryTo(() => setBatchState(library.db, id, "active"));
            if (what === "cancel") tryTo(() => setBatchState(library.db, id, "cancelled"));
            if (what === "retry") retryFailed(library.db, id);
            if (what === "restart") {
              await one.close();
              one = start(place(run));
            }
            one.wake(id);
            check();
          }
          isMended = true;
          for (const id of ids) {
            retryFailed(library.db, id);
            if (state(id) === "paused") setBatchState(library.db, id, "active");
            one.wake(id);
          }
          for (const id of ids)
            await vi.waitFor(() => expect(state(id)).not.toBe("active"), { timeout: 20_000, interval: 3 });
          await vi.waitFor(() => expect(ids.map((id) => one.facts(id).counts.running)).toEqual([0, 0]), 5000);
          check();
          for (const id of ids) {
            const items = listItems(library.db, id);
            const times = items.map((item) => [item.state, done.get(item.id) ?? 0]);
            for (const [how, count] of times) expect(count).toBe(how === "done" ? 1 : 0);
            if (state(id) === "finished") expect(items.every((item) => item.state !== "failed")).toBe(true);
          }
          // What windows were told last is what is so.
          await vi.waitFor(
            () =>
              expect(ids.map((id) => ofBatch(id).at(-1)?.counts)).toEqual(
                ids.map((id) => one.facts(id).counts),
              ),
            5000,
          );
          await one.close();
        },
      ),
      { numRuns: 25 },
    );
  });
});
