import fc from "fast-check";
import { expect, test } from "vitest";
import { AutochromeError, silentLogger } from "../../kernel/index.ts";
import type { Executor, Job, JobResult } from "../executor.ts";
import { createMixedExecutor } from "./mixed.ts";

const PLACE = new AutochromeError("cluster-unreachable", "It cannot be reached.", "Wait.");
const PHOTO = new AutochromeError("damaged-image", "It is damaged.", "Scan it again.");

const jobOf = (itemId: string): Job => ({
  ...{ batchId: "b", itemId, source: `/${itemId}.jpg`, sourceHash: undefined, target: `/out/${itemId}.jpg` },
  ...{ existing: "adopt", graph: {}, mayShrink: false, keepColours: false, colours: undefined },
  ...{ masks: undefined, createdAt: "2026-01-01T00:00:00Z" },
});
const resultOf = (job: Job, device: string): JobResult => ({
  ...{ status: "done", output: job.target, outputHash: "", sourceHash: "", width: 1, height: 1, device },
  ...{ format: "jpeg", graph: {}, colours: undefined, models: [], networkMs: 0, notes: [] },
});

/** An executor that works when it is told to, and remembers who writes what. */
function manual(name: string, capacity: number) {
  const under = new Map<string, { job: Job; end(outcome: unknown): void }>();
  const written: string[] = [];
  const given: string[] = [];
  const executor: Executor = {
    ...{ name, capacity, device: name },
    prepare: async () => undefined,
    close: async () => undefined,
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        given.push(job.itemId);
        const stop = () => {
          under.delete(job.itemId);
          reject(signal.reason);
        };
        signal.addEventListener("abort", stop, { once: true });
        under.set(job.itemId, {
          job,
          end(outcome) {
            signal.removeEventListener("abort", stop);
            under.delete(job.itemId);
            if (outcome instanceof Error) return reject(outcome);
            written.push(job.itemId);
            resolve(resultOf(job, name));
          },
        });
      }),
  };
  const end = (id: string, outcome?: unknown) => {
    const one = under.get(id);
    if (one === undefined) throw new Error(`${name} does not have ${id}`);
    one.end(outcome);
    return settled();
  };
  return { executor, under, written, given, end };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
const ids = (count: number) => Array.from({ length: count }, (_, nth) => `p${nth}`);

function start(count: number, words: string[] = []) {
  const near = manual("near", 2);
  const far = manual("far", 1000);
  const mixed = createMixedExecutor({
    ...{ near: near.executor, far: far.executor, log: silentLogger() },
    onWords: (message) => words.push(message),
  });
  const stop = new AbortController();
  const outcomes = new Map<string, unknown>();
  for (const id of ids(count)) {
    mixed.run(jobOf(id), stop.signal).then(
      (result) => outcomes.set(id, result.status === "done" ? result.device : result.status),
      (error) => outcomes.set(id, error),
    );
  }
  return { near, far, mixed, stop, outcomes };
}

test("the near one works from the end, the far one from the beginning, and they meet", async () => {
  const { near, far, outcomes } = start(8);
  expect([...near.under.keys()]).toEqual(["p0", "p1"]);
  expect([...far.under.keys()]).toEqual(["p2", "p3", "p4", "p5", "p6", "p7"]);
  await near.end("p0");
  await near.end("p1");
  expect([...near.under.keys()]).toEqual(["p7", "p6"]);
  for (const id of ["p2", "p3", "p4"]) await far.end(id);
  await near.end("p7");
  expect([...near.under.keys()]).toEqual(["p6", "p5"]);
  await near.end("p6");
  await near.end("p5");
  expect([...outcomes.values()].filter((device) => device === "near").length).toBe(5);
  expect(outcomes.size).toBe(8);
  expect(far.under.size).toBe(0);
});

test("a photo that is bad fails, wherever it was", async () => {
  const { near, far, outcomes } = start(4);
  await near.end("p0", PHOTO);
  await far.end("p2", PHOTO);
  expect(outcomes.get("p0")).toBe(PHOTO);
  expect(outcomes.get("p2")).toBe(PHOTO);
});

test("where one is lost the other does all, and it is said once; where both are, the error is the last one's", async () => {
  const words: string[] = [];
  const { near, far, outcomes } = start(6, words);
  for (const id of [...far.under.keys()]) if (far.under.has(id)) await far.end(id, PLACE);
  expect(words).toEqual(["Only on near from now on: It cannot be reached. Wait."]);
  while (near.under.size > 0 && outcomes.size < 3) await near.end([...near.under.keys()][0]!);
  const lost = new AutochromeError("device-unavailable", "The GPU is gone.", "Restart.");
  await near.end([...near.under.keys()][0]!, lost);
  for (const id of [...near.under.keys()]) await near.end(id);
  expect(outcomes.size).toBe(6);
  expect([...outcomes.values()].filter((outcome) => outcome === "near").length).toBeGreaterThanOrEqual(3);
  expect([...outcomes.values()]).toContain(lost);
});

test("stopped, everything is given back and nothing goes on", async () => {
  const { near, far, stop, outcomes } = start(5);
  stop.abort();
  await settled();
  expect(outcomes.size).toBe(5);
  expect([...outcomes.values()].every((outcome) => outcome === stop.signal.reason)).toBe(true);
  expect(near.under.size + far.under.size).toBe(0);
});

test("whatever happens, each photo is answered once and written by at most one", async () => {
  const step = fc.record({
    where: fc.constantFrom("near", "far"),
    which: fc.nat(),
    how: fc.constantFrom("done", "done", "done", "photo", "place", "stop"),
  });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 12 }), fc.array(step, { maxLength: 40 }), async (count, steps) => {
      const { near, far, stop, outcomes } = start(count);
      for (const { where, which, how } of steps) {
        const place = where === "near" ? near : far;
        const present = [...place.under.keys()];
        if (how === "stop" && which % 5 === 0) stop.abort();
        const id = present[which % Math.max(1, present.length)];
        if (id === undefined || how === "stop") continue;
        await place.end(id, how === "photo" ? PHOTO : how === "place" ? PLACE : undefined);
      }
      for (;;) {
        const place = near.under.size > 0 ? near : far;
        const [id] = place.under.keys();
        if (id === undefined) break;
        await place.end(id);
      }
      await settled();
      expect([...outcomes.keys()].sort()).toEqual(ids(count).sort());
      const written = [...near.written, ...far.written];
      expect(new Set(written).size).toBe(written.length);
      for (const [id, outcome] of outcomes) {
        expect(written.includes(id)).toBe(typeof outcome === "string");
      }
    }),
    { numRuns: 300 },
  );
});
