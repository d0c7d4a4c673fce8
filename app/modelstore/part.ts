// The part of a file that has arrived so far: on disk beside its target, so that it outlives the process.
//
// Owns: `<target>.part` (the bytes), `<target>.part.state` (what they belong to), `<target>.part.lock` (who writes them).
// Must never: let a target appear that is not whole, or two processes write one part.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { AutochromeError, writeAtomically, writeFileAtomically } from "../kernel/index.ts";
import { writeError } from "./space.ts";

const stateSchema = z.strictObject({
  /** What the whole file must be, where it is known. */
  sha256: z.string().optional(),
  /** Who sent the last piece, and its strong ETag for the file. */
  source: z.string().optional(),
  etag: z.string().optional(),
});
export type PartState = Readonly<z.infer<typeof stateSchema>>;

export interface Part {
  /** Bytes that are there. */
  size(): number;
  state(): PartState;
  /** Notes what the bytes belong to; before any are appended. */
  describe(state: PartState): Promise<void>;
  /** @throws AutochromeError "disk-full" and other errors of the disk */
  append(bytes: Uint8Array): Promise<void>;
  /** Drops all bytes. */
  clear(): Promise<void>;
  /** Of the bytes that are there, lower-case hex. */
  sha256(): string;
  /** The whole file appears as the target, in one step. */
  finish(): Promise<void>;
  /** Keeps the bytes for another time; where there are none, nothing stays. */
  close(): Promise<void>;
}

/** Opens the part of a target, or begins one. What is there already is read once, for its digest. */
export async function openPart(target: string, signal: AbortSignal | undefined): Promise<Part> {
  if ((await stat(target).catch(() => undefined))?.isDirectory()) {
    throw new AutochromeError(
      "output-unwritable",
      `${target} is a folder; no file can take its place.`,
      "Move the folder away.",
    );
  }
  const path = `${target}.part`;
  const statePath = `${target}.part.state`;
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644).catch((error: unknown) => {
    throw writeError(error, path);
  });
  let hash = createHash("sha256");
  let size = 0;
  let state: PartState = {};
  let isOpen = true;

  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
    if (size === 0) await forget();
  }
  async function forget(): Promise<void> {
    await rm(path, { force: true });
    await rm(statePath, { force: true });
  }
  async function clear(): Promise<void> {
    await file.truncate(0);
    await rm(statePath, { force: true });
    hash = createHash("sha256");
    size = 0;
    state = {};
  }

  try {
    const known = await readState(statePath);
    for await (const chunk of readAll(file)) {
      signal?.throwIfAborted();
      hash.update(chunk);
      size += chunk.length;
    }
    if (known !== undefined) state = known;
    else if (size > 0) await clear(); // bytes of which nobody knows what they are
  } catch (error) {
    await file.close();
    throw error;
  }

  return {
    size: () => size,
    state: () => state,
    async describe(next) {
      const text = JSON.stringify(next);
      if (text === JSON.stringify(state)) return;
      await writeFileAtomically(statePath, text, { overwrite: true }).catch((error: unknown) => {
        throw writeError(error, path);
      });
      state = next;
    },
    async append(bytes) {
      try {
        let written = 0;
        while (written < bytes.length) {
          const { bytesWritten } = await file.write(bytes, written, bytes.length - written, size + written);
          written += bytesWritten;
        }
      } catch (error) {
        throw writeError(error, path);
      }
      hash.update(bytes);
      size += bytes.length;
    },
    clear,
    sha256: () => hash.copy().digest("hex"),
    async finish() {
      await file.sync();
      isOpen = false;
      await file.close();
      await writeAtomically(target, { overwrite: true }, (temporary) => rename(path, temporary));
      await forget();
    },
    close,
  };
}

async function* readAll(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(256 * 1024);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function readState(path: string): Promise<PartState | undefined> {
  try {
    return stateSchema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/** Targets that this process is busy with. */
const busy = new Set<string>();

/**
 * Does the work while nobody else can do it for the same target.
 * @throws AutochromeError "download-failed" when this or another process is at it
 */
export async function withPartLock<T>(target: string, work: () => Promise<T>): Promise<T> {
  const lock = `${target}.part.lock`;
  if (busy.has(target)) throw isBusy(target, lock);
  busy.add(target);
  try {
    await takeLock(target, lock);
    try {
      return await work();
    } finally {
      await rm(lock, { force: true });
    }
  } finally {
    busy.delete(target);
  }
}

async function takeLock(target: string, lock: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFileAtomically(lock, String(process.pid), { overwrite: false });
      return;
    } catch (error) {
      const isTaken = error instanceof AutochromeError && error.code === "output-exists";
      if (!isTaken) throw writeError(error, lock);
    }
    // Left by a killed process. Our own number may be one too: containers give the same one again and again.
    const owner = Number(await readFile(lock, "utf8").catch(() => ""));
    if (owner !== process.pid && isRunning(owner)) break;
    await rm(lock, { force: true });
  }
  throw isBusy(target, lock);
}

function isBusy(target: string, lock: string): AutochromeError {
  return new AutochromeError(
    "download-failed",
    `${basename(target)} is being downloaded already.`,
    `Wait for that to end. If nothing is at it, remove ${lock}.`,
  );
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
