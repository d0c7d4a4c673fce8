// What goes wrong between here and a store, and whether to try again.
//
// Owns: those judgements, their sentences, and the waiting between attempts. Must never: wait without an end.
import { setTimeout as sleep } from "node:timers/promises";
import { AutochromeError, toErrorRecord } from "../../kernel/index.ts";

export type Doing = "read" | "write" | "list" | "delete" | "grant";

/** An attempt that failed. "now": something was learnt from it, and the next one will go another way. */
export class StoreTrouble extends Error {
  readonly error: AutochromeError;
  readonly again: "never" | "later" | "now";
  /** How long the store wants to be left alone, in milliseconds. */
  readonly waitMs: number;

  constructor(error: AutochromeError, again: StoreTrouble["again"], waitMs = 0) {
    super(error.message, { cause: error });
    this.error = error;
    this.again = again;
    this.waitMs = waitMs;
  }
}

export interface Patience {
  /** How often an attempt is repeated without any progress in between. */
  readonly retries: number;
  /** The first wait, in milliseconds; it doubles from then on. */
  readonly backoffMs: number;
  /** The longest wait, in milliseconds, whatever the store asks for. */
  readonly longestWaitMs: number;
  /** Silence, in milliseconds, after which a connection is given up. */
  readonly stallMs: number;
}

export const USUAL_PATIENCE: Patience = {
  retries: 6,
  backoffMs: 500,
  longestWaitMs: 30_000,
  stallMs: 60_000,
};

/** So many bytes more than ever before are progress. */
const GAIN = 64 * 1024;

/**
 * Repeats an attempt until it succeeds, or there is no use in it.
 * @param options `progress`: bytes that were achieved; an attempt that got further than any before it begins the count anew
 * @throws AutochromeError of the last attempt, or the signal's reason
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  judge: (error: unknown) => StoreTrouble,
  options: {
    readonly patience: Patience;
    readonly signal: AbortSignal | undefined;
    readonly progress?: () => number;
  },
): Promise<T> {
  const { patience, signal, progress = () => 0 } = options;
  let most = progress();
  for (let failures = 1; ; failures++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof AutochromeError) throw error;
      const trouble = error instanceof StoreTrouble ? error : judge(error);
      if (progress() >= most + GAIN) failures = 1;
      most = Math.max(most, progress());
      if (trouble.again === "never" || failures > patience.retries) throw trouble.error;
      const waitMs = waitBefore(failures, trouble, patience);
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch((reason: unknown) => {
        signal?.throwIfAborted();
        throw reason;
      });
    }
  }
}

/** Milliseconds from the so-many-th failure to the next attempt. */
export function waitBefore(failures: number, trouble: StoreTrouble, patience: Patience): number {
  const jitter = 0.5 + Math.random() / 2; // many that were cut off together do not come back together
  const backoff = Math.min(patience.longestWaitMs, patience.backoffMs * 2 ** (failures - 1)) * jitter;
  const waitMs = Math.max(trouble.again === "now" ? 0 : backoff, trouble.waitMs);
  return Math.min(patience.longestWaitMs, waitMs);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known on this network",
  EAI_AGAIN: "its name cannot be looked up",
  ECONNREFUSED: "it refuses the connection",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  ENETDOWN: "there is no way to it",
  ETIMEDOUT: "it does not answer",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
  UND_ERR_HEADERS_TIMEOUT: "it does not answer",
  UND_ERR_BODY_TIMEOUT: "it stopped sending",
  AUTOCHROME_STALLED: "it stopped sending",
};
const BROKEN =
  /^(ECONNRESET|ECONNABORTED|EPIPE|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_SOCKET|UND_ERR_ABORTED|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|UND_ERR_CLOSED|UND_ERR_DESTROYED|HPE_.*)$/;
const CERTIFICATE = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

/** What an error of the network, of the disk or of anything else means. */
export function networkTrouble(error: unknown, place: string): StoreTrouble {
  if (error instanceof StoreTrouble) return error;
  if (error instanceof AutochromeError) return new StoreTrouble(error, "never");
  const code = codeOf(error);
  if (CERTIFICATE.test(code)) {
    const failure = new AutochromeError(
      "storage-denied",
      `The certificate of the ${place} is not trusted.`,
      "Name the authority that it comes from in the settings, or check the address.",
      { cause: error },
    );
    return new StoreTrouble(failure, "never");
  }
  const timedOut = error instanceof Error && error.name === "TimeoutError";
  const reason =
    REASONS[code] ??
    (BROKEN.test(code) ? "the connection broke off" : timedOut ? "it does not answer" : undefined);
  if (reason !== undefined || isNetworkError(error)) {
    const failure = new AutochromeError(
      "storage-unreachable",
      `The ${place} cannot be reached: ${reason ?? "the connection broke off"}.`,
      "Check the network, the address in the settings, and the proxy if you need one; then try again.",
      { cause: error },
    );
    return new StoreTrouble(failure, "later");
  }
  const { code: kind, message, next, detail } = toErrorRecord(error, "the storage");
  return new StoreTrouble(
    new AutochromeError(kind, message, next, detail === undefined ? { cause: error } : { detail }),
    "never",
  );
}

