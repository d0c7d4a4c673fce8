// Blobs as ordinary files below a folder: what our own service keeps, and what tests use.
//
// Owns: which file a key is, uploads that are under way (.incoming), the room that all take. Must never: let a file appear
// that is not whole and of the promised digest, or touch anything that is no blob.
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AutochromeError, hashFile, sweepLeftovers, writeAtomically } from "../../kernel/index.ts";
import { checkKey, checkPrefix, digestInKey, isKey } from "./keys.ts";
import type { BlobEntry } from "./store.ts";
import { damaged } from "./trouble.ts";

export interface Upload {
  readonly key: string;
  /** Of the whole blob, lower-case hex. */
  readonly sha256: string;
  /** Bytes of the whole blob. */
  readonly size: number;
}

/** What became of some bytes. "offset": they did not fit behind what is there, or are not all; so much is there. */
export type Received =
  | { readonly kind: "whole" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "busy" };

export interface BlobFolder {
  /** The file of a key, whether it is there or not. @throws AutochromeError "usage" */
  path(key: string): string;
  head(key: string): Promise<{ readonly size: number } | undefined>;
  /** Bytes of an upload that have arrived. */
  arrived(upload: Upload): Promise<number>;
  /**
   * Puts bytes behind those that have arrived. The last ones make the blob appear.
   * @param from where in the blob they begin; 0 drops what has arrived
   * @param give ends `chunks` when another request takes over from a sleeping one
   * @throws AutochromeError "disk-full", "storage-damaged" (what arrived is dropped); errors of the chunks as they are
   */
  receive(
    upload: Upload,
    from: number,
    chunks: AsyncIterable<Uint8Array>,
    give?: () => void,
  ): Promise<Received>;
  page(
    prefix: string,
    after: string,
  ): Promise<{ readonly entries: readonly BlobEntry[]; readonly more: boolean }>;
  remove(key: string): Promise<void>;
  /** Removes what killed processes and given-up uploads left; counts the room anew. */
  sweep(now?: number): Promise<void>;
  /** Bytes of all blobs. */
  used(): number;
}

const PAGE = 1000;
const INCOMING = ".incoming";
const PLACE = "storage of the service";
/** An upload that nobody went on with for so long, in milliseconds, is given up. */
const GIVEN_UP = 24 * 60 * 60 * 1000;
/** So long, in milliseconds, may an upload be silent before another request for the same one takes over. */
const ASLEEP = 5000;

