// `batch run|list|show|pause|resume|cancel|retry`: the library's queue.
import {
  isAboutPlace,
  isOwnerAlive,
  type Plan,
  queuePhotos,
  runBatch,
  type Selection,
  selectPhotos,
} from "../../../app/batches/index.ts";
import {
  type Batch,
  countItems,
  countPhotos,
  getBatch,
  type Library,
  listBatches,
  listItems,
  releaseDead,
  retryFailed,
  setBatchState,
} from "../../../app/catalogue/index.ts";
import { type Config, toErrorRecord } from "../../../app/kernel/index.ts";
import { createEngine, type Engine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { duration, type Output, printable } from "../output.ts";
import { placeFor } from "../place.ts";
import { type PlanFlags, planFrom } from "../plan.ts";
import { reportItem, type Tally, tallySentence } from "../report.ts";
import { isSuggestionWished, suggestedPlan } from "../suggested.ts";

export interface LibraryFlag {
  readonly library?: string;
}

/** Where the network runs. */
export interface DeviceFlag {
  readonly device?: Config["device"];
}

export interface BatchRunFlags extends PlanFlags, LibraryFlag, DeviceFlag {
  readonly album?: string;
  readonly photo?: readonly string[];
  readonly all?: boolean;
  readonly priority?: number;
  readonly on?: string;
}

/** Opens the library, does the work, closes everything. */
export async function withEngine(
  flags: LibraryFlag & DeviceFlag,
  output: Output,
  work: (engine: Engine, library: Library) => Promise<number>,
): Promise<number> {
  const engine = createEngine({ library: flags.library, device: flags.device }, output.say);
  try {
    return await work(engine, await engine.library());
  } finally {
    await engine.close();
  }
}

export function batchRun(flags: BatchRunFlags, output: Output): Promise<number> {
  return withEngine(flags, output, async (engine, library) => {
    const selection =
      flags.photo !== undefined
        ? { photos: flags.photo }
        : flags.album !== undefined
          ? { album: flags.album }
          : {};
    const photos = flags.photo?.length ?? countPhotos(library, { missing: false, album: flags.album });
    const howFor = async (plan: Plan, each: number) => {
      const executor = await placeFor(engine, flags.on ?? "auto", plan, photos * each, output.say);
      await engine.executorFor(executor); // what is not set up is told before anything is queued
      return { executor, priority: flags.priority ?? 0 };
    };
    let batch: Batch;
    if (isSuggestionWished(engine, flags)) {
      const suggested = await suggestedPlan(engine, flags, "adopt", output.say);
      batch = await queueSuggested(library, selection, suggested, await howFor(suggested.plan, 1), output);
    } else {
      const plan = await planFrom(engine.config, flags, "adopt", output.say);
      batch = queuePhotos(library, selection, plan, await howFor(plan, plan.variants.length));
    }
    output.line({ batch: batch.id });
    output.say(`Batch ${batch.id}`);
    return runQueued(engine, library, batch.id, output);
  });
}

/** Looks at every photo before anything is queued, so that each gets its preset. */
async function queueSuggested(
  library: Library,
  selection: Selection,
  { plan, choose }: Awaited<ReturnType<typeof suggestedPlan>>,
  how: { readonly executor: string; readonly priority: number },
  output: Output,
): Promise<Batch> {
  const interrupt = listenForInterrupt(output);
  try {
    const photos = [...selectPhotos(library, selection)];
    const chosen = new Map<string, number>();
    for (const { id, path } of photos) {
      output.progress({ done: chosen.size, total: photos.length, failed: 0, remainingMs: undefined });
      chosen.set(id, await choose(path, interrupt.drain));
    }
    return queuePhotos(library, selection, plan, how, ({ id }) => {
      const variant = chosen.get(id);
      return variant === undefined ? [] : [variant];
    });
  } finally {
    interrupt.release();
  }
}

export function batchResume(id: string, flags: LibraryFlag & DeviceFlag, output: Output): Promise<number> {
  return withEngine(flags, output, async (engine, library) => {
    const batch = getBatch(library.db, id);
    if (batch.state !== "finished") setBatchState(library.db, id, "active");
    output.line({ batch: id });
    return runQueued(engine, library, id, output);
  });
}

export function batchRetry(id: string, flags: LibraryFlag & DeviceFlag, output: Output): Promise<number> {
  return withEngine(flags, output, async (engine, library) => {
    const count = retryFailed(library.db, id);
    output.line({ batch: id, retried: count });
    output.say(`${count} failed ${count === 1 ? "photo is" : "photos are"} tried again.`);
    return runQueued(engine, library, id, output);
  });
}

/** Runs a batch that is queued, and tells how it goes. */
export async function runQueued(
  engine: Engine,
  library: Library,
  id: string,
  output: Output,
): Promise<number> {
  const executor = await engine.executorFor(getBatch(library.db, id).executor);
  const interrupt = listenForInterrupt(output, executor.goesOnAlone);
  const started = Date.now();
  const tally: Tally = { done: 0, failed: 0, skipped: 0 };
  try {
    const counts = await runBatch({
      library,
      executor,
      batch: id,
      log: engine.log,
      drain: interrupt.drain,
      stop: interrupt.stop,
      onItem: (event) => reportItem(output, event, tally),
    });
    const seconds = (Date.now() - started) / 1000;
    const { state } = getBatch(library.db, id);
    output.summary(
      { batch: id, state, ...tally, counts, seconds, device: executor.device },
      tallySentence(tally, seconds),
    );
    if (interrupt.drain.aborted) {
      output.say(`Go on with: autochrome batch resume ${id}`);
      return EXIT.interrupted;
    }
    return tally.failed > 0 ? EXIT.failed : EXIT.ok;
  } catch (thrown) {
    if (isAboutPlace(toErrorRecord(thrown))) {
      output.say(`Photos that are not done wait in the queue. Go on with: autochrome batch resume ${id}`);
    }
    throw thrown;
  } finally {
    interrupt.release();
  }
}

export function batchList(flags: LibraryFlag, output: Output): Promise<number> {
  return withEngine(flags, output, async (_, library) => {
    const batches = listBatches(library.db);
    for (const batch of batches) show(library, batch, output);
    output.summary(
      { batches: batches.length },
      `${batches.length} ${batches.length === 1 ? "batch" : "batches"}.`,
    );
    return EXIT.ok;
  });
}

export function batchShow(id: string, flags: LibraryFlag, output: Output): Promise<number> {
  return withEngine(flags, output, async (_, library) => {
    const { db } = library;
    releaseDead(db, isOwnerAlive, Date.now());
    const batch = getBatch(db, id);
    for (let after = -1; ; ) {
      const items = listItems(db, id, after);
      if (items.length === 0) break;
      for (const item of items) {
        output.line({
          item: item.id,
          photo: item.photoId ?? null,
          file: item.source,
          state: item.state,
          attempts: item.attempts,
          ms: item.ms ?? null,
          ...(item.error === undefined ? {} : { error: item.error }),
        });
        const why = item.error === undefined ? "" : `  ${item.error.message}`;
        output.result(`${item.state.padEnd(9)}  ${printable(item.source)}${why}`);
        after = item.position;
      }
    }
    const counts = countItems(db, id);
    output.summary({ batch: id, state: batch.state, ...counts }, sentence(batch, counts));
    return EXIT.ok;
  });
}

export function batchPause(id: string, flags: LibraryFlag, output: Output): Promise<number> {
  return change(id, "paused", flags, output);
}

export function batchCancel(id: string, flags: LibraryFlag, output: Output): Promise<number> {
  return change(id, "cancelled", flags, output);
}

function change(
  id: string,
  state: "paused" | "cancelled",
  flags: LibraryFlag,
  output: Output,
): Promise<number> {
  return withEngine(flags, output, async (engine, library) => {
    const batch = setBatchState(library.db, id, state);
    releaseDead(library.db, isOwnerAlive, Date.now());
    if (state === "cancelled" && batch.executor !== "local") {
      const executor = await engine.executorFor(batch.executor);
      await executor.end?.(id); // also where no process runs it now
    }
    const counts = countItems(library.db, id);
    output.summary({ batch: id, state, ...counts }, sentence(batch, counts));
    return EXIT.ok;
  });
}

function show(library: Library, batch: Batch, output: Output): void {
  const counts = countItems(library.db, batch.id);
  output.line({ batch: batch.id, state: batch.state, createdAt: batch.createdAt, ...counts });
  output.result(sentence(batch, counts));
}

function sentence(batch: Batch, counts: ReturnType<typeof countItems>): string {
  const parts = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`);
  const age = duration(Date.now() - Date.parse(batch.createdAt));
  return `${batch.id}  ${batch.state}: ${parts.join(", ")} (made ${age} ago)`;
}
