import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PromptEvent } from "./prompt-messages.ts";
import {
  accept,
  createStand,
  DEAD,
  failure,
  GRAPH,
  ids,
  interrupted,
  type Stand,
  success,
} from "./prompts-testing.ts";

let s: Stand;
beforeEach(async () => {
  s = await createStand();
});
afterEach(() => s.close());

const told = () =>
  s.events.map((event) =>
    event.kind === "status"
      ? `status ${event.remaining}`
      : event.kind === "message"
        ? event.type
        : event.kind,
  );

describe("what is told", () => {
  it("comes in ComfyUI's order, to the prompt's client", async () => {
    const id = s.submit();
    await s.settle();
    const { onEvent } = s.under?.options ?? {};
    onEvent?.({ type: "cached", nodes: ["0"] });
    onEvent?.({ type: "node-started", node: "1" });
    onEvent?.({ type: "progress", node: "1", value: 1, max: 4 });
    onEvent?.({ type: "preview", node: "1", image: Buffer.from("jpeg"), format: "jpeg" });
    onEvent?.({ type: "node-finished", node: "1", ui: { text: ["done"] }, isCached: false });
    await s.end();
    expect(told()).toEqual([
      "status 1",
      "status 1",
      "execution_start",
      "execution_cached",
      "progress_state",
      "executing",
      "progress_state",
      "progress",
      "preview",
      "executed",
      "progress_state",
      "execution_success",
      "status 0",
      "executing",
    ]);
    expect(
      s.events.every((event) => event.kind === "status" || JSON.stringify(event.to) === '{"client":"me"}'),
    ).toBe(true);
    const messages = s.events.filter((event) => event.kind === "message");
    const at = (type: string) => messages.filter((event) => event.type === type).map((event) => event.data);
    const names = {
      node_id: "1",
      prompt_id: id,
      display_node_id: "1",
      parent_node_id: null,
      real_node_id: "1",
    };
    expect(at("progress_state")).toEqual([
      { prompt_id: id, nodes: { 1: { value: 0, max: 1, state: "running", ...names } } },
      { prompt_id: id, nodes: { 1: { value: 1, max: 4, state: "running", ...names } } },
      { prompt_id: id, nodes: { 1: { value: 4, max: 4, state: "finished", ...names } } },
    ]);
    expect(at("executing")).toEqual([
      { node: "1", display_node: "1", prompt_id: id },
      { node: null, prompt_id: id },
    ]);
    expect(at("executed")).toEqual([
      { node: "1", display_node: "1", output: { text: ["done"] }, prompt_id: id },
    ]);
  });

  it("names an end only when the history has it, whatever the end is", async () => {
    const known: unknown[] = [];
    const onEvent = (event: PromptEvent) => {
      if (event.kind === "message" && /^execution_(success|error|interrupted)$/.test(event.type)) {
        known.push([event.type, ids(s.queue.history()).includes(String(event.data.prompt_id))]);
      }
    };
    s.queue.on({ onEvent, watches: () => false });
    for (const result of [success, failure, interrupted]) {
      s.submit();
      await s.settle();
      await s.end(result);
    }
    expect(known).toEqual([
      ["execution_success", true],
      ["execution_error", true],
      ["execution_interrupted", true],
    ]);
    expect([...s.queue.history()].map(({ state, messages }) => [state, messages.length])).toEqual([
      ["success", 2],
      ["error", 2],
      ["interrupted", 2],
    ]);
  });

  it("says of a failure what a user needs, and keeps technical detail back", async () => {
    const id = s.submit();
    await s.settle();
    await s.end(failure);
    const [entry] = [...s.queue.history()];
    expect(entry?.messages.at(-1)).toEqual([
      "execution_error",
      {
        prompt_id: id,
        node_id: "1",
        node_type: "SaveImage",
        executed: [],
        exception_message: "The disk is full.\nFree some space.",
        exception_type: "disk-full",
        traceback: [],
        current_inputs: { filename_prefix: ["a"] },
        current_outputs: [],
        timestamp: expect.any(Number),
      },
    ]);
    expect(JSON.stringify(s.events)).not.toContain("/secret/path");
  });

  it("goes to nobody or to everyone where the prompt names no client", async () => {
    const submission = s.queue.submit({ graph: GRAPH });
    expect(submission.ok).toBe(true);
    await s.settle();
    s.under?.options.onEvent?.({ type: "progress", node: "1", value: 1, max: 4 });
    await s.end(interrupted);
    const audience = Object.fromEntries(
      s.events.flatMap((event) => (event.kind === "message" ? [[event.type, event.to]] : [])),
    );
    expect(audience).toEqual({
      execution_start: "nobody",
      progress_state: "everyone",
      progress: "everyone",
      execution_interrupted: "everyone",
      executing: "nobody",
    });
  });
});

