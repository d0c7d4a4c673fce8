// Photos that a browser sends, streamed into a folder of their own until they are imported.
//
// Owns: what is taken of a form: names as names, never as paths, and how much. Must never: hold a file in memory, or keep
// anything of a form that broke off.
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import busboy from "busboy";
import { PHOTO_EXTENSIONS } from "../../imaging/index.ts";
import { createNames, portableName } from "../../kernel/index.ts";
import { badRequest } from "../answers.ts";
import { feed } from "../uploads.ts";
import type { JobReport } from "./desk.ts";

export interface Received {
  /** Absolute; the caller's to remove. */
  readonly folder: string;
  /** Absolute paths of what came whole. */
  readonly files: readonly string[];
  /** What was not taken, and why. */
  readonly skipped: readonly NonNullable<JobReport["problem"]>[];
  /** The form's words. */
  readonly fields: ReadonlyMap<string, string>;
}

const MOST_FILES = 1000;
/** Of a whole form. */
const MOST_BYTES = 200e9;
const MOST_FIELDS = 20;
const FIELD_BYTES = 16 * 1024;

/**
 * Reads a form to its end.
 * @param maxBytes of one file; larger ones are skipped
 * @throws 400 for what is no form or breaks off, an error of the system where the disk is full; nothing is kept then
 */
export async function receivePhotos(request: IncomingMessage, maxBytes: number): Promise<Received> {
  const parser = openParser(request, maxBytes);
  const folder = await mkdtemp(join(tmpdir(), "autochrome-upload-"));
  const fields = new Map<string, string>();
  const files: string[] = [];
  const skipped: NonNullable<JobReport["problem"]>[] = [];
  const names = createNames();
  const stored: Promise<void>[] = [];
  const skip = (file: string, code: string, message: string, next: string) =>
    skipped.push({ file, error: { code, message, next } });

  async function store(stream: Readable & { truncated?: boolean }, name: string): Promise<void> {
    const path = names(join(folder, name));
    try {
      await pipeline(stream, createWriteStream(path, { flags: "wx" }));
    } catch (thrown) {
      await rm(path, { force: true });
      throw thrown;
    }
    if (stream.truncated !== true) return void files.push(path);
    await rm(path, { force: true });
    const megabytes = Number((maxBytes / 1e6).toPrecision(3));
    skip(
      name,
      "too-large",
      `It is larger than ${megabytes} MB, the most that is taken.`,
      "Import it at the computer.",
    );
  }

  parser.on("field", (name, value) => void fields.set(name, value));
  parser.on("file", (_, stream, { filename }) => {
    const name = nameOf(filename);
    if (PHOTO_EXTENSIONS.has(extname(name).toLowerCase())) {
      const storing = store(stream, name);
      storing.catch((thrown: unknown) => parser.destroy(asError(thrown))); // also heard below
      stored.push(storing);
    } else {
      stream.resume();
      skip(
        name,
        "not-an-image",
        "It is not a kind of picture that can be read.",
        "Choose JPEG, PNG, TIFF, WebP or AVIF.",
      );
    }
  });
  parser.once("filesLimit", () => {
    const message = `More than ${MOST_FILES} files came at once; the rest was left out.`;
    skip("…", "too-large", message, "Send fewer at once.");
  });
  let failure: unknown = await feed(request, parser, MOST_BYTES);
  for (const outcome of await Promise.allSettled(stored)) {
    // The disk's own words rather than what followed from it.
    if (outcome.status === "rejected" && !isSystemError(failure)) failure = outcome.reason;
  }
  if (failure === undefined) return { folder, files, skipped, fields };
  await rm(folder, { recursive: true, force: true });
  if (isSystemError(failure)) throw failure;
  throw badRequest("The form is broken or ends early.", "Send it again as multipart/form-data.");
}

/** The last part of whatever a client calls a file. */
function nameOf(given: string | undefined): string {
  return portableName((given ?? "").split(/[/\\]/).at(-1) ?? "");
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "code" in error && error.code !== "ECONNRESET";
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function openParser(request: IncomingMessage, maxBytes: number): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      preservePath: true,
      defParamCharset: "utf8",
      limits: {
        files: MOST_FILES,
        fileSize: maxBytes + 1,
        fields: MOST_FIELDS,
        fieldSize: FIELD_BYTES,
        headerPairs: 50,
      },
    });
  } catch {
    throw badRequest("This is not a form.", "Send it as multipart/form-data.");
  }
}
