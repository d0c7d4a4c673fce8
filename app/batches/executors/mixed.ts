// Two executors on one batch: one far away that takes everything, and one near that takes from its end what the far one has
// not done yet, until they meet.
//
// Owns: which of the two has a photo. Must never: let both write one result: what is taken is given up there first.
import { AutochromeError, type Logger, toErrorRecord } from "../../kernel/index.ts";
import type { ApiGraph } from "../../workflow/index.ts";
import { type Executor, isAboutPlace, type Job, type JobResult } from "../executor.ts";

export interface MixedExecutorOptions {
  readonly near: Executor;
  /** Takes jobs by the thousand, and works in the order that it gets them. */
  readonly far: Executor;
  /** Hears that one of them goes on alone, and why. */
  readonly onWords?: (message: string) => void;
  readonly log: Logger;
}

/** A job that neither has finished. */
interface Open {
  readonly job: Job;
  readonly signal: AbortSignal;
  /** Aborted: the far executor gives it up. */
  readonly taken: AbortController;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** Closes both when it is closed. */
export function createMixedExecutor({ near, far, onWords, log }: MixedExecutorOptions): Executor {
  /** What the far executor has, or has given back; the latest last. */
  const open = new Set<Open>();
  /** Why one of them cannot work. */
  const lost: Record<"near" | "far", AutochromeError | undefined> = { near: undefined, far: undefined };
  let busy = 0;

  function lose(which: "near" | "far", thrown: unknown): void {
    if (lost[which] !== undefined) return;
    const error = asError(thrown);
    lost[which] = error;
    log.warn({ err: thrown }, `the ${which} executor is out`);
    const others = which === "near" ? far : near;
    if (lost.near === undefined || lost.far === undefined) {
      onWords?.(`Only on ${others.device} from now on: ${error.message} ${error.next}`);
      return;
    }
    for (const one of open) {
      one.taken.abort();
      one.reject(thrown);
    }
    open.clear();
  }

  function send(one: Open): void {
    far.run(one.job, AbortSignal.any([one.signal, one.taken.signal])).then(
      (result) => {
        open.delete(one);
        one.resolve(result);
      },
      (thrown: unknown) => {
        if (one.taken.signal.aborted) return; // the near one has it, or it was answered
        if (!one.signal.aborted && isPlace(thrown)) {
          lose("far", thrown);
          return takeSome();
        }
        open.delete(one);
        one.reject(thrown);
      },
    );
  }

  /** The near one takes what came last, as long as it has room. */
  function takeSome(): void {
    while (lost.near === undefined && busy < near.capacity && open.size > 0) {
      const one = [...open].at(-1)!;
      open.delete(one);
      one.taken.abort();
      busy++;
      near
        .run(one.job, one.signal)
        .then(one.resolve, (thrown: unknown) => {
          if (one.signal.aborted || !isPlace(thrown)) return one.reject(thrown);
          lose("near", thrown);
          if (lost.far !== undefined) return one.reject(thrown);
          add({ ...one, taken: new AbortController() });
        })
        .finally(() => {
          busy--;
          takeSome();
        });
    }
  }

  function add(one: Open): void {
    open.add(one);
    one.signal.addEventListener(
      "abort",
      () => {
        // What is with one of them is told by it; what waits for room is not.
        if (open.delete(one) && lost.far !== undefined) one.reject(one.signal.reason);
      },
      { once: true },
    );
    takeSome();
    if (open.has(one) && lost.far === undefined) send(one);
  }

  return {
    name: "mixed",
    capacity: far.capacity,
    goesOnAlone: true,
    get device() {
      return [lost.near === undefined ? near.device : [], lost.far === undefined ? far.device : []]
        .flat()
        .join(" and ");
    },
    async prepare(graph: ApiGraph, needs) {
      lost.near = undefined;
      lost.far = undefined;
      const [here, there] = await Promise.allSettled([near.prepare(graph, needs), far.prepare(graph, needs)]);
      if (here.status === "rejected") {
        if (there.status === "rejected" || asError(here.reason).code === "workflow-invalid")
          throw here.reason;
        lose("near", here.reason);
      }
      if (there.status === "rejected") lose("far", there.reason);
    },
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        add({ job, signal, taken: new AbortController(), resolve, reject });
      }),
    async end(batch) {
      if (lost.far === undefined) await far.end?.(batch);
    },
    async close() {
      await far.close();
      await near.close();
    },
  };
}

/** What speaks against a place and not against a photo; here also a network that cannot be had. */
function isPlace(thrown: unknown): boolean {
  const error = toErrorRecord(thrown);
  return isAboutPlace(error) || ["device-unavailable", "model-missing", "model-damaged"].includes(error.code);
}

function asError(thrown: unknown): AutochromeError {
  if (thrown instanceof AutochromeError) return thrown;
  const { code, message, next } = toErrorRecord(thrown);
  return new AutochromeError(code, message, next, { cause: thrown });
}
