// Runs the queue: claims items, hands them to the executor, records what came out.
//
// Owns: how many items are under way, heartbeats, pause and cancel as seen from the running process, retries of crashes.
// Must never: lose an item: whatever happens, it is done, failed, cancelled, or claimable again.
import { isAbsolute, join, relative, sep } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import {
  type Batch,
  type BatchItem,
  type Counts,
  claimItem,
  completeItem,
  countItems,
  extendLeases,
  failItem,
  findVersion,
  getBatch,
  type Library,
  type NewVersion,
  releaseDead,
  releaseItem,
} from "../catalogue/index.ts";
import {
  AutochromeError,
  type ErrorRecord,
  type Logger,
  newId,
  SOFTWARE,
  toErrorRecord,
} from "../kernel/index.ts";
import { type ApiGraph, apiGraphSchema, isLink } from "../workflow/index.ts";
import { type Executor, isAboutPlace, type JobResult, type PhotoResult } from "./executor.ts";
import { masksFolder } from "./masks.ts";
import { isOwnerAlive, ownerName } from "./owner.ts";

/** What a batch does to its items; stored with it. */
export const planSchema = z.strictObject({
  /** Each item names one of them: photos may go through several, to choose from. */
  variants: z.array(z.strictObject({ name: z.string(), graph: apiGraphSchema })).min(1),
  existing: z.enum(["adopt", "skip", "overwrite"]),
  /** The network may see photos smaller than the graphs say where memory does not suffice. */
  mayShrink: z.boolean(),
  /** Items tune the colours of versions: no network has to be ready. */
  tunes: z.boolean().default(false),
});
type StoredPlan = Readonly<z.infer<typeof planSchema>>;
export type Plan = Omit<StoredPlan, "tunes"> & Partial<Pick<StoredPlan, "tunes">>;
export type Variant = Plan["variants"][number];

/** What versions that no network had a part in have for a model. */
const NO_MODEL = "none";

export interface ItemEvent {
  readonly item: BatchItem;
  /** Which variant it is, where there are several. */
  readonly variant: string | undefined;
  readonly status: "done" | "skipped" | "failed" | "cancelled";
  readonly result?: JobResult;
  readonly error?: ErrorRecord;
  /** From claim to record, in milliseconds. */
  readonly ms: number;
  readonly progress: Progress;
}

export interface Progress {
  readonly counts: Counts;
  /** Estimated from this run's pace. */
  readonly remainingMs: number;
}

export interface RunOptions {
  readonly library: Library;
  readonly executor: Executor;
  /** Run this batch and no other. */
  readonly batch: string;
  readonly log: Logger;
  /** Aborted: finish what is under way here, begin nothing new. */
  readonly drain?: AbortSignal;
  /** Aborted: stop at once; items under way go back to the queue. */
  readonly stop?: AbortSignal;
  readonly onItem?: (event: ItemEvent) => void;
}

const LEASE_MS = 30_000;
const TICK_MS = 400;
/** Items that are claimed without a pause. */
const CLAIMS = 50;
/** A crash may have been bad luck; the same item gets this many attempts. */
const CRASH_ATTEMPTS = 2;

/**
 * Runs a batch until nothing of it is left to claim, or until it is paused, cancelled, drained or stopped.
 * @returns the counts at the end
 * @throws AutochromeError when the graph cannot be run here at all (nothing was claimed then), and when the executor as a
 * whole cannot go on: what is not done waits in the queue
 */
