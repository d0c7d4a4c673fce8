import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { AutochromeError, silentLogger } from "../../kernel/index.ts";
import { createRoutes } from "../endpoint.ts";
import type { JobFacts, LibraryEvent } from "./contract.ts";
import type { JobReport } from "./desk.ts";
import { createJobs, jobRoutes } from "./jobs.ts";

function scene() {
  const told: LibraryEvent[] = [];
  const events = {
    publish: (event: LibraryEvent) => void told.push(event),
    subscribe: () => () => undefined,
  };
  const jobs = createJobs({ events, log: silentLogger() });
  return {
    jobs,
    told: () => told.flatMap((event) => (event.type === "job" ? [event.job] : [])),
    of: (id: string): JobFacts => jobs.list().find((job) => job.id === id)!,
  };
}

const problem = (file: string) => ({
  file,
  error: { code: "damaged-image", message: "It is.", next: "Bin." },
});

describe("a job", () => {
  it("tells how far it is, with the time that remains, and stays known after its end", async () => {
    const { jobs, told, of } = scene();
    let report: (facts: JobReport) => void = () => undefined;
    let finish: (facts: JobReport) => void = () => undefined;
    const id = jobs.start("import", (tell) => {
      report = tell;
      return new Promise((resolve) => {
        finish = resolve;
      });
    });
    expect(of(id)).toEqual({ id, kind: "import", state: "running", done: 0, problems: [], problemCount: 0 });
    report({ done: 1 });
    expect(of(id).remainingMs).toBeUndefined();
    report({ done: 2, total: 4 });
    expect(of(id)).toMatchObject({ done: 2, total: 4, remainingMs: expect.any(Number) });
    finish({ done: 4, duplicates: 1 });
    await setImmediate();
    expect(of(id)).toEqual({
      ...{ id, kind: "import", state: "done", done: 4, total: 4, duplicates: 1 },
      ...{ problems: [], problemCount: 0 },
    });
    expect(told().at(-1)).toEqual(of(id));
  });

  it("keeps the first hundred problems and counts all", async () => {
    const { jobs, of } = scene();
    const id = jobs.start("import", async (report) => {
      for (let number = 0; number < 250; number++) report({ problem: problem(String(number)) });
      return {};
    });
    await setImmediate();
    expect(of(id)).toMatchObject({ state: "done", problemCount: 250 });
    expect(of(id).problems.map(({ file }) => file)).toEqual(Array.from({ length: 100 }, (_, n) => String(n)));
  });

  it("that throws has failed, with words; nothing of its insides is told", async () => {
    const { jobs, of } = scene();
    const known = jobs.start("export", () => {
      throw new AutochromeError("disk-full", "The disk is full.", "Free some space.", { detail: "/secret" });
    });
    const unknown = jobs.start("export", () => Promise.reject(new Error("/secret")));
    await setImmediate();
    expect(of(known)).toMatchObject({ state: "failed" });
    expect(of(known).error).toEqual({
      ...{ code: "disk-full", message: "The disk is full.", next: "Free some space." },
    });
    expect(of(unknown).error?.code).toBe("internal");
    expect(JSON.stringify(jobs.list())).not.toContain("secret");
  });

  it("can be stopped, whether its work throws or returns then", async () => {
    const { jobs, of } = scene();
    const until = (signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    const throws = jobs.start("pull", async (_, signal) => {
      await until(signal);
      throw signal.reason;
    });
    const returns = jobs.start("pull", async (_, signal) => {
      await until(signal);
      return { done: 7 };
    });
    expect([jobs.stop(throws), jobs.stop(returns), jobs.stop("nobody")]).toEqual([true, true, false]);
    await setImmediate();
    expect(of(throws)).toMatchObject({ state: "stopped" });
    expect(of(throws).error).toBeUndefined();
    expect(of(returns)).toMatchObject({ state: "stopped", done: 7 });
    expect(jobs.stop(returns)).toBe(false);
  });

  it("the last ones are remembered, newest first; a running one always", async () => {
    const { jobs } = scene();
    const running = jobs.start(
      "import",
      (_, signal) => new Promise((_, no) => signal.addEventListener("abort", no)),
    );
    for (let number = 0; number < 70; number++) {
      jobs.start("export", async () => ({ done: number }));
      await setImmediate();
    }
    const list = jobs.list();
    expect(list.length).toBe(51);
    expect(list[0]).toMatchObject({ done: 69 });
    expect(list.at(-1)?.id).toBe(running);
    await jobs.close();
    expect(jobs.list().at(-1)).toMatchObject({ id: running, state: "stopped" });
  });

  it("is listed and stopped by address", async () => {
    const { jobs, of } = scene();
    const routes = createRoutes();
    jobRoutes(routes, { jobs });
    const id = jobs.start(
      "report",
      (_, signal) => new Promise((_, no) => signal.addEventListener("abort", no)),
    );
    expect(await (await routes.request("/library/jobs")).json()).toEqual({ jobs: [of(id)] });
    const stop = () => routes.request(`/library/jobs/${id}`, { method: "DELETE" });
    expect((await stop()).status).toBe(204);
    await setImmediate();
    expect(of(id).state).toBe("stopped");
    expect((await stop()).status).toBe(204);
    expect((await routes.request("/library/jobs/unknown", { method: "DELETE" })).status).toBe(404);
  });
});
