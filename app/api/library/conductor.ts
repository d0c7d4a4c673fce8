// Runs what is queued, in this process, one batch at a time and place: the desk's side of batches.
//
// Owns: which batch runs now, what is heard of it, its words and errors for the windows. The queue itself is the
// catalogue's. Must never: lose a batch because a window was closed.
import { z } from "zod";
import { type Executor, isOwnerAlive, ownerName, runBatch } from "../../batches/index.ts";
import {
  type Batch,
  type Counts,
  cancelLeftOver,
  countBatches,
  countItems,
  extendLeases,
  getBatch,
  hasEndedLease,
  type Library,
  type OpenBatch,
  openBatches,
  recentBatches,
  releaseDead,
} from "../../catalogue/index.ts";
import { type Logger, toErrorRecord } from "../../kernel/index.ts";
import type { BatchFacts, Problem } from "./contract.ts";
import type { Doors, EventBus } from "./desk.ts";
import { paced } from "./pace.ts";
import { plain } from "./problems.ts";

export interface Conductor {
  /**
   * Looks into the queue again: something was added, resumed or retried.
   * @param batch it is tried at once even where its place could not work a moment ago; what is left elsewhere of a
   *   cancelled one is cleared away
   */
  wake(batch?: string): void;
  /** As windows see it. @throws AutochromeError "not-found" */
  facts(batch: string): BatchFacts;
  /** All that are not over, and the newest others; newest first. */
  list(): BatchFacts[];
  /** What works at a place. @throws AutochromeError where nothing is set up there */
  executorAt(place: string): Promise<Executor>;
  /** Pauses nothing in the queue; lets go of what is under way. */
  close(): Promise<void>;
}

export interface ConductorOptions {
  readonly library: Library;
  readonly events: EventBus;
  readonly log: Logger;
  readonly executorFor: Doors["executorFor"];
  /** Milliseconds until a batch is tried again whose place cannot work; the last one stays. */
  readonly pauses?: readonly number[];
  /** Milliseconds between two looks for what other programs left or queued. */
  readonly lookEveryMs?: number;
}

const PAUSES = [10_000, 30_000, 60_000, 120_000, 300_000, 600_000];
const LOOK_MS = 5000;
const TELL_MS = 250;
/** Batches that windows are told of. */
const MOST_LISTED = 100;
const LEASE_MS = 30_000;
/** Executors that work at other ones' places. */
const PLACES: Readonly<Record<string, readonly string[]>> = { mixed: ["local", "cluster"] };

/** What is known of a batch besides its rows; since this process began. */
interface Heard {
  /** As the run counts along, so that not every event counts the rows; not after somebody changed the batch meanwhile. */
  counts: Counts | undefined;
  isChanged: boolean;
  device: string | undefined;
  words: string[];
  error: Problem | undefined;
  remaining: { readonly ms: number; readonly at: number } | undefined;
  failures: number;
  /** It is not begun before; milliseconds since 1970. */
  notBefore: number;
}

const UNHEARD = { counts: undefined, isChanged: false, words: [], error: undefined, remaining: undefined };

interface Running {
  readonly batch: string;
  readonly stop: AbortController;
  readonly over: Promise<void>;
}

