import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  countItems,
  createBatch,
  getBatch,
  type Library,
  openLibrary,
  setBatchState,
} from "../catalogue/index.ts";
import { AutochromeError, silentLogger } from "../kernel/index.ts";
import { readPreset } from "../workflow/index.ts";
import type { Executor, Job, JobResult } from "./executor.ts";
import { type ItemEvent, type Plan, runBatch } from "./run.ts";

const PLAN: Plan = {
  variants: [{ name: "quick", graph: await readPreset("quick") }],
  existing: "skip",
  mayShrink: false,
};

let library: Library;
beforeEach(async () => {
  library = await openLibrary(":memory:");
});
afterEach(() => library.close());

function batchOf(count: number): string {
  const items = Array.from({ length: count }, (_, i) => ({ source: `/in/${i}`, target: () => `/out/${i}` }));
  return createBatch(library.db, { recipe: PLAN, executor: "local", priority: 0 }, items).id;
}

const DONE: JobResult = {
  status: "done",
  output: "/out/x",
  outputHash: "",
  sourceHash: "",
  width: 1,
  height: 1,
  format: "jpeg",
  graph: {},
  colours: undefined,
  device: "none",
  models: [],
  networkMs: 0,
  notes: [],
};

/** An executor without pixels: what a job does is up to the test. */
function executor(run: (job: Job, signal: AbortSignal) => Promise<JobResult>, capacity = 3): Executor {
  return {
    name: "local",
    device: "none",
    capacity,
    prepare: async () => undefined,
    run,
    close: async () => undefined,
  };
}

const base = () => ({ library, log: silentLogger() });
const failure = (code: "damaged-image" | "inference-failed") =>
  new AutochromeError(code, "It failed.", "Try again.");
/** Never ends by itself. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
  );

describe("running a batch", () => {
  it("does everything, never more at once than the executor can take", async () => {
    const batch = batchOf(20);
    let now = 0;
    let most = 0;
    const counts = await runBatch({
      ...base(),
      batch,
      executor: executor(async () => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 1));
        now--;
        return DONE;
      }),
    });
    expect(counts).toEqual({ queued: 0, running: 0, done: 20, failed: 0, cancelled: 0 });
    expect(most).toBe(3);
    expect(getBatch(library.db, batch).state).toBe("finished");
  });

  it("records a failure and goes on; tells how far it is", async () => {
    const batch = batchOf(5);
    const events: ItemEvent[] = [];
    const counts = await runBatch({
      ...base(),
      batch,
      executor: executor(async (job) => {
        if (job.source === "/in/2") throw failure("damaged-image");
        return DONE;
      }),
      onItem: (event) => events.push(event),
    });
    expect(counts).toMatchObject({ done: 4, failed: 1 });
    expect(events.filter((event) => event.status === "failed")).toMatchObject([
      { item: { source: "/in/2" }, error: { code: "damaged-image" } },
    ]);
    expect(events.at(-1)?.progress).toMatchObject({
      counts: { done: 4, failed: 1, queued: 0, running: 0 },
      remainingMs: 0,
    });
  });

  it("tries an item once more that took the inference process down", async () => {
    const batch = batchOf(2);
    const attempts = new Map<string, number>();
    const counts = await runBatch({
      ...base(),
      batch,
      executor: executor(async (job) => {
        const attempt = (attempts.get(job.source) ?? 0) + 1;
        attempts.set(job.source, attempt);
        if (job.source === "/in/0" ? attempt === 1 : true) throw failure("inference-failed");
        return DONE;
      }),
    });
    expect(counts).toMatchObject({ done: 1, failed: 1 });
    expect(Object.fromEntries(attempts)).toEqual({ "/in/0": 2, "/in/1": 2 });
  });

  it("claims nothing when the graph cannot be run here", async () => {
    const batch = batchOf(2);
    const broken: Executor = {
      ...executor(async () => DONE),
      prepare: () => Promise.reject(new AutochromeError("model-damaged", "It is damaged.", "Install again.")),
    };
    await expect(runBatch({ ...base(), batch, executor: broken })).rejects.toMatchObject({
      code: "model-damaged",
    });
    expect(countItems(library.db, batch).queued).toBe(2);
  });

  it("finishes what is under way when drained", async () => {
    const batch = batchOf(10);
    const drain = new AbortController();
    const counts = await runBatch({
      ...base(),
      batch,
      drain: drain.signal,
      executor: executor(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return DONE;
      }),
      onItem: () => drain.abort(),
    });
    expect(counts.running).toBe(0);
    expect(counts.done).toBeGreaterThanOrEqual(1);
    expect(counts.done + counts.queued).toBe(10);
    expect(counts.queued).toBeGreaterThan(0);
  });

  it("gives items back when stopped at once", async () => {
    const batch = batchOf(10);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    const counts = await runBatch({
      ...base(),
      batch,
      stop: stop.signal,
      drain: stop.signal,
      executor: executor((_, signal) => untilAborted(signal)),
    });
    expect(counts).toEqual({ queued: 10, running: 0, done: 0, failed: 0, cancelled: 0 });
  });

  it("obeys a pause and a cancel that another process wrote", async () => {
    const paused = batchOf(10);
    const first = await runBatch({
      ...base(),
      batch: paused,
      executor: executor(async () => DONE, 1),
      onItem: ({ item }) => void (item.position === 3 && setBatchState(library.db, paused, "paused")),
    });
    expect(first).toMatchObject({ done: 4, queued: 6 });

    const cancelled = batchOf(10);
    const statuses: string[] = [];
    setTimeout(() => setBatchState(library.db, cancelled, "cancelled"), 20);
    const second = await runBatch({
      ...base(),
      batch: cancelled,
      executor: executor((_, signal) => untilAborted(signal)),
      onItem: ({ status }) => statuses.push(status),
    });
    expect(second).toEqual({ queued: 0, running: 0, done: 0, failed: 0, cancelled: 10 });
    expect(statuses).toEqual(["cancelled", "cancelled", "cancelled"]);
  });

  it("ends exact whatever the items do", async () => {
    const outcome = fc.constantFrom("done", "failed", "crash-once", "crash-always", "skipped");
    await fc.assert(
      fc.asyncProperty(
        fc.array(outcome, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (wanted, capacity) => {
          const batch = batchOf(wanted.length);
          const attempts = new Map<string, number>();
          const counts = await runBatch({
            ...base(),
            batch,
            executor: executor(async (job) => {
              const attempt = (attempts.get(job.source) ?? 0) + 1;
              attempts.set(job.source, attempt);
              const what = wanted[Number(job.source.slice(4))];
              if (what === "failed") throw failure("damaged-image");
              if (what === "crash-always" || (what === "crash-once" && attempt === 1))
                throw failure("inference-failed");
              return what === "skipped" ? { status: "skipped", output: job.target } : DONE;
            }, capacity),
          });
          const bad = wanted.filter((what) => what === "failed" || what === "crash-always").length;
          expect(counts).toEqual({
            queued: 0,
            running: 0,
            done: wanted.length - bad,
            failed: bad,
            cancelled: 0,
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});