it("secrets are neither kept nor shown", async () => {
  const extraData = {
    auth_token_comfy_org: "t0ken",
    api_key_comfy_org: "k3y",
    extra_pnginfo: { workflow: { id: 1 } },
  };
  const id = s.submit({ extraData });
  expect(JSON.stringify(s.queue.find(id))).not.toMatch(/t0ken|k3y|comfy_org/);
  expect(s.queue.find(id)?.extraData).toMatchObject({
    client_id: "me",
    extra_pnginfo: { workflow: { id: 1 } },
  });
  await s.settle();
  expect(s.under?.options.prompt).toMatchObject({ id, extraPngInfo: { workflow: { id: 1 } } });
});

it("a refused prompt, a used id, and one too many leave the queue as it was", async () => {
  await s.queue.close();
  let verdict = accept({}, undefined);
  s.start({ mostPending: 3, validate: () => verdict });
  const id = s.submit();
  const nodeErrors = { 1: { errors: [], dependent_outputs: [], class_type: "SaveImage" } };
  const error = { type: "prompt_no_outputs", message: "No outputs", details: "", extra_info: {} };
  verdict = { ok: false, error, nodeErrors };
  expect(s.queue.submit({ graph: {} })).toEqual({ ok: false, reason: "invalid", error, nodeErrors });
  verdict = accept({}, undefined);
  expect(s.queue.submit({ graph: {}, id })).toMatchObject({
    ok: false,
    error: { type: "invalid_prompt_id" },
  });
  expect(s.queue.remaining()).toBe(1);
  s.submit();
  s.submit();
  expect(s.queue.submit({ graph: {} })).toMatchObject({
    ok: false,
    reason: "full",
    error: { type: "queue_full" },
  });
  expect(s.queue.remaining()).toBe(3);
});

it("memory is given back when nothing runs", async () => {
  s.queue.free({ models: true, results: false });
  await s.settle();
  expect([s.freed.models, s.freed.results]).toEqual([1, 0]);
  s.submit();
  await s.settle();
  s.queue.free({ models: true, results: true });
  await s.settle();
  expect([s.freed.models, s.freed.results]).toEqual([1, 0]);
  await s.end();
  expect([s.freed.models, s.freed.results]).toEqual([2, 1]);
});

it("an interrupt reaches the running prompt and no other", async () => {
  const [first, second] = [s.submit(), s.submit()];
  await s.settle();
  expect(s.queue.interrupt(second)).toBe(false);
  expect(s.queue.interrupt(randomUUID())).toBe(false);
  expect(s.queue.interrupt(first)).toBe(true);
  await s.settle();
  expect(s.queue.current()?.prompt.id).toBe(second);
  expect(s.queue.interrupt()).toBe(true);
  await s.settle();
  expect(s.queue.interrupt()).toBe(false);
  expect([...s.queue.history()].map(({ id, state }) => [id, state])).toEqual([
    [first, "interrupted"],
    [second, "interrupted"],
  ]);
});

it("a run that throws is an error in the history, and the next one runs", async () => {
  await s.queue.close();
  s.start({ run: async () => Promise.reject(new Error("/secret/path is broken")) });
  s.submit();
  s.submit();
  await s.settle();
  expect([...s.queue.history()].map(({ state }) => state)).toEqual(["error", "error"]);
  expect(JSON.stringify([...s.queue.history()])).not.toContain("/secret/path");
});

it("a prompt that brings the program down three times becomes an error, and the rest is done", async () => {
  await s.queue.close();
  const [bad, good] = [randomUUID(), randomUUID()];
  s.start({ owner: DEAD });
  s.submit({ id: bad });
  s.submit({ id: good });
  for (let crashes = 0; crashes < 3; crashes++) {
    await s.settle();
    expect(s.queue.current()?.prompt.id).toBe(bad);
    await s.crash();
    s.start({ owner: DEAD });
  }
  await s.settle();
  expect(s.queue.current()?.prompt.id).toBe(good);
  await s.end();
  expect([...s.queue.history()].map(({ id, state }) => [id, state])).toEqual([
    [bad, "error"],
    [good, "success"],
  ]);
  expect(JSON.stringify([...s.queue.history()][0]?.messages)).toContain("brought the program down 3 times");
});

it("restarts do not count as crashes", async () => {
  const id = s.submit();
  for (let restarts = 0; restarts < 5; restarts++) {
    await s.settle();
    expect(s.queue.current()?.prompt).toMatchObject({ id, attempts: 1 });
    await s.queue.close();
    s.start();
  }
});

it("what the user stopped stays stopped, also when the program ends at that moment", async () => {
  s.submit();
  await s.settle();
  s.queue.interrupt();
  await s.queue.close();
  s.start();
  await s.settle();
  expect([...s.queue.history()].map(({ state }) => state)).toEqual(["interrupted"]);
  expect(s.queue.remaining()).toBe(0);
});

it("another process's prompt is left alone while that lives", async () => {
  const id = s.submit();
  await s.settle();
  const other = s.another();
  for (let i = 0; i < 50; i++) await turn();
  expect(other.current()).toBeUndefined();
  expect(ids(other.open("running"))).toEqual([id]);
  await other.close();
  expect(s.queue.current()?.prompt.id).toBe(id);
});
