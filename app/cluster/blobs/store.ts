// What a place for a batch's bytes can do, wherever it is: a folder, our own service, an S3 bucket.
//
// Owns: the interface that everybody uses, and the form of a grant. Must never: know a back end.
//
// Three kinds of content: files under in/<sha256> never change, and are what their key says; other files may be replaced;
// bytes (manifests, records) may be replaced too and carry their own digest inside the store, so that whoever reads them
// gets exactly what was written, or an error.
import { z } from "zod";
import type { ErrorCode } from "../../kernel/index.ts";

export interface TransferOptions {
  /** Ends the work; the promise rejects with the signal's reason. What had arrived is gone on with next time. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the whole that are there; may go back when a piece has to be sent again. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface BlobEntry {
  readonly key: string;
  /** Bytes in the store; of bytes, with their digest. */
  readonly size: number;
  /** ISO time, UTC, by the store's clock. */
  readonly modified: string;
}

export interface FileFacts {
  /** Lower-case hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface Wanted {
  /** What the file must be; for in/<sha256> the key says it. */
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
  /** Whether a file that is there is replaced; otherwise it is an "output-exists" error. */
  readonly overwrite: boolean;
}

/** Exact keys. Whoever may write a key may read it. */
export interface GrantRequest {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** How long it is good for: 60 seconds to 7 days. */
  readonly seconds: number;
}

const expires = z.iso.datetime();
/** PEM of the authority that the store's certificate comes from. */
const ca = z.string().optional();
const urls = z.record(z.string(), z.url());

/** What somebody without credentials needs to reach some keys for a while. To be kept as secret as a password. */
export const grantSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("s3"), expires, read: urls, write: urls, ca }),
  z.strictObject({ kind: z.literal("gateway"), expires, url: z.url(), token: z.string(), ca }),
  z.strictObject({ kind: z.literal("folder"), expires, folder: z.string() }),
]);
export type Grant = Readonly<z.infer<typeof grantSchema>>;

export interface StoreCheck {
  readonly ok: boolean;
  /** Which kind of trouble there is. */
  readonly code?: ErrorCode | undefined;
  /** One sentence for people. */
  readonly message: string;
  /** What to do now; empty where all is well. */
  readonly next: string;
  /** Technical detail, where there is some. */
  readonly detail?: string | undefined;
}

/**
 * All methods that take a key throw AutochromeError: "usage" for what is no key, "storage-unreachable", "storage-denied"
 * (reached, and it refuses: key, permission, bucket, clock, no room), "storage-failed" (it does not do its work), "disk-full"
 * (here), "storage-damaged" (what came is not what was stored), "not-found". Passing troubles are waited out
 * first, within bounds.
 */
export interface BlobStore {
  /** In words: "bucket photos at s3.example". */
  readonly place: string;
  /** What is there under a key, whole. */
  head(key: string, options?: TransferOptions): Promise<{ readonly size: number } | undefined>;
  /**
   * Puts a file there. What is there already under in/… is not sent again; an interrupted large file is gone on with.
   * @returns "there" where nothing had to be sent
   * @throws AutochromeError "unreadable-file" when the file is not what `facts` say
   */
  putFile(key: string, path: string, facts: FileFacts, options?: TransferOptions): Promise<"sent" | "there">;
  /** Puts a few bytes there, with their digest; replaces what is there, except under in/…. */
  putBytes(key: string, bytes: Uint8Array, options?: TransferOptions): Promise<void>;
  /** Fetches a file that putFile put. It appears whole and verified, or not at all. */
  getFile(key: string, target: string, wanted: Wanted, options?: TransferOptions): Promise<void>;
  /** Fetches what putBytes put. @param limits `maxBytes`: more than that is "storage-damaged" */
  getBytes(
    key: string,
    limits: { readonly maxBytes: number },
    options?: TransferOptions,
  ): Promise<Uint8Array>;
  /** In the order of the keys' bytes. @param range `after`: only keys behind this one; costs nothing for those before */
  list(
    prefix: string,
    range?: { readonly after?: string },
    options?: TransferOptions,
  ): AsyncIterable<BlobEntry>;
  /** What is not there any more is no error. */
  delete(keys: readonly string[], options?: TransferOptions): Promise<void>;
  /** Lets somebody else at some keys. Who holds a grant can neither list, delete nor grant. */
  grant(request: GrantRequest, options?: TransferOptions): Promise<Grant>;
  /** Tries everything with a small probe. Throws only when the signal says so. */
  check(options?: TransferOptions): Promise<StoreCheck>;
  close(): Promise<void>;
}
