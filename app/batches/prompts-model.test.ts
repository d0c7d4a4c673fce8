// The queue against a simple model of it, under any sequence of requests, restarts and crashes.
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createStand, DEAD, failure, GRAPH, ids, type Stand, success } from "./prompts-testing.ts";

let s: Stand;
beforeEach(async () => {
  s = await createStand();
});
afterEach(() => s.close());

type Action =
  | { readonly do: "submit"; readonly number: number | undefined; readonly isFront: boolean }
  | { readonly do: "end"; readonly result: "success" | "error" }
  | { readonly do: "interrupt"; readonly pick: number | undefined }
  | { readonly do: "remove" | "forget"; readonly picks: readonly number[] | undefined }
  | { readonly do: "restart" | "crash" };

const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
/** Rarely all. */
const picks = fc.option(fc.array(fc.nat(), { maxLength: 3 }), { nil: undefined, freq: 8 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("submit" as const),
      number: maybe(fc.integer({ min: -1, max: 1 })),
      isFront: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      result: fc.constantFrom("success" as const, "error" as const),
    }),
  },
  fc.record({ do: fc.constant("interrupt" as const), pick: maybe(fc.nat()) }),
  fc.record({ do: fc.constantFrom("remove" as const, "forget" as const), picks }),
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "crash" as const) }) },
);

interface Model {
  /** Oldest first; the order of work is derived. */
  waiting: { readonly id: string; readonly number: number; crashes: number }[];
  running: Model["waiting"][number] | undefined;
  history: (readonly [string, string])[];
  counter: number;
  /** Order of arrival of every id there ever was. */
  readonly all: string[];
}
const inOrder = (model: Model) =>
  [...model.waiting].sort((a, b) => a.number - b.number || model.all.indexOf(a.id) - model.all.indexOf(b.id));

function stopRunning(model: Model, state: string): void {
  if (model.running !== undefined) model.history.push([model.running.id, state]);
  model.running = undefined;
}
function backToQueue(model: Model): void {
  if (model.running !== undefined) model.waiting.push(model.running);
  model.running = undefined;
}
function runNext(model: Model): void {
  model.running ??= inOrder(model)[0];
  model.waiting = model.waiting.filter((prompt) => prompt !== model.running);
}

it("behaves like a simple model under any sequence of requests, restarts and crashes", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 60 }), async (actions) => {
      await s.queue.close();
      s.start({ owner: DEAD });
      s.queue.remove();
      s.queue.interrupt();
      await s.settle();
      s.queue.forget();
      const probe = s.queue.submit({ graph: GRAPH });
      const model: Model = {
        waiting: [],
        running: undefined,
        history: [],
        counter: probe.ok ? probe.number + 1 : Number.NaN,
        all: [],
      };
      await s.settle();
      await s.end();
      s.queue.forget();
      const chosen = (from: readonly number[] | undefined) =>
        from?.map((pick) => model.all[pick % model.all.length]!);
      for (const step of actions) {
        switch (step.do) {
          case "submit": {
            const { number, isFront } = step;
            const submission = s.queue.submit({
              graph: GRAPH,
              isFront,
              ...(number === undefined ? {} : { number }),
            });
            if (!submission.ok) throw new Error(submission.error.message);
            const expected = number ?? (isFront ? 0 - model.counter : model.counter);
            expect(submission.number).toBe(expected);
            if (number === undefined) model.counter++;
            model.all.push(submission.id);
            model.waiting.push({ id: submission.id, number: expected, crashes: 0 });
            break;
          }
          case "end":
            s.under?.end(step.result === "success" ? success : failure);
            stopRunning(model, step.result);
            break;
          case "interrupt": {
            const id =
              step.pick === undefined || model.all.length === 0 ? undefined : chosen([step.pick])?.[0];
            s.queue.interrupt(id);
            if (id === undefined || id === model.running?.id) stopRunning(model, "interrupted");
            break;
          }
          case "remove": {
            const gone = model.all.length === 0 ? undefined : chosen(step.picks);
            s.queue.remove(gone);
            model.waiting = model.waiting.filter(({ id }) => gone !== undefined && !gone.includes(id));
            break;
          }
          case "forget": {
            const gone = model.all.length === 0 ? undefined : chosen(step.picks);
            s.queue.forget(gone);
            model.history = model.history.filter(([id]) => gone !== undefined && !gone.includes(id));
            break;
          }
          case "restart":
            await s.queue.close();
            s.start({ owner: DEAD });
            backToQueue(model);
            break;
          case "crash":
            await s.crash();
            s.start({ owner: DEAD });
            if (model.running !== undefined) model.running.crashes++;
            if (model.running?.crashes === 3) stopRunning(model, "error");
            else backToQueue(model);
            break;
        }
        await s.settle();
        runNext(model);
        expect(s.queue.current()?.prompt.id).toBe(model.running?.id);
        expect(ids(s.queue.open("running"))).toEqual(model.running === undefined ? [] : [model.running.id]);
        expect(ids(s.queue.open("pending"))).toEqual(inOrder(model).map(({ id }) => id));
        expect([...s.queue.history()].map(({ id, state }) => [id, state])).toEqual(model.history);
        expect(s.queue.remaining()).toBe(model.waiting.length + (model.running === undefined ? 0 : 1));
      }
    }),
    { numRuns: 50 },
  );
});
