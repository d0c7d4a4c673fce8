// Files that appear whole or not at all.
//
// Owns: the temporary-name convention, fsync, rename, and the sweeping of leftovers.
// Must never: write to a path that the caller did not name as its target.
import { constants } from "node:fs";
import { copyFile, type FileHandle, link, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AutochromeError } from "./errors.ts";
import { newId } from "./ids.ts";

const PREFIX = ".autochrome-";
const TEMPORARY = /^\.autochrome-[0-9a-z]{26}-\d+\.tmp(\.[A-Za-z0-9]{1,5})?$/;

export interface AtomicOptions {
  /** Replace an existing target. Otherwise an existing target is an "output-exists" error and stays as it was. */
  readonly overwrite: boolean;
}

/**
 * Lets `write` fill a temporary file beside `target`, then makes it appear under the target's name in one step:
 * fsync of the file, rename (or link, where nothing may be replaced), fsync of the folder. When `write` throws,
 * the temporary file is removed and the target is untouched.
 * @param write gets the temporary path, which ends in the target's extension; the file does not exist yet
 */
export async function writeAtomically<T>(
  target: string,
  options: AtomicOptions,
  write: (temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = temporaryBeside(target, /\.[A-Za-z0-9]{1,5}$/.exec(basename(target))?.[0] ?? "");
  try {
    const result = await write(temporary);
    await sync(temporary);
    if (options.overwrite) await rename(temporary, target);
    else await placeNew(temporary, target);
    await sync(dirname(target));
    return result;
  } finally {
    await unlink(temporary).catch(ignoreMissing);
  }
}

/** Writes text or bytes atomically. @param options mode: its permissions, as far as the process's mask lets them */
export async function writeFileAtomically(
  target: string,
  content: string | Uint8Array,
  options: AtomicOptions & { readonly mode?: number },
): Promise<void> {
  await writeAtomically(target, options, async (temporary) => {
    const file = await open(temporary, "wx", options.mode);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  });
}

/**
 * Removes temporary files that a killed process left in a folder. Files of processes that still run stay.
 * @returns how many were removed
 */
export async function sweepLeftovers(folder: string): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!TEMPORARY.test(name) || isRunning(Number(/-(\d+)\.tmp/.exec(name)?.[1]))) continue;
    await unlink(join(folder, name)).catch(ignoreMissing);
    removed++;
  }
  return removed;
}

/**
 * A fresh temporary name in the folder of `target`, which the sweep will recognise.
 * @param extension with its dot, at most five letters or digits, or empty
 */
export function temporaryBeside(target: string, extension: string): string {
  return join(dirname(target), `${PREFIX}${newId()}-${process.pid}.tmp${extension}`);
}

/** Whether a file name is one of our temporary ones: folder walks skip those. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

async function placeNew(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target); // fails where the target exists, atomically, unlike a check before a rename
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") throw outputExists(target, error);
    // File systems without hard links (exFAT, some network shares): a check and a rename; another program
    // that makes the same file in between would lose it, which a hard link rules out everywhere else.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
    if (await exists(target)) throw outputExists(target, error);
    await rename(temporary, target);
  }
}

function outputExists(target: string, cause: unknown): AutochromeError {
  return new AutochromeError(
    "output-exists",
    `${basename(target)} is already in the output folder.`,
    "Choose another folder, or allow overwriting.",
    { cause },
  );
}

async function sync(path: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    if (process.platform === "win32") return; // folders cannot be opened for syncing there
    throw error;
  }
  try {
    await file.sync();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EINVAL" && code !== "EPERM" && code !== "EISDIR") throw error; // not syncable, e.g. FUSE folders
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Copies a file atomically, never replacing one that is there unless asked to. */
export async function copyAtomically(source: string, target: string, options: AtomicOptions): Promise<void> {
  await writeAtomically(target, options, (temporary) => copyFile(source, temporary, constants.COPYFILE_EXCL));
}

function ignoreMissing(error: unknown): void {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
  throw error;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
