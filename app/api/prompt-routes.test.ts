import { randomUUID } from "node:crypto";
import { request } from "node:http";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ApiGraph } from "../workflow/index.ts";
import { createStage, GRAPH, type Stage, SUCCESS } from "./prompts-testing.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await createStage({
    validate: (graph) =>
      JSON.stringify(graph).includes("bad")
        ? {
            ok: false,
            error: {
              type: "prompt_no_outputs",
              message: "Prompt has no outputs",
              details: "",
              extra_info: {},
            },
            nodeErrors: { 1: { errors: [], dependent_outputs: [], class_type: "bad" } },
          }
        : { ok: true, graph: graph as ApiGraph, outputs: ["1"], nodeErrors: {} },
  });
});
afterEach(() => stage.close());

async function submit(body: Record<string, unknown> = {}): Promise<string> {
  const answer = await stage.post("/prompt", { prompt: GRAPH, ...body });
  expect(answer.status).toBe(200);
  return (answer.body as { prompt_id: string }).prompt_id;
}
const remaining = async () => (await stage.get("/prompt")).body;

describe("queueing", () => {
  it("answers with id, number and node errors, with and without the prefix", async () => {
    const prompt_id = randomUUID();
    expect(await stage.post("/prompt", { prompt: GRAPH, prompt_id })).toEqual({
      status: 200,
      body: { prompt_id, number: 0, node_errors: {} },
    });
    expect(await stage.post("/api/prompt", { prompt: GRAPH, front: true, client_id: null })).toMatchObject({
      status: 200,
      body: { number: -1 },
    });
    expect(await stage.post("/prompt", { prompt: GRAPH, number: 2.5 })).toMatchObject({
      body: { number: 2.5 },
    });
    expect(await remaining()).toEqual({ exec_info: { queue_remaining: 3 } });
  });

  it.each([
    ["no JSON", "{", 400, "invalid_json"],
    ["text", '"a"', 400, "invalid_request"],
    ["nothing", "", 400, "no_prompt"],
    ["no prompt", {}, 400, "no_prompt"],
    ["null", { prompt: null }, 400, "no_prompt"],
    ["a list", { prompt: [] }, 400, "invalid_request"],
    ["a wrong id", { prompt: GRAPH, prompt_id: "me" }, 400, "invalid_prompt_id"],
    ["an id in capitals", { prompt: GRAPH, prompt_id: randomUUID().toUpperCase() }, 400, "invalid_prompt_id"],
    ["a wrong number", { prompt: GRAPH, number: "soon" }, 400, "invalid_request"],
    ["wrong extra data", { prompt: GRAPH, extra_data: [] }, 400, "invalid_request"],
    ["what the graph's judge refuses", { prompt: { 1: { class_type: "bad" } } }, 400, "prompt_no_outputs"],
    [
      "values in values",
      { prompt: GRAPH, extra_data: { a: JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`) } },
      400,
      "invalid_json",
    ],
    ["endless nesting", "[".repeat(1_000_000), 400, "invalid_json"],
    ["17 MB", { prompt: GRAPH, extra_data: { a: "a".repeat(17 * 1024 * 1024) } }, 413, "request_too_large"],
  ])("refuses %s", async (_, body, status, type) => {
    const answer = await stage.post("/prompt", body);
    expect(answer).toMatchObject({ status, body: { error: { type, extra_info: {} } } });
    expect(answer.body).toHaveProperty("node_errors");
    expect(await remaining()).toEqual({ exec_info: { queue_remaining: 0 } });
  });

  it("reads bodies that come in pieces, and does without one", async () => {
    const send = (path: string, ...pieces: string[]) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(`http://${stage.host}${path}`, { method: "POST" }, (response) => {
          resolve(response.statusCode);
          response.resume();
        });
        sent.on("error", reject).removeHeader("content-length");
        for (const piece of pieces) sent.write(piece);
        sent.end();
      });
    expect(await send("/prompt", '{"prompt":', JSON.stringify(GRAPH), "}")).toBe(200);
    expect(await send("/prompt", ...Array.from({ length: 17 }, () => " ".repeat(1024 * 1024)))).toBe(413);
    for (const path of ["/queue", "/history", "/free", "/interrupt"]) expect(await send(path)).toBe(200);
    expect(await send("/prompt")).toBe(400);
  });

  it("answers whatever comes with something sensible", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("/prompt", "/queue", "/history", "/free", "/interrupt", "/jobs/cancel"),
        fc.json(),
        async (path, body) => {
          const { status } = await stage.post(path, body);
          expect([200, 400]).toContain(status);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("the queue", () => {
  it("shows what runs and what waits, and lets go of what waits", async () => {
    const [first, second, third] = [await submit({ client_id: "me" }), await submit(), await submit()];
    await stage.running();
    const extra = (id: string) => ({
      ...(id === first ? { client_id: "me" } : {}),
      create_time: expect.any(Number),
    });
    const item = (id: string, number: number) => [number, id, GRAPH, extra(id), ["1"]];
    expect((await stage.get("/queue")).body).toEqual({
      queue_running: [item(first, 0)],
      queue_pending: [item(second, 1), item(third, 2)],
    });
    expect(await stage.post("/queue", { delete: [first, second] })).toEqual({ status: 200, body: "" });
    expect((await stage.get("/api/queue")).body).toMatchObject({ queue_pending: [item(third, 2)] });
    await stage.post("/queue", { clear: true });
    expect((await stage.get("/queue")).body).toEqual({ queue_running: [item(first, 0)], queue_pending: [] });
  });

  it("is interrupted as a whole or by id", async () => {
    const [first, second] = [await submit(), await submit()];
    await stage.running();
    expect(await stage.post("/interrupt", { prompt_id: second })).toEqual({ status: 200, body: "" });
    expect(stage.queue.current()?.prompt.id).toBe(first);
    await stage.post("/interrupt", { prompt_id: first });
    await stage.running();
    expect(stage.queue.current()?.prompt.id).toBe(second);
    await stage.post("/interrupt", "no JSON");
    expect((await stage.get("/history")).body).toMatchObject({
      [first]: { status: { status_str: "error", completed: false } },
    });
  });

  it("takes wishes for memory", async () => {
    expect(await stage.post("/free", { unload_models: true, free_memory: true })).toEqual({
      status: 200,
      body: "",
    });
  });
});

describe("the history", () => {
  async function finish(count: number): Promise<string[]> {
    const ids = [];
    for (let i = 0; i < count; i++) ids.push(await submit());
    for (const _ of ids) (await stage.running()).end();
    while (stage.queue.remaining() > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    return ids;
  }

  it("has ComfyUI's entries", async () => {
    const [id = ""] = await finish(1);
    const timestamp = expect.any(Number);
    const entry = {
      prompt: [0, id, GRAPH, { create_time: expect.any(Number) }, ["1"]],
      outputs: SUCCESS.outputs,
      status: {
        status_str: "success",
        completed: true,
        messages: [
          ["execution_start", { prompt_id: id, timestamp }],
          ["execution_success", { prompt_id: id, timestamp }],
        ],
      },
      meta: { 1: { node_id: "1", display_node: "1", parent_node: null, real_node_id: "1" } },
    };
    expect((await stage.get("/history")).body).toEqual({ [id]: entry });
    expect((await stage.get(`/api/history/${id}`)).body).toEqual({ [id]: entry });
  });

  it("is empty for what is unknown or not finished", async () => {
    const id = await submit();
    expect(await stage.get(`/history/${id}`)).toEqual({ status: 200, body: {} });
    expect(await stage.get(`/history/${randomUUID()}`)).toEqual({ status: 200, body: {} });
    expect(await stage.get("/history")).toEqual({ status: 200, body: {} });
  });

  it("comes in parts, and forgets", async () => {
    const ids = await finish(5);
    const keys = async (query: string) => Object.keys((await stage.get(`/history${query}`)).body as object);
    expect(await keys("")).toEqual(ids);
    expect(await keys("?max_items=2")).toEqual(ids.slice(3));
    expect(await keys("?max_items=2&offset=1")).toEqual(ids.slice(1, 3));
    expect(await keys("?offset=3")).toEqual(ids.slice(3));
    expect((await stage.get("/history?max_items=two")).status).toBe(400);
    await stage.post("/history", { delete: [ids[0], "nobody"] });
    expect(await keys("")).toEqual(ids.slice(1));
    await stage.post("/history", { clear: true });
    expect(await keys("")).toEqual([]);
  });

  it("and the queue are shown as jobs", async () => {
    const [done = ""] = await finish(1);
    const workflow = { extra_pnginfo: { workflow: { id: "w" } } };
    const running = await submit({ extra_data: workflow });
    await stage.running();
    const waiting = await submit();
    const jobs = async (query = "") => (await stage.get(`/api/jobs${query}`)).body;
    const picture = { filename: "a.png", subfolder: "", type: "output", nodeId: "1", mediaType: "images" };
    const finished = {
      id: done,
      status: "completed",
      priority: 0,
      create_time: expect.any(Number),
      execution_start_time: expect.any(Number),
      execution_end_time: expect.any(Number),
      outputs_count: 1,
      previewable_outputs_count: 1,
      preview_output: picture,
    };
    expect(await jobs("?sort_order=asc")).toMatchObject({
      jobs: [
        finished,
        { id: running, status: "in_progress", workflow_id: "w" },
        { id: waiting, status: "pending" },
      ],
      pagination: { offset: 0, limit: null, total: 3, has_more: false },
    });
    expect(await jobs("?status=completed,failed")).toEqual({
      jobs: [finished],
      pagination: expect.anything(),
    });
    expect(await jobs("?limit=1&offset=1")).toMatchObject({
      jobs: [{ id: running }],
      pagination: { offset: 1, limit: 1, total: 3, has_more: true },
    });
    expect(await jobs("?workflow_id=w")).toMatchObject({ jobs: [{ id: running }], pagination: { total: 1 } });
    expect((await stage.get("/api/jobs?status=lost")).status).toBe(400);
    expect((await stage.get("/api/jobs?limit=0")).status).toBe(400);
    expect((await stage.get(`/api/jobs/${done}`)).body).toMatchObject({
      ...finished,
      outputs: SUCCESS.outputs,
      execution_status: { status_str: "success" },
      workflow: { prompt: GRAPH },
    });
    expect(await stage.get(`/api/jobs/${randomUUID()}`)).toEqual({
      status: 404,
      body: { error: "Job not found" },
    });

    expect(await stage.post(`/api/jobs/${waiting}/cancel`, "")).toEqual({
      status: 200,
      body: { cancelled: true },
    });
    expect((await stage.post("/api/jobs/cancel", { job_ids: [done] })).body).toEqual({ cancelled: false });
    expect(await stage.post("/api/jobs/cancel", { job_ids: ["x"] })).toMatchObject({
      status: 400,
      body: { invalid_ids: ["x"] },
    });
    expect((await stage.post("/api/jobs/cancel", "{")).status).toBe(400);
    expect((await stage.post("/api/jobs/cancel", { job_ids: [done, running] })).body).toEqual({
      cancelled: true,
    });
    while (stage.queue.remaining() > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await jobs(`?status=cancelled`)).toMatchObject({ jobs: [{ id: running, status: "cancelled" }] });
  });
});
