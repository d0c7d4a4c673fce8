import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "./database.ts";
import { MIGRATIONS } from "./migrations.ts";
import {
  addPrompt,
  claimPrompt,
  countOpenPrompts,
  deadPrompts,
  findPrompt,
  finishPrompt,
  isFinished,
  listPromptIds,
  openPrompts,
  promptHistory,
  releasePrompt,
  removeFinished,
  removePending,
} from "./prompts.ts";

let db: Database;
beforeEach(async () => {
  db = await openDatabase(":memory:");
});
afterEach(() => db.close());

function add(options: { number?: number; isFront?: boolean; extraData?: Record<string, unknown> } = {}) {
  const id = randomUUID();
  const number = addPrompt(db, {
    id,
    number: options.number,
    isFront: options.isFront ?? false,
    clientId: "somebody",
    graph: { 1: { class_type: "SaveImage", inputs: {} } },
    targets: ["1"],
    extraData: options.extraData ?? {},
    createdAt: 5,
  });
  return { id, number };
}
const later = () => Date.now() + 60_000;
const end = {
  state: "success",
  outputs: { 1: { images: [] } },
  messages: [["a", {}]],
  finishedAt: 9,
} as const;
function finishNext(keep?: number): string {
  const prompt = claimPrompt(db, "me", later());
  if (prompt === undefined) throw new Error("nothing to claim");
  expect(finishPrompt(db, prompt.id, "me", end, keep)).toBe(true);
  return prompt.id;
}
const ids = (prompts: Iterable<{ readonly id: string }>) => [...prompts].map((prompt) => prompt.id);

test("the order of work: lower numbers first, then who came first; front goes before all", () => {
  const [first, second] = [add(), add()];
  const urgent = add({ number: 0.5 });
  const front = add({ isFront: true });
  const tie = add({ number: 1 });
  expect([first, second, urgent, front, tie].map(({ number }) => number)).toEqual([0, 1, 0.5, -2, 1]);
  const order = [front, first, urgent, second, tie].map(({ id }) => id);
  expect(ids(openPrompts(db, "pending"))).toEqual(order);
  expect(order.map(() => claimPrompt(db, "me", later())?.id)).toEqual(order);
  expect(claimPrompt(db, "me", later())).toBeUndefined();
  expect(countOpenPrompts(db)).toBe(5);
});

test("an id is given once, and a refused prompt does not move the counter", () => {
  const { id } = add();
  const again = { id, number: undefined, isFront: false, clientId: undefined, graph: {}, targets: [] };
  expect(addPrompt(db, { ...again, extraData: {}, createdAt: 1 })).toBeUndefined();
  expect(add().number).toBe(1);
});

test("more prompts than are read at once come in order, from any offset", () => {
  const added = Array.from({ length: 65 }, () => add().id);
  expect(ids(openPrompts(db, "pending"))).toEqual(added);
  for (const _ of added) finishNext();
  expect(ids(promptHistory(db))).toEqual(added);
  expect(ids(promptHistory(db, { maxItems: 30 }))).toEqual(added.slice(-30));
  expect(ids(promptHistory(db, { maxItems: 500 }))).toEqual(added);
  expect(ids(promptHistory(db, { maxItems: 30, offset: 7 }))).toEqual(added.slice(7, 37));
  expect(ids(promptHistory(db, { offset: 60 }))).toEqual(added.slice(60));
  expect(ids(promptHistory(db, { maxItems: 0 }))).toEqual([]);
});

test("the history keeps the newest by completion", () => {
  const kept = Array.from({ length: 5 }, () => add()).map(() => finishNext(3));
  expect(ids(promptHistory(db))).toEqual(kept.slice(2));
});

test("only who holds the lease finishes a prompt, once", () => {
  const { id } = add();
  expect(finishPrompt(db, id, "me", end)).toBe(false);
  claimPrompt(db, "me", later());
  expect(finishPrompt(db, id, "another", end)).toBe(false);
  expect(releasePrompt(db, id, "another", true)).toBe(false);
  expect(finishPrompt(db, id, "me", end)).toBe(true);
  expect(finishPrompt(db, id, "me", end)).toBe(false);
  const found = findPrompt(db, id);
  expect(found !== undefined && isFinished(found) && found).toMatchObject({
    state: "success",
    outputs: end.outputs,
    messages: end.messages,
    finishedAt: 9,
    targets: ["1"],
  });
});

test("a prompt that is given back stands in its old place", () => {
  const [first] = [add(), add()];
  claimPrompt(db, "me", later());
  expect(releasePrompt(db, first.id, "me", false)).toBe(true);
  expect(claimPrompt(db, "me", later())).toMatchObject({ id: first.id, attempts: 1 });
  expect(releasePrompt(db, first.id, "me", true)).toBe(true);
  expect(claimPrompt(db, "me", later())).toMatchObject({ id: first.id, attempts: 2 });
});

test("a running prompt is dead when its lease ran out or its process is gone", () => {
  const [, second] = [add(), add()];
  claimPrompt(db, "alive", Date.now() + 60_000);
  claimPrompt(db, "gone", Date.now() + 60_000);
  const isAlive = (owner: string) => owner === "alive";
  expect(deadPrompts(db, isAlive, Date.now()).map(({ prompt }) => prompt.id)).toEqual([second.id]);
  expect(deadPrompts(db, isAlive, Date.now() + 120_000)).toHaveLength(2);
});

test("only waiting prompts leave the queue, only finished ones the history", () => {
  const done = add().id;
  finishNext();
  const running = add().id;
  claimPrompt(db, "me", later());
  const [waiting, other] = [add().id, add().id];
  expect(removePending(db, [done, running, waiting, "nobody"])).toBe(1);
  expect(removePending(db)).toBe(1);
  expect(removeFinished(db, [running, other])).toBe(0);
  expect(removeFinished(db)).toBe(1);
  expect(findPrompt(db, running)).toMatchObject({ state: "running" });
  expect(countOpenPrompts(db)).toBe(1);
});

test("a page of all prompts, by state and workflow", () => {
  const first = add({ extraData: { extra_pnginfo: { workflow: { id: "w" } } } }).id;
  finishNext();
  const second = add().id;
  const all = { states: ["pending", "success"], sortBy: "created", isDescending: false, offset: 0 } as const;
  expect(listPromptIds(db, all)).toEqual({ ids: [first, second], total: 2 });
  expect(listPromptIds(db, { ...all, isDescending: true, limit: 1 })).toEqual({ ids: [second], total: 2 });
  expect(listPromptIds(db, { ...all, workflowId: "w" })).toEqual({ ids: [first], total: 1 });
  expect(listPromptIds(db, { ...all, states: ["error"] })).toEqual({ ids: [], total: 0 });
});

test("a library from before the prompts gets them, after a backup; the counter goes on after a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-prompts-"));
  try {
    const file = join(folder, "library.db");
    const old = new Sqlite(file);
    old.exec(
      `${MIGRATIONS[0]!.sql}; PRAGMA user_version = 1; INSERT INTO album VALUES (1, 'a', 'Harbour', 'then')`,
    );
    old.close();
    db = await openDatabase(file, join(folder, "backups"));
    expect(db.all(db.build.selectFrom("album").select("name"))).toEqual([{ name: "Harbour" }]);
    expect(await readdir(join(folder, "backups"))).toEqual([expect.stringMatching(/^before-migration-1-/)]);
    expect(add().number).toBe(0);
    db.close();
    db = await openDatabase(file);
    expect(add().number).toBe(1);
  } finally {
    db.close();
    await rm(folder, { recursive: true });
    db = await openDatabase(":memory:");
  }
});
