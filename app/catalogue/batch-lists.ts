// Looks at the queue for those who show it or decide what runs next. Must never: change it.
import { sql } from "kysely";
import type { Database } from "./database.ts";
import { type Batch, type BatchItem, type Counts, type ItemState, toBatch, toItem } from "./queue.ts";

/** What a look at a batch's place in the queue tells. */
export interface OpenBatch {
  readonly id: string;
  readonly executor: string;
  /** Items that can be claimed now. */
  readonly hasQueued: boolean;
  /** Who runs items of it; see ownerName in app/batches. */
  readonly owners: readonly string[];
}

/**
 * Active batches in the order in which they are worked off.
 * @param except executors whose batches are not asked for
 */
export function openBatches(db: Database, except: readonly string[]): OpenBatch[] {
  const query = db.build
    .selectFrom("batch")
    .select((of) => [
      "id",
      "executor",
      of
        .exists(
          of
            .selectFrom("batch_item")
            .select("batch_item.id")
            .whereRef("batch_item.batch_id", "=", "batch.id")
            .where("batch_item.state", "=", "queued"),
        )
        .as("queued"),
      of
        .selectFrom("batch_item")
        .select(sql<string>`json_group_array(distinct lease_owner)`.as("owners"))
        .whereRef("batch_item.batch_id", "=", "batch.id")
        .where("batch_item.state", "=", "running")
        .as("owners"),
    ])
    .where("state", "=", "active")
    .where("executor", "not in", [...except])
    .orderBy("priority", "desc")
    .orderBy("id");
  return db.all(query).map(({ id, executor, queued, owners }) => ({
    id,
    executor,
    hasQueued: Boolean(queued),
    owners: JSON.parse(owners ?? "[]"),
  }));
}

/** Whether an item runs under a lease that has ended. @param now milliseconds since 1970 */
export function hasEndedLease(db: Database, now: number): boolean {
  const query = db.build
    .selectFrom("batch_item")
    .select("lease_until")
    .where(sql<boolean>`state = 'running'`) // as the index says it
    .where("lease_until", "<", now)
    .limit(1);
  return db.get(query) !== undefined;
}

/** Batches that are not over, and the newest others up to so many in all; newest first. */
export function recentBatches(db: Database, most: number): Batch[] {
  const newest = db.build.selectFrom("batch").select("id").orderBy("id", "desc").limit(most);
  const query = db.build
    .selectFrom("batch")
    .selectAll()
    .where((of) => of.or([of("id", "in", newest), of("state", "in", ["active", "paused"])]))
    .orderBy("id", "desc");
  return db.all(query).map(toBatch);
}

/** How many items of each of these batches are in which state. */
export function countBatches(db: Database, ids: readonly string[]): ReadonlyMap<string, Counts> {
  const counts = new Map<string, Record<ItemState, number>>();
  for (const id of ids) counts.set(id, { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 });
  const query = db.build
    .selectFrom("batch_item")
    .select((of) => ["batch_id", "state", of.fn.countAll<number>().as("count")])
    .where("batch_id", "in", [...ids])
    .groupBy(["batch_id", "state"]);
  for (const { batch_id, state, count } of ids.length === 0 ? [] : db.all(query)) {
    const own = counts.get(batch_id);
    if (own !== undefined) own[state as ItemState] = count; // the table's own CHECK allows no other
  }
  return counts;
}

/**
 * A batch's items in its order.
 * @param page `after`: position to go on from; `limit`: at most so many
 */
export function itemsOf(
  db: Database,
  batchId: string,
  page: { readonly state?: ItemState | undefined; readonly after: number; readonly limit: number },
): BatchItem[] {
  let query = db.build
    .selectFrom("batch_item")
    .selectAll()
    .where("batch_id", "=", batchId)
    .where("position", ">", page.after)
    .orderBy("position")
    .limit(page.limit);
  if (page.state !== undefined) query = query.where("state", "=", page.state);
  return db.all(query).map(toItem);
}
