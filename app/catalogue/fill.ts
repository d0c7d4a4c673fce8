// Large batches, made bit by bit so that whoever waits for the engine never waits long.
// Must never: let an item be claimed before all are there.
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
const CHUNK = 100;

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

function changed(): AutochromeError {
  return new AutochromeError(
    "usage",
    "This batch was cancelled or resumed before all its photos were in it.",
    "Start it again.",
  );
}