export async function runBatch(options: RunOptions): Promise<Counts> {
  const { library, executor } = options;
  const db = library.db;
  const batch = getBatch(db, options.batch);
  const plan = planOf(batch);
  const log = options.log.child({ batch: batch.id });
  const owner = ownerName();
  releaseDead(db, isOwnerAlive, Date.now());
  for (const { graph } of plan.variants) await executor.prepare(graph, { networks: !plan.tunes });

  const under = new Map<string, { readonly abort: AbortController; readonly work: Promise<void> }>();
  const started = Date.now();
  let finished = 0;
  let halt: unknown; // why the executor cannot go on
  let wake = (): void => undefined;

  // Counted along instead of asked for: a count reads the whole batch.
  const counts = { ...countItems(db, batch.id) };
  const report = (
    item: BatchItem,
    event: Pick<ItemEvent, "status" | "result" | "error">,
    ms: number,
  ): void => {
    counts.running--;
    counts[event.status === "skipped" ? "done" : event.status]++;
    finished++;
    const left = counts.queued + counts.running;
    const remainingMs = ((Date.now() - started) / finished) * left;
    const variant = plan.variants.length > 1 ? plan.variants[item.variant]?.name : undefined;
    options.onItem?.({ item, variant, ms, progress: { counts: { ...counts }, remainingMs }, ...event });
  };

  async function work(item: BatchItem, signal: AbortSignal): Promise<void> {
    const begun = performance.now();
    const elapsed = () => Math.round(performance.now() - begun);
    try {
      const result = await executor.run(
        {
          batchId: batch.id,
          itemId: item.id,
          source: item.source,
          sourceHash: item.sourceHash,
          target: isAbsolute(item.target) ? item.target : join(library.folder, item.target),
          existing: plan.existing,
          graph: graphOf(plan, item),
          mayShrink: plan.mayShrink,
          keepColours: item.photoId !== undefined,
          colours: coloursOf(library, item),
          masks: item.photoId === undefined ? undefined : masksFolder(library),
          createdAt: item.startedAt ?? batch.createdAt,
        },
        signal,
      );
      const ms = elapsed();
      const version =
        item.photoId === undefined || result.status !== "done"
          ? undefined
          : versionOf(library, batch, item, result);
      const mine = completeItem(db, item, owner, {
        ms,
        result,
        ...(version === undefined ? {} : { version }),
      });
      if (!mine) return log.warn({ item: item.id }, "the lease was lost; another process has this item");
      log.info({ item: item.id, ms, status: result.status }, "item done");
      report(item, { status: result.status, result }, ms);
    } catch (thrown) {
      if (signal.aborted) {
        releaseItem(db, item, owner);
        return getBatch(db, batch.id).state === "cancelled"
          ? report(item, { status: "cancelled" }, elapsed())
          : undefined;
      }
      const error = toErrorRecord(thrown, item.source);
      if (error.code === "inference-failed" && item.attempts < CRASH_ATTEMPTS) {
        log.warn({ item: item.id, error }, "trying again");
        counts.running--;
        counts.queued++;
        return releaseItem(db, item, owner);
      }
      if (isAboutPlace(error)) {
        halt ??= thrown;
        counts.running--;
        counts.queued++;
        releaseItem(db, item, owner);
        return stopAll();
      }
      log.error({ item: item.id, error }, "item failed");
      if (failItem(db, item, owner, { ms: elapsed(), error }))
        report(item, { status: "failed", error }, elapsed());
    }
  }

  const stopAll = () => {
    for (const { abort } of under.values()) abort.abort();
    wake();
  };
  options.stop?.addEventListener("abort", stopAll, { once: true });
  const isEnding = () =>
    options.drain?.aborted === true || options.stop?.aborted === true || halt !== undefined;
  const onDrain = executor.goesOnAlone === true ? stopAll : () => wake();
  options.drain?.addEventListener("abort", onDrain, { once: true });
  let extended = Date.now();
  const timer = setInterval(() => {
    // A batch of thousands may be under way at once elsewhere: not more often than needed.
    if (Date.now() - extended > LEASE_MS / 3) {
      extended = Date.now();
      extendLeases(db, owner, extended + LEASE_MS);
    }
    if (getBatch(db, batch.id).state === "cancelled") stopAll();
    wake();
  }, TICK_MS);

  try {
    for (;;) {
      for (let claimed = 1; !isEnding() && under.size < executor.capacity; claimed++) {
        // Ten thousand claims in one go would keep the loop from heartbeats and from everybody else.
        if (claimed % CLAIMS === 0) await turn();
        const item = claimItem(db, owner, Date.now() + LEASE_MS, executor.name, batch.id);
        if (item === undefined) break;
        counts.queued--;
        counts.running++;
        const abort = new AbortController();
        const job = work(item, abort.signal).finally(() => {
          under.delete(item.id);
          wake();
        });
        under.set(item.id, { abort, work: job });
      }
      if (under.size === 0) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    clearInterval(timer);
    options.stop?.removeEventListener("abort", stopAll);
    options.drain?.removeEventListener("abort", onDrain);
    await Promise.allSettled([...under.values()].map((entry) => entry.work));
  }
  if (halt !== undefined) throw halt;
  const { state } = getBatch(db, batch.id);
  if (executor.end !== undefined && (state === "finished" || state === "cancelled")) {
    await executor.end(batch.id).catch((error) => log.warn({ err: error }, "nothing could be cleared away"));
  }
  return countItems(db, batch.id);
}

function versionOf(library: Library, batch: Batch, item: BatchItem, result: PhotoResult): NewVersion {
  const [first] = result.models;
  return {
    id: newId(),
    photoId: item.photoId ?? "",
    itemId: item.id,
    file: withinLibrary(library, result.output),
    fileHash: result.outputHash,
    width: result.width,
    height: result.height,
    format: result.format,
    chroma: result.colours === undefined ? undefined : withinLibrary(library, result.colours),
    sourceHash: result.sourceHash,
    workflow: result.graph,
    parameters: {
      nodes: widgetsOf(result.graph),
      models: result.models,
      // Its colours came from that version's, rounded as they are kept.
      ...(item.tunes === undefined ? {} : { tunes: item.tunes }),
    },
    // A graph may run several; all are among the parameters.
    modelId: first?.id ?? NO_MODEL,
    modelSha256: first?.sha256 ?? "",
    device: result.device,
    program: SOFTWARE,
    notes: result.notes,
    createdAt: item.startedAt ?? batch.createdAt,
  };
}

function planOf(batch: Batch): StoredPlan {
  const plan = planSchema.safeParse(batch.recipe);
  if (plan.success) return plan.data;
  throw new AutochromeError(
    "workflow-invalid",
    "This batch was made by another edition of Autochrome, which described its work differently.",
    "Start a new batch with the same photos.",
    { cause: plan.error },
  );
}

function withinLibrary(library: Library, path: string): string {
  return relative(library.folder, path).split(sep).join("/");
}

function graphOf(plan: Plan, item: BatchItem): ApiGraph {
  const variant = plan.variants[item.variant];
  if (variant === undefined)
    throw new Error(`item ${item.id} is of variant ${item.variant}, which is not there`);
  return variant.graph;
}

/** Absolute path of the colours that an item tunes. @throws AutochromeError "not-found" where its version is gone */
function coloursOf(library: Library, item: BatchItem): string | undefined {
  if (item.tunes === undefined) return undefined;
  const chroma = findVersion(library.db, item.tunes)?.chroma;
  if (chroma !== undefined) return join(library.folder, chroma);
  throw new AutochromeError(
    "not-found",
    "The version whose colours were to be tuned is gone.",
    "Colour the photo anew, then tune that version.",
  );
}

/** The widgets of a graph's nodes, by node id. */
function widgetsOf(graph: ApiGraph): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(graph).map(([id, { inputs }]) => [
      id,
      Object.fromEntries(Object.entries(inputs).filter(([, value]) => !isLink(value))),
    ]),
  );
}
