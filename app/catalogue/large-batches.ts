// Large batches, made and cancelled bit by bit so that whoever waits for the engine never waits long.
// Must never: let an item be claimed before all are there, or after the batch was cancelled.
import { setImmediate } from "node:timers/promises";
import { AutochromeError } from "../kernel/index.ts";
import type { Database } from "./database.ts";
import {
  type Batch,
  getBatch,
  insertBatch,
  insertItems,
  type NewBatch,
  type NewItem,
  noItems,
  setBatchState,
} from "./queue.ts";

/** Items per transaction: a few milliseconds of the engine's time. */
const CHUNK = 40;
/** Cancelling is quicker. */
const CANCELLED = 50;

/**
 * Adds a batch with its items. Until all are there it is paused: what a program that dies meanwhile leaves is a paused
 * batch, and nothing is done without being asked for.
 * @throws AutochromeError "usage" when there are no items, or somebody cancelled it meanwhile; what `items` throws, and an
 *   abort's reason: there is no batch then
 */
export async function fillBatch(
  db: Database,
  batch: NewBatch,
  items: AsyncIterable<NewItem> | Iterable<NewItem>,
  signal?: AbortSignal,
): Promise<Batch> {
  signal?.throwIfAborted();
  const { id } = insertBatch(db, batch, "paused");
  try {
    let position = 0;
    let chunk: NewItem[] = [];
    const put = async () => {
      db.transaction(() => {
        if (getBatch(db, id).state !== "paused") throw changed();
        position += insertItems(db, id, position, chunk);
      });
      chunk = [];
      await setImmediate();
      signal?.throwIfAborted();
    };
    for await (const item of items) {
      chunk.push(item);
      if (chunk.length === CHUNK) await put();
    }
    await put();
    if (position === 0) throw noItems();
    return setBatchState(db, id, "active");
  } catch (thrown) {
    db.run(db.build.deleteFrom("batch").where("id", "=", id));
    throw thrown;
  }
}

/**
 * Cancels a batch: nothing of it begins any more from now on, and what waits is cancelled bit by bit.
 * @throws AutochromeError as setBatchState
 */
export async function cancelBatch(db: Database, id: string): Promise<void> {
  setBatchState(db, id, "cancelled", { leavesItems: true });
  await cancelItems(db, id);
}

/** Goes on with batches that a program was cancelling when it ended. */
export async function cancelLeftOver(db: Database): Promise<void> {
  const query = db.build
    .selectFrom("batch")
    .select("id")
    .where("state", "=", "cancelled")
    .where((of) =>
      of.exists(
        of
          .selectFrom("batch_item")
          .select("batch_item.id")
          .whereRef("batch_item.batch_id", "=", "batch.id")
          .where("batch_item.state", "=", "queued"),
      ),
    );
  for (const { id } of db.all(query)) await cancelItems(db, id);
}

async function cancelItems(db: Database, batchId: string): Promise<void> {
  const some = db.build
    .selectFrom("batch_item")
    .select("id")
    .where("batch_id", "=", batchId)
    .where("state", "=", "queued")
    .limit(CANCELLED);
  const update = db.build
    .updateTable("batch_item")
    .set({ state: "cancelled" })
    .where("id", "in", some)
    .where("state", "=", "queued");
  while (db.run(update) > 0) await setImmediate();
}

function changed(): AutochromeError {
  return new AutochromeError(
    "usage",
    "This batch was cancelled or resumed before all its photos were in it.",
    "Start it again.",
  );
}
