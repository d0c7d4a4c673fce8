// Tuning tables of the versions that somebody looks at now.
//
// Owns: how many are kept open, for how long, and that of several looks at a version only the latest is made.
// Must never: hold on to a table that nobody looks at.
import type { TuningTable } from "../../batches/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import type { Tune } from "./contract.ts";

export interface TuningTables {
  /**
   * A look at a version with other colours, a JPEG.
   * @throws AutochromeError "interrupted" when a later look at the version was asked for meanwhile; as openTuning; an abort
   *   rejects with the signal's reason
   */
  look(version: string, tune: Tune, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface TuningTablesOptions {
  readonly open: (version: string) => Promise<TuningTable>;
  /** Tables that are open at most; each holds some hundred megabytes at worst. */
  readonly most?: number;
  readonly idleMs?: number;
}

interface Entry {
  readonly table: Promise<TuningTable>;
  latest: AbortController | undefined;
  timer: NodeJS.Timeout | undefined;
}

const MOST = 3;
const IDLE_MS = 60_000;

export function createTuningTables({
  open,
  most = MOST,
  idleMs = IDLE_MS,
}: TuningTablesOptions): TuningTables {
  /** The one that was looked at last is the last. */
  const entries = new Map<string, Entry>();
  const closings = new Set<Promise<void>>();

  function drop(version: string, entry: Entry): void {
    if (entries.get(version) === entry) entries.delete(version);
    clearTimeout(entry.timer);
    entry.latest?.abort(superseded());
    const closing: Promise<void> = entry.table
      .then((table) => table.close())
      .catch(() => undefined) // it never opened, which whoever asked has heard
      .finally(() => closings.delete(closing));
    closings.add(closing);
  }

  function entryFor(version: string): Entry {
    const entry = entries.get(version) ?? { table: open(version), latest: undefined, timer: undefined };
    entries.delete(version);
    entries.set(version, entry);
    for (const [oldest, other] of entries) {
      if (entries.size <= most) break;
      drop(oldest, other);
    }
    return entry;
  }

  return {
    async look(version, tune, signal) {
      signal.throwIfAborted();
      const entry = entryFor(version);
      clearTimeout(entry.timer);
      entry.latest?.abort(superseded());
      const own = new AbortController();
      entry.latest = own;
      try {
        const table = await entry.table.catch((thrown: unknown) => {
          drop(version, entry);
          throw thrown;
        });
        const either = AbortSignal.any([own.signal, signal]);
        either.throwIfAborted();
        return await table.look(tune, either);
      } finally {
        if (entry.latest === own && entries.get(version) === entry) {
          entry.latest = undefined;
          entry.timer = setTimeout(() => drop(version, entry), idleMs).unref();
        }
      }
    },
    async close() {
      for (const [version, entry] of [...entries]) drop(version, entry);
      await Promise.all(closings);
    },
  };
}

function superseded(): AutochromeError {
  return new AutochromeError(
    "interrupted",
    "Another look at this version was asked for.",
    "Wait for that one.",
  );
}
