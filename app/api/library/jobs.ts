// Long work that is no batch: imports, exports, reports, models that are fetched.
//
// Owns: what is known of each, also after its end, so that a window that comes later sees it. It lives in memory: work that
// died with the engine is begun anew by whoever wants it. Must never: keep more than the first problems of a job.
import { z } from "@hono/zod-openapi";
import { type Logger, newId, toErrorRecord } from "../../kernel/index.ts";
import { notFound } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH } from "./answering.ts";
import { routes as at, type JobFacts, jobSchema } from "./contract.ts";
import type { Desk, EventBus, JobReport, Jobs } from "./desk.ts";
import { problemOf } from "./problems.ts";

const MOST_PROBLEMS = 100;
/** Jobs that are over and still told of. */
const MOST_OVER = 50;

interface Running {
  readonly abort: AbortController;
  readonly whole: Promise<void>;
}

export function createJobs({ events, log }: { readonly events: EventBus; readonly log: Logger }): Jobs {
  const known = new Map<string, JobFacts>();
  const running = new Map<string, Running>();
  /** In the order in which they ended. */
  const over: string[] = [];

  const put = (facts: JobFacts) => {
    known.set(facts.id, facts);
    events.publish({ type: "job", job: facts });
  };
  return {
    start(kind, work) {
      const id = newId();
      const abort = new AbortController();
      const began = performance.now();
      let facts: JobFacts = { id, kind, state: "running", done: 0, problems: [], problemCount: 0 };
      const report = ({ problem, ...change }: JobReport) => {
        facts = { ...facts, ...change };
        if (problem !== undefined) {
          const problems =
            facts.problems.length < MOST_PROBLEMS ? [...facts.problems, problem] : facts.problems;
          facts = { ...facts, problems, problemCount: facts.problemCount + 1 };
        }
        const { done, total } = facts;
        if (change.remainingMs === undefined && done > 0 && total !== undefined) {
          const remainingMs = Math.round(((performance.now() - began) / done) * Math.max(0, total - done));
          facts = { ...facts, remainingMs };
        }
        put(facts);
      };
      const end = (state: JobFacts["state"], change: JobReport) => {
        report(change);
        const { remainingMs: _, ...rest } = facts;
        put({ ...rest, state });
        running.delete(id);
        over.push(id);
        if (over.length > MOST_OVER) known.delete(over.shift() ?? "");
      };
      put(facts);
      const whole = (async () => work(report, abort.signal))().then(
        (last) => end(abort.signal.aborted ? "stopped" : "done", last),
        (thrown: unknown) => {
          if (abort.signal.aborted) return end("stopped", {});
          log.warn({ job: id, kind, error: toErrorRecord(thrown) }, "job failed");
          end("failed", { error: problemOf(thrown) });
        },
      );
      running.set(id, { abort, whole });
      return id;
    },
    list: () => [...known.values()].reverse(),
    stop(id) {
      const job = running.get(id);
      job?.abort.abort();
      return job !== undefined;
    },
    async close() {
      for (const { abort } of running.values()) abort.abort();
      await Promise.all([...running.values()].map(({ whole }) => whole));
    },
  };
}

export function jobRoutes(routes: ApiRoutes, { jobs }: Pick<Desk, "jobs">): void {
  const tag = "Library";
  endpoint(
    routes,
    {
      ...at.jobs,
      tag,
      summary: "Imports, exports and the like, newest first, also those that are over",
      answers: { 200: { description: "Jobs", schema: z.object({ jobs: z.array(jobSchema) }) } },
    },
    (c) => c.json({ jobs: jobs.list() }, 200, FRESH),
  );
  endpoint(
    routes,
    { ...at.stopJob, tag, summary: "Stops a job; what it has done stays", answers: { 204: "It stops" } },
    (c, { param }) => {
      if (jobs.stop(param("id"))) return c.body(null, 204);
      if (jobs.list().some(({ id }) => id === param("id"))) return c.body(null, 204); // over already
      throw notFound("This job is not known any more.", "Begin it anew.");
    },
  );
}