/** @param maxBytes of all blobs together; 0 for no limit */
export async function openBlobFolder(
  root: string,
  { maxBytes }: { readonly maxBytes: number },
): Promise<BlobFolder> {
  const incoming = join(root, INCOMING);
  await mkdir(incoming, { recursive: true });
  let used = 0;
  /** Uploads that bytes come in for. */
  const active = new Map<
    string,
    { heard: number; readonly stop: () => void; readonly over: Promise<void> }
  >();

  const pathOf = (key: string) => join(root, ...checkKey(key).split("/"));
  const partOf = ({ key, sha256, size }: Upload) =>
    join(incoming, `${checkKey(key).replaceAll("/", "~")}~${sha256}~${size}`);
  const sizeOf = (path: string) =>
    stat(path).then(
      (facts) => facts.size,
      () => undefined,
    );

  async function head(key: string) {
    const facts = await stat(pathOf(key)).catch(() => undefined);
    return facts?.isFile() === true ? { size: facts.size } : undefined;
  }

  async function receive(
    upload: Upload,
    from: number,
    chunks: AsyncIterable<Uint8Array>,
    give: () => void = () => undefined,
  ): Promise<Received> {
    const fixed = digestInKey(upload.key);
    if (fixed !== undefined && fixed !== upload.sha256)
      throw damaged(PLACE, "the key is another digest's").error;
    const part = partOf(upload);
    const other = active.get(part);
    if (other !== undefined) {
      if (Date.now() - other.heard < ASLEEP) return { kind: "busy" };
      other.stop();
      await other.over;
      if (active.has(part)) return { kind: "busy" };
    }
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const state = { heard: Date.now(), stop: give, over };
    active.set(part, state);
    try {
      return await append(upload, part, from, chunks, () => {
        state.heard = Date.now();
      });
    } finally {
      active.delete(part);
      resolve();
    }
  }

  async function append(
    upload: Upload,
    part: string,
    from: number,
    chunks: AsyncIterable<Uint8Array>,
    heard: () => void,
  ): Promise<Received> {
    const { size } = upload;
    const there = from === 0 ? 0 : ((await sizeOf(part)) ?? 0);
    if (from !== there) return { kind: "offset", offset: there };
    if (maxBytes > 0 && used + size - ((await head(upload.key))?.size ?? 0) > maxBytes) throw full(maxBytes);
    const file = await open(part, from === 0 ? "w" : "r+");
    let offset = from;
    try {
      for await (const chunk of chunks) {
        heard();
        if (offset + chunk.length > size) throw damaged(PLACE, "more bytes than announced").error;
        await writeAll(file, chunk, offset);
        offset += chunk.length;
      }
    } catch (error) {
      // A full disk is no better with half an upload on it.
      if (error instanceof AutochromeError || isDiskFull(error)) await unlink(part).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    if (offset < size) return { kind: "offset", offset };
    await finish(upload, part);
    return { kind: "whole" };
  }

  async function finish({ key, sha256, size }: Upload, part: string): Promise<void> {
    if ((await hashFile(part)) !== sha256) {
      await unlink(part);
      throw damaged(PLACE, "another digest than announced").error;
    }
    const target = pathOf(key);
    const before = (await sizeOf(target)) ?? 0;
    for (let attempt = 0; ; attempt++) {
      await mkdir(dirname(target), { recursive: true });
      try {
        await writeAtomically(target, { overwrite: true }, (temporary) => rename(part, temporary));
        break;
      } catch (error) {
        // somebody deleted the last other blob in there, and the folder with it
        if (attempt === 3 || !isMissing(error) || (await sizeOf(part)) === undefined) throw error;
      }
    }
    used += size - before;
  }

  async function page(prefix: string, after: string) {
    checkPrefix(prefix);
    const entries: BlobEntry[] = [];
    for await (const key of keysBelow(root, prefix, after)) {
      if (entries.length === PAGE) return { entries, more: true };
      const facts = await stat(pathOf(key)).catch(() => undefined);
      if (facts?.isFile() !== true) continue;
      entries.push({ key, size: facts.size, modified: facts.mtime.toISOString() });
    }
    return { entries, more: false };
  }

  async function remove(key: string): Promise<void> {
    const path = pathOf(key);
    const size = await sizeOf(path);
    try {
      await unlink(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    used -= size ?? 0;
    for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
      const isEmpty = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!isEmpty) break;
    }
  }

  async function sweep(now = Date.now()): Promise<void> {
    for (const name of await readdir(incoming)) {
      const path = join(incoming, name);
      const facts = await stat(path).catch(() => undefined);
      if (facts !== undefined && now - facts.mtimeMs > GIVEN_UP && !active.has(path)) await unlink(path);
    }
    used = await tidy(root);
  }

  await sweep();
  return {
    path: pathOf,
    head,
    arrived: async (upload) => (await sizeOf(partOf(upload))) ?? 0,
    receive,
    page,
    remove,
    sweep,
    used: () => used,
  };
}

/** Keys with a prefix behind `after`, in the order of their bytes, folder by folder. */
async function* keysBelow(root: string, prefix: string, after: string, below = ""): AsyncGenerator<string> {
  const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => !entry.name.startsWith("."))
    .map((entry) => below + entry.name + (entry.isDirectory() ? "/" : ""))
    .sort();
  for (const name of names) {
    if (name.endsWith("/")) {
      const mayMatch = name.startsWith(prefix) || prefix.startsWith(name);
      const isBehind = name > after || after.startsWith(name);
      if (mayMatch && isBehind) yield* keysBelow(root, prefix, after, name);
    } else if (name.startsWith(prefix) && name > after && isKey(name)) yield name;
  }
}

/** Removes leftovers in all folders. @returns bytes of all blobs */
async function tidy(folder: string): Promise<number> {
  await sweepLeftovers(folder);
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.name.startsWith(".")) continue; // uploads under way, and files that appear just now
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await tidy(path);
    else if (entry.isFile()) {
      bytes += await stat(path).then(
        (facts) => facts.size,
        () => 0,
      );
    }
  }
  return bytes;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const result = await file.write(bytes, written, bytes.length - written, position + written);
    written += result.bytesWritten;
  }
}

function full(maxBytes: number): AutochromeError {
  return new AutochromeError(
    "disk-full",
    `The ${PLACE} is full.`,
    "Delete what is not needed there any more, or give it more room.",
    { detail: `its limit is ${maxBytes} bytes (setting blobMaxGb)` },
  );
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
