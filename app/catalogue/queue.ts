// The queue's memory: batches, their items, leases. Every change of state is one transaction here.
//
// Owns: the tables batch and batch_item, and which state may follow which. An item runs under a lease that names its
// process; whoever finishes it must still hold the lease, so that nothing is done twice.
// Must never: know what colouring is; a recipe and a result are JSON to it.
import { sql } from "kysely";
import { AutochromeError, type ErrorRecord, newId } from "../kernel/index.ts";
import type { Database } from "./database.ts";
import type { BatchItemTable, BatchTable } from "./schema.ts";
import { insertVersion, type NewVersion } from "./versions.ts";

export type BatchState = "active" | "paused" | "cancelled" | "finished";
export type ItemState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Batch {
  readonly id: string;
  readonly state: BatchState;
  readonly priority: number;
  readonly executor: string;
  readonly recipe: unknown;
  readonly createdAt: string;
  /** The name of the workflow that was asked for. */
  readonly workflow: string | undefined;
}

export interface BatchItem {
  readonly id: string;
  readonly batchId: string;
  readonly position: number;
  readonly photoId: string | undefined;
  readonly source: string;
  /** What the source has to be, where that is known: sha256, hex. */
  readonly sourceHash: string | undefined;
  readonly target: string;
  /** Which of the recipe's variants. */
  readonly variant: number;
  /** The version whose colours it tunes. */
  readonly tunes: string | undefined;
  readonly state: ItemState;
  readonly attempts: number;
  /** ISO time of the first attempt. */
  readonly startedAt: string | undefined;
  readonly ms: number | undefined;
  readonly result: unknown;
  readonly error: ErrorRecord | undefined;
}

export type Counts = Readonly<Record<ItemState, number>>;

export interface NewItem {
  readonly photoId?: string;
  readonly source: string;
  readonly sourceHash?: string;
  /** Given the item's id. */
  readonly target: (itemId: string) => string;
  /** Which of the recipe's variants; 0 unless said otherwise. */
  readonly variant?: number;
  /** A version's id. */
  readonly tunes?: string;
}

/** From this many attempts on, an item whose process died goes behind the others: it may be what killed it. */
const SUSPICIOUS = 3;

/** What a batch is made from, besides its items. */
export interface NewBatch {
  readonly recipe: unknown;
  readonly executor: string;
  readonly priority: number;
  /** The workflow's name, for people. */
  readonly workflow?: string;
}

/**
 * Adds a batch with all its items, in one transaction. It is ready to be claimed at once.
 * @throws AutochromeError "usage" when there are no items
 */
export function createBatch(db: Database, batch: NewBatch, items: Iterable<NewItem>): Batch {
  return db.transaction(() => {
    const made = insertBatch(db, batch, "active");
    if (insertItems(db, made.id, 0, items) === 0) throw noItems();
    return made;
  });
}

export function noItems(): AutochromeError {
  return new AutochromeError("usage", "There are no photos to colour.", "Choose at least one photo.");
}

/** Adds a batch without items. */
export function insertBatch(db: Database, batch: NewBatch, state: BatchState): Batch {
  const row = {
    id: newId(),
    state,
    priority: batch.priority,
    executor: batch.executor,
    recipe: JSON.stringify(batch.recipe),
    created_at: new Date().toISOString(),
    workflow: batch.workflow ?? null,
  };
  db.run(db.build.insertInto("batch").values(row));
  return toBatch(row);
}

/** Adds items to a batch. @param from position of the first. @returns how many */
export function insertItems(db: Database, batchId: string, from: number, items: Iterable<NewItem>): number {
  let position = from;
  for (const item of items) {
    const id = newId();
    db.run(
      db.build.insertInto("batch_item").values({
        id,
        batch_id: batchId,
        position,
        turn: position,
        photo_id: item.photoId ?? null,
        source: item.source,
        source_hash: item.sourceHash ?? null,
        target: item.target(id),
        variant: item.variant ?? 0,
        tunes: item.tunes ?? null,
        state: "queued",
      }),
    );
    position++;
  }
  return position - from;
}

/**
 * Takes the next item: highest priority first, then oldest batch, then the batch's order.
 * @param owner names this process, see {@link releaseDead}
 * @param until when the lease ends, milliseconds since 1970
 * @param only take from this batch alone
 */
