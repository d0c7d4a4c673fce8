// What a back end has to know: single attempts, nothing else. Owns: that interface.
// Must never: hold anything that all back ends share: retries, verifying and atomic files are transfer.ts's.
import { AutochromeError } from "../../kernel/index.ts";
import type { BlobEntry, Grant, GrantRequest } from "./store.ts";
import type { Doing, StoreTrouble } from "./trouble.ts";

/** What is to be sent. */
export interface Content {
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Bytes from `start` up to before `end`. */
  piece(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** All of it, read as it is needed. */
  blob(): Promise<Blob>;
}

export interface Reading {
  /** Where in the blob the first byte of the body is: what was asked for, or 0 where ranges are not given. */
  readonly first: number;
  /** Bytes of the whole blob, where that is told. */
  readonly size: number | undefined;
  /** Changes with the content, where there is one. */
  readonly tag: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends it, read or not. */
  discard(): void;
}

export interface Sending {
  readonly signal: AbortSignal | undefined;
  /** Bytes that the store has. */
  readonly onProgress: (bytes: number) => void;
}

export interface Wire {
  readonly place: string;
  head(key: string, signal?: AbortSignal): Promise<{ readonly size: number } | undefined>;
  /** @returns undefined where there is nothing; a reading has to be discarded in the end */
  read(key: string, offset: number, signal?: AbortSignal): Promise<Reading | undefined>;
  /** Sends content, going on where an earlier attempt stopped. Afterwards it is there whole. */
  write(key: string, content: Content, sending: Sending): Promise<void>;
  /** Some entries in the order of their keys, behind `after` where it is not "". */
  page(
    prefix: string,
    after: string,
    signal?: AbortSignal,
  ): Promise<{ readonly entries: readonly BlobEntry[]; readonly more: boolean }>;
  remove(keys: readonly string[], signal?: AbortSignal): Promise<void>;
  grant(request: GrantRequest, signal?: AbortSignal): Promise<Grant>;
  /** What an error of an attempt means. */
  judge(error: unknown, doing: Doing): StoreTrouble;
  /** The store's clock minus ours, in milliseconds, where it matters. */
  clockOffset?(): number;
  close(): Promise<void>;
}

/** Before anything appears: what was read here is what was promised. @throws AutochromeError "unreadable-file" */
export function requireDigest(sha256: string, content: Content): void {
  if (sha256 === content.sha256) return;
  throw new AutochromeError(
    "unreadable-file",
    "A file was changed while it was sent to the storage; nothing of it was kept.",
    "Check the file, and import it again if it was changed on purpose.",
  );
}
