// ComfyUI's queue and history: every change of a prompt's state is one transaction here.
//
// Owns: the table prompt, the running counter, and which state may follow which. A prompt runs under a lease that names
// its process; whoever finishes it must still hold the lease, so that none is finished twice.
// Must never: know what a graph is; graphs, outputs and messages are JSON to it.
import { type Selectable, sql } from "kysely";
import type { Database } from "./database.ts";
import { listOf } from "./lists.ts";
import type { PromptTable } from "./schema.ts";

export type PromptState = "pending" | "running" | "success" | "error" | "interrupted";
export type FinishedState = Exclude<PromptState, "pending" | "running">;

/** Finished prompts that are kept; the oldest are dropped. */
export const HISTORY_LENGTH = 10_000;

/** A prompt in the queue. */
export interface StoredPrompt {
  /** A UUID. */
  readonly id: string;
  /** Lower runs first; among equals the one that came first. */
  readonly number: number;
  readonly clientId: string | undefined;
  readonly state: PromptState;
  /** How often it was begun. */
  readonly attempts: number;
  readonly graph: unknown;
  /** Ids of the output nodes to run. */
  readonly targets: readonly string[];
  readonly extraData: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A prompt in the history. */
export interface FinishedPrompt extends StoredPrompt {
  readonly state: FinishedState;
  readonly startedAt: number | undefined;
  readonly finishedAt: number;
  /** What output nodes showed, by node id. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** [event, data] in their order. */
  readonly messages: readonly unknown[];
}

export interface NewPrompt {
  readonly id: string;
  /** Undefined: the running counter, negative with `isFront`. */
  readonly number: number | undefined;
  readonly isFront: boolean;
  readonly clientId: string | undefined;
  readonly graph: unknown;
  readonly targets: readonly string[];
  readonly extraData: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

const COUNTER = "prompt-counter";
/** Rows that are read at once: a graph with its editor's layout may take megabytes. */
const CHUNK = 20;

/** Puts a prompt into the queue. @returns its number, or undefined when the id is taken */
export function addPrompt(db: Database, prompt: NewPrompt): number | undefined {
  return db.transaction(() => {
    const counter = counterOf(db);
    const number = prompt.number ?? (prompt.isFront ? 0 - counter : counter);
    const added = db.run(
      db.build
        .insertInto("prompt")
        .values({
          id: prompt.id,
          number,
          client_id: prompt.clientId ?? null,
          graph: JSON.stringify(prompt.graph),
          targets: JSON.stringify(prompt.targets),
          extra_data: JSON.stringify(prompt.extraData),
          state: "pending",
          created_at: prompt.createdAt,
        })
        .onConflict((conflict) => conflict.column("id").doNothing()),
    );
    if (added === 0) return undefined;
    if (prompt.number === undefined) {
      const value = JSON.stringify(counter + 1);
      db.run(
        db.build
          .insertInto("setting")
          .values({ key: COUNTER, value })
          .onConflict((conflict) => conflict.column("key").doUpdateSet({ value })),
      );
    }
    return number;
  });
}

/** The counter outlives the program, so that new prompts do not overtake those of an earlier run. */
function counterOf(db: Database): number {
  const row = db.get(db.build.selectFrom("setting").select("value").where("key", "=", COUNTER));
  return row === undefined ? 0 : Number(JSON.parse(row.value));
}

/**
 * Takes the next prompt.
 * @param owner names this process
 * @param until when the lease ends, milliseconds since 1970
 */
export function claimPrompt(db: Database, owner: string, until: number): StoredPrompt | undefined {
  return db.transaction(() => {
    const next = db.get(
      db.build
        .selectFrom("prompt")
        .select("seq")
        .where("state", "=", "pending")
        .orderBy("number")
        .orderBy("seq")
        .limit(1),
    );
    if (next === undefined) return undefined;
    const row = db.get(
      db.build
        .updateTable("prompt")
        .set({
          state: "running",
          lease_owner: owner,
          lease_until: until,
          attempts: sql<number>`attempts + 1`,
          started_at: Date.now(),
        })
        .where("seq", "=", next.seq)
        .returningAll(),
    );
    return row === undefined ? undefined : toStored(row);
  });
}

export function extendPromptLease(db: Database, id: string, owner: string, until: number): void {
  db.run(held(db, id, owner).set({ lease_until: until }));
}

/**
 * Moves a running prompt into the history, and drops what is too old there.
 * @returns false when the lease was lost: somebody else has the prompt now, and nothing is recorded
 */
export function finishPrompt(
  db: Database,
  id: string,
  owner: string,
  end: {
    readonly state: FinishedState;
    readonly outputs: unknown;
    readonly messages: readonly unknown[];
    readonly finishedAt: number;
  },
  keep = HISTORY_LENGTH,
): boolean {
  return db.transaction(() => {
    const changed = db.run(
      held(db, id, owner).set({
        state: end.state,
        lease_owner: null,
        lease_until: null,
        finished_at: end.finishedAt,
        outputs: JSON.stringify(end.outputs),
        messages: JSON.stringify(end.messages),
        place: sql<number>`(SELECT coalesce(max(place), 0) + 1 FROM prompt)`,
      }),
    );
    const tooOld = db.build
      .selectFrom("prompt")
      .select("seq")
      .where("place", "is not", null)
      .orderBy("place", "desc")
      .limit(-1)
      .offset(keep);
    db.run(db.build.deleteFrom("prompt").where("seq", "in", tooOld));
    return changed > 0;
  });
}

/**
 * Gives a running prompt back; it stands in its old place.
 * @param counts whether it was the prompt's own doing; otherwise the attempt is forgotten
 */
export function releasePrompt(db: Database, id: string, owner: string, counts: boolean): boolean {
  const change = { state: "pending", lease_owner: null, lease_until: null, started_at: null };
  const attempts = counts ? {} : { attempts: sql<number>`attempts - 1` };
  return db.run(held(db, id, owner).set({ ...change, ...attempts })) > 0;
}

function held(db: Database, id: string, owner: string) {
  return db.build
    .updateTable("prompt")
    .where("id", "=", id)
    .where("state", "=", "running")
    .where("lease_owner", "=", owner);
}

/** Running prompts whose process is gone: the lease ran out, or `isAlive` says so. */
export function deadPrompts(
  db: Database,
  isAlive: (owner: string) => boolean,
  now: number,
): { readonly prompt: StoredPrompt; readonly owner: string }[] {
  return db
    .all(db.build.selectFrom("prompt").selectAll().where("state", "=", "running"))
    .filter((row) => (row.lease_until ?? 0) < now || !isAlive(row.lease_owner ?? ""))
    .map((row) => ({ prompt: toStored(row), owner: row.lease_owner ?? "" }));
}

/** How many prompts wait or run. */
export function countOpenPrompts(db: Database): number {
  const row = db.get(
    db.build
      .selectFrom("prompt")
      .select((of) => of.fn.countAll<number>().as("count"))
      .where("state", "in", ["pending", "running"]),
  );
  return row?.count ?? 0;
}

/** Prompts that wait, or that run, in their order. Read in pieces: what changes meanwhile may or may not be seen. */
export function* openPrompts(db: Database, state: "pending" | "running"): Generator<StoredPrompt> {
  let after = { number: Number.NEGATIVE_INFINITY, seq: -1 };
  for (;;) {
    const rows = db.all(
      db.build
        .selectFrom("prompt")
        .selectAll()
        .where("state", "=", state)
        .where(sql<boolean>`(number, seq) > (${after.number}, ${after.seq})`)
        .orderBy("number")
        .orderBy("seq")
        .limit(CHUNK),
    );
    yield* rows.map(toStored);
    const last = rows.at(-1);
    if (last === undefined || rows.length < CHUNK) return;
    after = last;
  }
}

/** Takes waiting prompts out of the queue, all of them without `ids`. Others are left. @returns how many */
export function removePending(db: Database, ids?: readonly string[]): number {
  const pending = () => db.build.deleteFrom("prompt").where("state", "=", "pending");
  if (ids === undefined) return db.run(pending());
  return db.transaction(() => ids.reduce((sum, id) => sum + db.run(pending().where("id", "=", id)), 0));
}

export interface HistoryRequest {
  /** Undefined: all. */
  readonly maxItems?: number;
  /** Finished prompts to pass over, oldest first. Negative or undefined: only the last `maxItems` are wanted. */
  readonly offset?: number;
}

/** The history, oldest first. Read in pieces, as {@link openPrompts}. */
export function* promptHistory(db: Database, request: HistoryRequest = {}): Generator<FinishedPrompt> {
  const { maxItems = Number.MAX_SAFE_INTEGER, offset = -1 } = request;
  const length = () =>
    db.get(db.build.selectFrom("prompt").select((of) => of.fn.count<number>("place").as("count")))?.count ??
    0;
  let skip = offset >= 0 ? offset : Math.max(0, length() - maxItems);
  let left = maxItems;
  let after = 0;
  while (left > 0) {
    const rows = db.all(
      db.build
        .selectFrom("prompt")
        .selectAll()
        .where("place", ">", after)
        .orderBy("place")
        .limit(Math.min(CHUNK, left))
        .offset(skip),
    );
    yield* rows.map(toFinished);
    const last = rows.at(-1)?.place;
    if (typeof last !== "number") return;
    after = last;
    left -= rows.length;
    skip = 0;
  }
}

/** Forgets finished prompts, all of them without `ids`. Others are left. @returns how many */
export function removeFinished(db: Database, ids?: readonly string[]): number {
  const finished = () => db.build.deleteFrom("prompt").where("place", "is not", null);
  if (ids === undefined) return db.run(finished());
  return db.transaction(() => ids.reduce((sum, id) => sum + db.run(finished().where("id", "=", id)), 0));
}

/** A prompt in any state. */
export function findPrompt(db: Database, id: string): StoredPrompt | FinishedPrompt | undefined {
  const row = db.get(db.build.selectFrom("prompt").selectAll().where("id", "=", id));
  return row === undefined ? undefined : row.place === null ? toStored(row) : toFinished(row);
}

/** Whether a prompt has come to its end. */
export function isFinished(prompt: StoredPrompt): prompt is FinishedPrompt {
  return prompt.state !== "pending" && prompt.state !== "running";
}

export interface JobsRequest {
  readonly states: readonly PromptState[];
  /** Id of the editor's workflow that came with the prompt. */
  readonly workflowId?: string;
  readonly sortBy: "created" | "duration";
  readonly isDescending: boolean;
  readonly offset: number;
  /** Undefined: all. */
  readonly limit?: number;
}

/** Ids of a page of prompts in any state; a prompt itself may be megabytes. */
export function listPromptIds(
  db: Database,
  request: JobsRequest,
): { readonly ids: string[]; readonly total: number } {
  let query = db.build.selectFrom("prompt").where("state", "in", [...request.states]);
  if (request.workflowId !== undefined) {
    const path = "$.extra_pnginfo.workflow.id";
    query = query.where(sql<string>`json_extract(extra_data, ${path})`, "=", request.workflowId);
  }
  const key = request.sortBy === "created" ? sql`created_at` : sql`coalesce(finished_at - started_at, 0)`;
  const direction = request.isDescending ? "desc" : "asc";
  const rows = db.all(
    query
      .select("id")
      .orderBy(key, direction)
      .orderBy("seq", direction)
      .limit(request.limit ?? -1)
      .offset(request.offset),
  );
  const total = db.get(query.select((of) => of.fn.countAll<number>().as("count")))?.count ?? 0;
  return { ids: rows.map((row) => row.id), total };
}

type Row = Selectable<PromptTable>;

function toStored(row: Row): StoredPrompt {
  return {
    id: row.id,
    number: row.number,
    clientId: row.client_id ?? undefined,
    state: row.state as PromptState, // the table's own CHECK allows no other
    attempts: row.attempts,
    graph: JSON.parse(row.graph),
    targets: listOf(row.targets),
    extraData: JSON.parse(row.extra_data),
    createdAt: row.created_at,
  };
}

function toFinished(row: Row): FinishedPrompt {
  return {
    ...toStored(row),
    state: row.state as FinishedState, // as the CHECK about the place says
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? 0,
    outputs: JSON.parse(row.outputs ?? "{}"),
    messages: JSON.parse(row.messages ?? "[]"),
  };
}