/** Begins at once with what an earlier process left. */
export function createConductor(options: ConductorOptions): Conductor {
  const { library, events, log, executorFor, pauses = PAUSES } = options;
  const { db } = library;
  const heard = new Map<string, Heard>();
  /** By the executor's name. */
  const running = new Map<string, Running>();
  const listeners = new Map<string, (text: string) => void>();
  let isClosed = false;

  const heardOf = (id: string): Heard => {
    const known = heard.get(id);
    if (known !== undefined) return known;
    const fresh: Heard = { ...UNHEARD, device: undefined, failures: 0, notBefore: 0 };
    heard.set(id, fresh);
    return fresh;
  };

  const untold = new Set<string>();
  const telling = paced(TELL_MS, () => {
    try {
      for (const id of untold) events.publish({ type: "batch", batch: factsOf(getBatch(db, id)) });
    } catch (thrown) {
      log.warn({ error: toErrorRecord(thrown) }, "what became of a batch could not be told");
    }
    untold.clear();
  });
  const tell = (id: string) => {
    untold.add(id);
    telling.ask();
  };

  function factsOf(batch: Batch, counted?: Counts): BatchFacts {
    const { words, error, remaining, device, counts } = heardOf(batch.id);
    const isActive = batch.state === "active";
    const isRunning = running.get(batch.executor)?.batch === batch.id;
    return {
      id: batch.id,
      state: batch.state,
      createdAt: batch.createdAt,
      executor: batch.executor,
      ...(device === undefined ? {} : { device }),
      workflow: batch.workflow ?? workflowOf(batch.recipe),
      counts: counted ?? (isRunning && isActive ? counts : undefined) ?? countItems(db, batch.id),
      ...(isRunning && isActive && remaining !== undefined
        ? { remainingMs: Math.max(0, Math.round(remaining.ms - (Date.now() - remaining.at))) }
        : {}),
      words: isRunning ? words : [],
      ...(isActive && error !== undefined ? { error } : {}),
    };
  }

  function executorAt(place: string): Promise<Executor> {
    // One listener for each place, since executors may be kept: what it hears is about the batch that runs there then.
    const listener =
      listeners.get(place) ??
      ((text: string) => {
        const batch = running.get(place)?.batch;
        if (batch === undefined) return;
        heardOf(batch).words = text.split("\n").filter((line) => line.trim() !== "");
        tell(batch);
      });
    listeners.set(place, listener);
    return executorFor(place, listener);
  }

  async function run(id: string, place: string, signal: AbortSignal): Promise<void> {
    const own = heardOf(id);
    Object.assign(own, UNHEARD);
    tell(id);
    let finished = 0;
    try {
      const executor = await executorAt(place);
      const counts = await runBatch({
        ...{ library, executor, batch: id, log, stop: signal },
        onItem({ item, status, progress }) {
          finished++;
          own.failures = 0;
          own.counts = own.isChanged ? undefined : progress.counts;
          own.remaining = { ms: progress.remainingMs, at: Date.now() };
          if (executor.device !== "auto") own.device = executor.device;
          tell(id);
          if (item.photoId !== undefined && status !== "skipped") {
            events.publish({ type: "photos", ids: [item.photoId] });
          }
        },
      });
      own.failures = 0;
      // Nothing was done, and no reason given: not to be tried again and again without a breath.
      if (finished === 0 && counts.queued > 0) own.notBefore = Date.now() + (pauses[0] ?? 0);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toErrorRecord(thrown);
      log.warn({ batch: id, place, error }, "a batch stands still");
      own.error = plain(error);
      own.notBefore = Date.now() + (pauses[Math.min(own.failures, pauses.length - 1)] ?? 0);
      own.failures++;
    }
  }

  const isFree = (place: string) => {
    const taken = [...running.keys()].flatMap((name) => PLACES[name] ?? [name]);
    return (PLACES[place] ?? [place]).every((name) => !taken.includes(name));
  };

  function begin({ id, executor }: OpenBatch): void {
    const stop = new AbortController();
    const over = run(id, executor, stop.signal).finally(() => {
      running.delete(executor);
      heardOf(id).words = [];
      tell(id);
      events.publish({ type: "library" });
      look();
    });
    running.set(executor, { batch: id, stop, over });
  }

  function look(): void {
    if (isClosed) return;
    try {
      const self = ownerName();
      if (hasEndedLease(db, Date.now())) {
        // After a sleep of the computer our own may have ended, too; whoever runs here still has them.
        if (running.size > 0) extendLeases(db, self, Date.now() + LEASE_MS);
        releaseDead(db, remembered(isOwnerAlive), Date.now());
      }
      for (const open of openBatches(db, [...running.keys()])) {
        if (!open.hasQueued || !isFree(open.executor)) continue;
        if (open.owners.some((owner) => owner !== self)) continue; // another program runs it
        if (heardOf(open.id).notBefore <= Date.now()) begin(open);
      }
    } catch (thrown) {
      log.warn({ error: toErrorRecord(thrown) }, "the queue could not be looked at; it is tried again");
    }
  }

  async function clearAway(batch: Batch): Promise<void> {
    try {
      const executor = await executorAt(batch.executor);
      await executor.end?.(batch.id);
    } catch (thrown) {
      log.warn({ batch: batch.id, error: toErrorRecord(thrown) }, "nothing could be cleared away");
    }
  }

  const timer = setInterval(look, options.lookEveryMs ?? LOOK_MS).unref();
  releaseDead(db, remembered(isOwnerAlive), Date.now());
  const sweeping = cancelLeftOver(db).catch((thrown: unknown) => {
    log.warn({ error: toErrorRecord(thrown) }, "a batch could not be cancelled to its end");
  });
  look();

  return {
    wake(id) {
      if (isClosed) return;
      if (id !== undefined) {
        const batch = getBatch(db, id);
        Object.assign(heardOf(id), { notBefore: 0, isChanged: true, counts: undefined });
        const isHere = running.get(batch.executor)?.batch === id;
        if (batch.state === "cancelled" && !isHere && batch.executor !== "local") void clearAway(batch);
        tell(id);
      }
      look();
    },
    facts: (id) => factsOf(getBatch(db, id), countItems(db, id)),
    list() {
      const batches = recentBatches(db, MOST_LISTED);
      const counts = countBatches(
        db,
        batches.map(({ id }) => id),
      );
      return batches.map((batch) => factsOf(batch, counts.get(batch.id)));
    },
    executorAt,
    async close() {
      isClosed = true;
      clearInterval(timer);
      for (const { stop } of running.values()) stop.abort();
      await Promise.allSettled([...running.values()].map(({ over }) => over));
      await sweeping;
      telling.end();
    },
  };
}

const recipeSchema = z.object({
  variants: z.array(z.object({ name: z.string() })),
  tunes: z.boolean().default(false),
});

/** What a batch does, where nobody noted what was asked for: those of the command line, and tunings. */
function workflowOf(recipe: unknown): string {
  const { data } = recipeSchema.safeParse(recipe);
  if (data === undefined) return "";
  if (data.tunes) return "tune";
  const names = [...new Set(data.variants.map(({ name }) => name))];
  return names.slice(0, 4).join(", ");
}

function remembered(ask: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const answer = known.get(name) ?? ask(name);
    known.set(name, answer);
    return answer;
  };
}