export function claimItem(
  db: Database,
  owner: string,
  until: number,
  executor: string,
  only?: string,
): BatchItem | undefined {
  return db.transaction(() => {
    let query = db.build
      .selectFrom("batch")
      .innerJoin("batch_item", "batch_item.batch_id", "batch.id")
      .select("batch_item.id")
      .where("batch.state", "=", "active")
      .where("batch.executor", "=", executor)
      .where("batch_item.state", "=", "queued")
      .orderBy("batch.priority", "desc")
      .orderBy("batch.id")
      .orderBy("batch_item.turn")
      .limit(1);
    if (only !== undefined) query = query.where("batch.id", "=", only);
    const next = db.get(query);
    if (next === undefined) return undefined;
    const row = db.get(
      db.build
        .updateTable("batch_item")
        .set({
          state: "running",
          lease_owner: owner,
          lease_until: until,
          attempts: sql<number>`attempts + 1`,
          started_at: sql<string>`coalesce(started_at, ${new Date().toISOString()})`,
        })
        .where("id", "=", next.id)
        .returningAll(),
    );
    return row === undefined ? undefined : toItem(row);
  });
}

/** Extends the leases of everything that this owner runs. */
export function extendLeases(db: Database, owner: string, until: number): void {
  db.run(
    db.build
      .updateTable("batch_item")
      .set({ lease_until: until })
      .where("state", "=", "running")
      .where("lease_owner", "=", owner),
  );
}

/**
 * Records an item as done, together with its version where it belongs to a photo of the library.
 * @returns false when the lease was lost: somebody else has the item now, and nothing is recorded
 */
export function completeItem(
  db: Database,
  item: BatchItem,
  owner: string,
  outcome: { readonly ms: number; readonly result: unknown; readonly version?: NewVersion },
): boolean {
  return finish(
    db,
    item,
    owner,
    { state: "done", ms: outcome.ms, result: JSON.stringify(outcome.result) },
    () => {
      if (outcome.version !== undefined) insertVersion(db, outcome.version);
    },
  );
}

/** Records an item as failed. Returns false when the lease was lost. */
export function failItem(
  db: Database,
  item: BatchItem,
  owner: string,
  outcome: { readonly ms: number; readonly error: ErrorRecord },
): boolean {
  return finish(db, item, owner, { state: "failed", ms: outcome.ms, error: JSON.stringify(outcome.error) });
}

/** Gives an item back that was claimed but not finished; it stays in its place. */
export function releaseItem(db: Database, item: BatchItem, owner: string): void {
  db.transaction(() => {
    const batch = findBatch(db, item.batchId);
    const state = batch?.state === "cancelled" ? "cancelled" : "queued";
    finish(db, item, owner, { state });
  });
}

function finish(
  db: Database,
  item: BatchItem,
  owner: string,
  change: { state: ItemState; ms?: number; result?: string; error?: string },
  also: () => void = () => undefined,
): boolean {
  return db.transaction(() => {
    const changed = db.run(
      db.build
        .updateTable("batch_item")
        .set({ ...change, lease_owner: null, lease_until: null })
        .where("id", "=", item.id)
        .where("state", "=", "running")
        .where("lease_owner", "=", owner),
    );
    if (changed === 0) return false;
    also();
    finishBatch(db, item.batchId);
    return true;
  });
}

/** A batch with nothing left to do is finished, unless it was cancelled. */
function finishBatch(db: Database, id: string): void {
  const open = db.get(
    db.build
      .selectFrom("batch_item")
      .select("id")
      .where("batch_id", "=", id)
      .where("state", "in", ["queued", "running"])
      .limit(1),
  );
  if (open !== undefined) return;
  db.run(
    db.build
      .updateTable("batch")
      .set({ state: "finished" })
      .where("id", "=", id)
      .where("state", "in", ["active", "paused"]),
  );
}

/**
 * Frees items whose process is gone: its lease ran out, or `isAlive` says so.
 * @returns how many
 */
export function releaseDead(db: Database, isAlive: (owner: string) => boolean, now: number): number {
  return db.transaction(() => {
    const rows = db.all(
      db.build
        .selectFrom("batch_item")
        .select(["id", "batch_id", "attempts", "lease_owner", "lease_until"])
        .where("state", "=", "running"),
    );
    const dead = rows.filter((row) => (row.lease_until ?? 0) < now || !isAlive(row.lease_owner ?? ""));
    for (const row of dead) {
      const cancelled = findBatch(db, row.batch_id)?.state === "cancelled";
      db.run(
        db.build
          .updateTable("batch_item")
          .set({ state: cancelled ? "cancelled" : "queued", lease_owner: null, lease_until: null })
          .where("id", "=", row.id),
      );
      if (row.attempts >= SUSPICIOUS) moveToEnd(db, row.batch_id, row.id);
    }
    return dead.length;
  });
}

function moveToEnd(db: Database, batchId: string, itemId: string): void {
  db.run(
    db.build
      .updateTable("batch_item")
      .set((of) => ({
        turn: of
          .selectFrom("batch_item as other")
          .where("other.batch_id", "=", batchId)
          .select(sql<number>`max(other.turn) + 1`.as("turn")),
      }))
      .where("id", "=", itemId),
  );
}

/**
 * Pauses, resumes or cancels a batch. Paused: what runs is finished, nothing new begins. Cancelled: what waits is
 * cancelled now; the process that runs the rest sees it and stops.
 * @param how `leavesItems`: the caller cancels what waits
 * @throws AutochromeError "not-found", or "usage" where the batch's state does not allow it
 */