/** fetch hides what happened in the cause; some of its errors have no code at all. */
function codeOf(error: unknown): string {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
    if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0]);
  }
  return "";
}

function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError && /^(fetch failed|terminated)$/.test(error.message);
}

const MAY: Readonly<Record<Doing, string>> = {
  read: "read what is there",
  write: "write there",
  list: "see what is there",
  delete: "delete there",
  grant: "let others in",
};

/** What a status means that is neither success nor "not there". @param detail what the store says itself */
export function statusTrouble(
  status: number,
  about: {
    readonly place: string;
    readonly doing: Doing;
    readonly detail?: string;
    readonly retryAfterMs?: number | undefined;
  },
): StoreTrouble {
  const { place, doing, retryAfterMs } = about;
  const detail = { detail: `${status} ${about.detail ?? ""}`.trim() };
  if (status === 401) return new StoreTrouble(unknownKey(place, detail), "never");
  if (status === 403) return new StoreTrouble(notPermitted(place, doing, detail), "never");
  if (status === 413) {
    const failure = new AutochromeError(
      "storage-denied",
      `Something in front of the ${place} does not let pieces of this size through.`,
      "Raise the largest body size of the Ingress or proxy in front of it, to 32 MB for instance.",
      detail,
    );
    return new StoreTrouble(failure, "never");
  }
  if (status === 416) return damaged(place, detail.detail); // shorter than it was when it was begun to be read
  if (status === 507) return new StoreTrouble(storageFull(place, detail), "never");
  if (status === 429 || status === 503) {
    const failure = new AutochromeError(
      "storage-failed",
      `The ${place} is not ready, or has too much to do just now.`,
      "Try again later, or send fewer photographs at once.",
      detail,
    );
    return new StoreTrouble(failure, "later", retryAfterMs);
  }
  const isPassing = status === 408 || status === 425 || status === 423 || status >= 500;
  const failure = new AutochromeError(
    "storage-failed",
    `The ${place} does not do its work: it answers with the status ${status}.`,
    isPassing ? "Try again later; its log says more." : "Check the address in the settings.",
    detail,
  );
  return new StoreTrouble(failure, isPassing ? "later" : "never", retryAfterMs);
}

interface Detail {
  readonly detail: string;
}

export function unknownKey(place: string, detail: Detail): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `The ${place} does not know this key.`,
    "Check the key and the secret in the settings.",
    detail,
  );
}

export function notPermitted(place: string, doing: Doing, detail: Detail): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `The ${place} does not permit us to ${MAY[doing]}.`,
    "Give the key the right to read, write, list and delete there, or use another one.",
    detail,
  );
}

export function expired(place: string, detail: Detail): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `The permission to use the ${place} has expired.`,
    "Send the batch again: it gets a new one, and what is finished stays.",
    detail,
  );
}

export function clockWrong(place: string, detail: Detail): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `The ${place} refuses us because the clock of this computer is wrong.`,
    "Set date, time and time zone of this computer (automatically, if possible), and try again.",
    detail,
  );
}

export function storageFull(place: string, detail: Detail): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `The ${place} is full.`,
    "Delete what is not needed there any more, or give it more room.",
    detail,
  );
}

export function damaged(place: string, detail: string): StoreTrouble {
  const failure = new AutochromeError(
    "storage-damaged",
    `What came from or went to the ${place} is not what was sent; nothing of it was kept.`,
    "Try again. If it happens again, something on the way changes files, or the disk there is damaged.",
    { detail },
  );
  return new StoreTrouble(failure, "later");
}

export function missing(place: string, key: string): AutochromeError {
  return new AutochromeError(
    "not-found",
    `Something that should be in the ${place} is not there any more.`,
    "Perhaps it was cleaned away. Send the batch again.",
    { detail: key },
  );
}

/** Seconds, or a date. @returns milliseconds from now on */
export function readRetryAfter(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
