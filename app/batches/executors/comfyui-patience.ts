// Waiting for a ComfyUI server that is away or has too much to do, in words.
//
// Owns: which trouble is waited for and how long. Must never: wait for what cannot get better, or know a request.
import { setTimeout as sleep } from "node:timers/promises";
import type { AutochromeError, ErrorCode } from "../../kernel/index.ts";

/** There is no way to the server. */
export const UNREACHABLE = "server-unreachable" satisfies ErrorCode;
/** It does not let us in. */
export const DENIED = "server-denied" satisfies ErrorCode;
/** It was reached, and does not do its work for this photo. */
export const FAILED = "download-failed" satisfies ErrorCode;

export interface Patience {
  /** The first wait, in milliseconds; it doubles from then on. */
  readonly firstMs: number;
  /** The longest wait, in milliseconds. */
  readonly longestMs: number;
  /** Silence, in milliseconds, after which a connection is given up. */
  readonly stallMs: number;
  /** Attempts against what time does not always heal. */
  readonly tries: number;
}

export const USUAL_PATIENCE: Patience = { firstMs: 500, longestMs: 30_000, stallMs: 60_000, tries: 6 };

/** A question that had no good answer. */
export class ServerTrouble extends Error {
  readonly error: AutochromeError;
  /**
   * "away": there was no answer; "busy": it says to come back; "failing": it does not do its work, and perhaps never will;
   * "lasting": asking again does not help.
   */
  readonly kind: "away" | "busy" | "failing" | "lasting";
  /** How long the server wants to be left alone, in milliseconds. */
  readonly waitMs: number;

  constructor(kind: ServerTrouble["kind"], error: AutochromeError, waitMs = 0) {
    super(error.message, { cause: error });
    this.kind = kind;
    this.error = error;
    this.waitMs = waitMs;
  }
}

/** What is said about a server while a batch waits for it. */
export interface Teller {
  say(trouble: ServerTrouble): void;
  /** This kind of trouble is over. */
  over(kind: ServerTrouble["kind"]): void;
}

/** Says the same only once, however many wait. */
export function createTeller(host: string, tell: (text: string) => void): Teller {
  let said: { readonly kind: ServerTrouble["kind"]; readonly text: string } | undefined;
  return {
    say({ kind, error }) {
      const text = `${error.message} Waiting.`;
      if (said?.text !== text) tell(text);
      said = { kind, text };
    },
    over(kind) {
      if (said?.kind !== kind) return;
      said = undefined;
      if (kind === "away") tell(`The server ${host} answers again.`);
    },
  };
}

/**
 * Repeats an attempt until it succeeds, or there is no use in it.
 * @param options `awayTries`: how often a server that does not answer is tried; unless said otherwise for ever
 * @throws AutochromeError, or the signal's reason
 */
export async function patiently<T>(
  attempt: () => Promise<T>,
  options: {
    readonly patience: Patience;
    readonly teller: Teller;
    readonly signal: AbortSignal | undefined;
    readonly awayTries?: number;
  },
): Promise<T> {
  const { patience, teller, signal, awayTries = Number.POSITIVE_INFINITY } = options;
  const counts = { away: 0, busy: 0, failing: 0, lasting: 0 };
  const most = { away: awayTries, busy: Number.POSITIVE_INFINITY, failing: patience.tries, lasting: 1 };
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (thrown) {
      signal?.throwIfAborted();
      if (!(thrown instanceof ServerTrouble)) throw thrown;
      const { kind, error } = thrown;
      if (++counts[kind] >= most[kind]) throw error;
      teller.say(thrown);
      await pause(waitBefore(failures, thrown.waitMs, patience), signal);
    }
  }
}

/** Milliseconds from the so-many-th failure to the next attempt. */
export function waitBefore(failures: number, wishedMs: number, { firstMs, longestMs }: Patience): number {
  const jitter = 0.5 + Math.random() / 2; // many that were cut off together do not come back together
  return Math.min(longestMs, Math.max(wishedMs, firstMs * 2 ** (failures - 1) * jitter));
}

/** Rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}