export function setBatchState(
  db: Database,
  id: string,
  wanted: "active" | "paused" | "cancelled",
  { leavesItems = false } = {},
): Batch {
  return db.transaction(() => {
    const batch = getBatch(db, id);
    if (batch.state !== "active" && batch.state !== "paused") {
      throw new AutochromeError(
        "usage",
        `This batch is already ${batch.state}.`,
        batch.state === "cancelled"
          ? "Start a new batch with the same photos."
          : "Use `autochrome batch retry` to run failed photos again.",
      );
    }
    db.run(db.build.updateTable("batch").set({ state: wanted }).where("id", "=", id));
    if (wanted === "cancelled" && !leavesItems) {
      db.run(
        db.build
          .updateTable("batch_item")
          .set({ state: "cancelled" })
          .where("batch_id", "=", id)
          .where("state", "=", "queued"),
      );
    }
    return { ...batch, state: wanted };
  });
}

/**
 * Queues a batch's failed items again, and only those.
 * @returns how many
 */
export function retryFailed(db: Database, id: string): number {
  return db.transaction(() => {
    getBatch(db, id);
    const count = db.run(
      db.build
        .updateTable("batch_item")
        .set({ state: "queued", error: null, ms: null })
        .where("batch_id", "=", id)
        .where("state", "=", "failed"),
    );
    if (count > 0) db.run(db.build.updateTable("batch").set({ state: "active" }).where("id", "=", id));
    return count;
  });
}

/** @throws AutochromeError "not-found" */
export function getBatch(db: Database, id: string): Batch {
  const batch = findBatch(db, id);
  if (batch !== undefined) return batch;
  throw new AutochromeError(
    "not-found",
    `There is no batch ${id}.`,
    "`autochrome batch list` shows all batches.",
  );
}

function findBatch(db: Database, id: string): Batch | undefined {
  const row = db.get(db.build.selectFrom("batch").selectAll().where("id", "=", id));
  return row === undefined ? undefined : toBatch(row);
}

/** Newest first. */
export function listBatches(db: Database): Batch[] {
  return db.all(db.build.selectFrom("batch").selectAll().orderBy("id", "desc")).map(toBatch);
}

/** Cancels what waits to be done with a photo; what runs is finished. Called inside the transaction that removes the photo. */
export function cancelItemsOf(db: Database, photoId: string): void {
  const cancelled = db.all(
    db.build
      .updateTable("batch_item")
      .set({ state: "cancelled" })
      .where("photo_id", "=", photoId)
      .where("state", "=", "queued")
      .returning("batch_id"),
  );
  for (const id of new Set(cancelled.map((item) => item.batch_id))) finishBatch(db, id);
}

/** How many items are in which state. */
export function countItems(db: Database, batchId: string): Counts {
  const counts: Record<ItemState, number> = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  const rows = db.all(
    db.build
      .selectFrom("batch_item")
      .select(["state", (of) => of.fn.countAll<number>().as("count")])
      .where("batch_id", "=", batchId)
      .groupBy("state"),
  );
  for (const row of rows) counts[row.state as ItemState] = row.count;
  return counts;
}

/** A batch's items in its order. @param after position to go on from; @param limit at most this many */
export function listItems(db: Database, batchId: string, after = -1, limit = 1000): BatchItem[] {
  return db
    .all(
      db.build
        .selectFrom("batch_item")
        .selectAll()
        .where("batch_id", "=", batchId)
        .where("position", ">", after)
        .orderBy("position")
        .limit(limit),
    )
    .map(toItem);
}

export function toBatch(row: BatchTable): Batch {
  return {
    id: row.id,
    state: row.state as BatchState, // the table's own CHECK allows no other
    priority: row.priority,
    executor: row.executor,
    recipe: JSON.parse(row.recipe),
    createdAt: row.created_at,
    workflow: row.workflow ?? undefined,
  };
}

type ItemRow = {
  [Column in keyof BatchItemTable]: Column extends "attempts" | "variant" ? number : BatchItemTable[Column];
};

export function toItem(row: ItemRow): BatchItem {
  return {
    id: row.id,
    batchId: row.batch_id,
    position: row.position,
    photoId: row.photo_id ?? undefined,
    source: row.source,
    sourceHash: row.source_hash ?? undefined,
    target: row.target,
    variant: row.variant,
    tunes: row.tunes ?? undefined,
    state: row.state as ItemState, // the table's own CHECK allows no other
    attempts: row.attempts,
    startedAt: row.started_at ?? undefined,
    ms: row.ms ?? undefined,
    result: row.result === null ? undefined : JSON.parse(row.result),
    error: row.error === null ? undefined : (JSON.parse(row.error) as ErrorRecord),
  };
}
