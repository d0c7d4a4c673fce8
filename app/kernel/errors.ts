// What can go wrong, as values.
//
// Owns: the error codes and the AutochromeError type. Every failure that a user may see has a code that
// programs can match, a sentence a photographer understands, and a next step.
// Must never: know about any other room.

/** What kind of failure this is. Codes are stable: they are stored in libraries and printed in JSON. */
export type ErrorCode =
  | "usage" // the command or setting makes no sense as given
  | "not-found" // no such file, photo, album, batch, model
  | "unreadable-file" // permissions, I/O errors, the file vanished while it was read
  | "empty-file"
  | "not-an-image" // no decoder recognises the content
  | "damaged-image" // recognised, but truncated or corrupt
  | "unsupported-image" // a real image in a form that this build cannot decode (HEIC, camera raw …)
  | "image-too-large" // more pixels than the limit, or a header that promises absurd dimensions
  | "output-exists" // the target is there and overwriting was not asked for
  | "output-unwritable" // permissions, read-only file system, name too long
  | "disk-full"
  | "path-outside" // a path that would leave the folder it must stay in
  | "model-missing"
  | "model-damaged" // digest does not match the manifest
  | "model-unfit" // a network that does something else than to colour pictures
  | "no-network" // no server could be reached
  | "download-failed" // servers were reached, and none gave the file
  | "pack-invalid" // not a model pack, made by a newer version, or with something in it that must not be there
  | "device-unavailable" // the forced execution provider does not work here
  | "out-of-memory"
  | "inference-failed" // the network crashed or returned values that are not finite
  | "workflow-invalid"
  | "library-busy" // another process holds the database
  | "library-newer" // made by a newer Autochrome
  | "library-damaged"
  | "cluster-unreachable" // no answer of the Kubernetes API, or none that makes sense
  | "cluster-sign-in" // it does not accept who we say we are, or the credentials could not be had
  | "cluster-forbidden" // it knows us, and does not let us
  | "cluster-refused" // it does not take what we ask for: too old, quota, policy, not valid
  | "gave-up" // whoever works on this one item ends before it is done, each time
  | "storage-unreachable" // where a cluster's files lie: there is no way to it
  | "storage-denied" // it was reached and refuses: key, permission, bucket, certificate, clock
  | "storage-failed" // it does not do its work
  | "storage-damaged" // what came out, or went in, is not what was sent
  | "server-unreachable" // a ComfyUI server: no answer, or none that makes sense
  | "server-denied" // it does not accept our key
  | "interrupted" // cancelled by the user; not a failure of the item
  | "internal"; // a bug: anything we did not foresee

/** The plain form that crosses processes, goes into SQLite and onto stdout. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  /** One sentence, understandable without knowing the program's insides. */
  readonly message: string;
  /** What the user can do now. */
  readonly next: string;
  /** Technical detail for a report (library messages, paths); may be absent. */
  readonly detail?: string;
}

/** The one error type that the engine throws on purpose. Everything else is a bug and becomes "internal". */
export class AutochromeError extends Error {
  readonly code: ErrorCode;
  readonly next: string;
  readonly detail: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    next: string,
    options?: { cause?: unknown; detail?: string },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AutochromeError";
    this.code = code;
    this.next = next;
    this.detail = options?.detail ?? (options?.cause === undefined ? undefined : describe(options.cause));
  }

  toRecord(): ErrorRecord {
    const plain = { code: this.code, message: this.message, next: this.next };
    return this.detail === undefined ? plain : { ...plain, detail: this.detail };
  }
}

/** Rebuilds an error that another process or a database row described. */
export function errorFromRecord(record: ErrorRecord): AutochromeError {
  return new AutochromeError(
    record.code,
    record.message,
    record.next,
    record.detail === undefined ? undefined : { detail: record.detail },
  );
}

/**
 * Any thrown value as an ErrorRecord. Known operating-system errors (ENOSPC, EACCES, ENOENT …) get their own
 * code and sentence; abort signals become "interrupted"; the rest is "internal".
 * @param about the file or thing that was being worked on, for the sentence
 */
export function toErrorRecord(thrown: unknown, about = "this item"): ErrorRecord {
  if (thrown instanceof AutochromeError) return thrown.toRecord();
  const detail = describe(thrown);
  if (thrown instanceof Error && (thrown.name === "AbortError" || thrown.name === "TimeoutError")) {
    return {
      code: "interrupted",
      message: "The work was stopped.",
      next: "Start it again to go on.",
      detail,
    };
  }
  const known = fromSystemError(systemCode(thrown), about);
  return known === undefined
    ? {
        code: "internal",
        message: `Something went wrong inside Autochrome with ${about}.`,
        next: "Try again; if it happens again, run `autochrome doctor` and report it.",
        detail,
      }
    : { ...known, detail };
}

function fromSystemError(code: string | undefined, about: string): ErrorRecord | undefined {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return {
        code: "disk-full",
        message: `The disk is full: ${about} could not be written.`,
        next: "Free some space, or choose a folder on another disk, and try again.",
      };
    case "EACCES":
    case "EPERM":
      return {
        code: "unreadable-file",
        message: `Permission denied for ${about}.`,
        next: "Check the permissions of the file and its folder.",
      };
    case "EROFS":
      return {
        code: "output-unwritable",
        message: `The disk is read-only: ${about} could not be written.`,
        next: "Choose a folder on a disk that can be written to.",
      };
    case "ENOENT":
      return {
        code: "not-found",
        message: `${about} is not there any more.`,
        next: "Check the path, or whether the disk is still connected.",
      };
    case "ENAMETOOLONG":
      return {
        code: "output-unwritable",
        message: `The name of ${about} is too long for this disk.`,
        next: "Choose a shorter output folder or rename the photo.",
      };
    case "EIO":
    case "EISDIR":
    case "ELOOP":
    case "EBUSY":
      return {
        code: "unreadable-file",
        message: `${about} could not be read.`,
        next: "Check that the disk is connected and healthy.",
      };
    default:
      return undefined;
  }
}

function systemCode(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

function describe(thrown: unknown): string {
  if (thrown instanceof Error) {
    const cause = thrown.cause === undefined ? "" : ` (${describe(thrown.cause)})`;
    return `${thrown.name}: ${thrown.message}${cause}`;
  }
  return String(thrown);
}
