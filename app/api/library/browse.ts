// Folders of this computer, for choosing one where there is no dialog of the system's.
// Must never: tell more than names of folders and how many photos are in one.
import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import type { z } from "zod";
import { PHOTO_EXTENSIONS } from "../../imaging/index.ts";
import { AutochromeError, toErrorRecord } from "../../kernel/index.ts";
import type { foldersSchema } from "./contract.ts";

const BY_NAME = new Intl.Collator("und", { numeric: true });
/** More folders in one cannot be chosen from anyhow. */
const MOST = 5000;

/**
 * What is in a folder; hidden ones are left out.
 * @param path absolute; undefined: the user's own folder
 * @throws AutochromeError "not-found", "unreadable-file", "usage" for a file, with a sentence that names it
 */
export async function browse(path: string = homedir()): Promise<z.infer<typeof foldersSchema>> {
  const folder = resolve(path);
  const parent = dirname(folder);
  const folders: { name: string; path: string }[] = [];
  let photos = 0;
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const { name } = entry;
      if (name.startsWith(".")) continue;
      if (PHOTO_EXTENSIONS.has(extname(name).toLowerCase()) && !entry.isDirectory()) photos++;
      else if (folders.length < MOST && (await isFolder(entry, join(folder, name)))) {
        folders.push({ name, path: join(folder, name) });
      }
    }
  } catch (thrown) {
    throw told(thrown, folder);
  }
  folders.sort((a, b) => BY_NAME.compare(a.name, b.name));
  return { path: folder, parent: parent === folder ? null : parent, folders, photos };
}

async function isFolder(
  entry: { isDirectory(): boolean; isSymbolicLink(): boolean },
  path: string,
): Promise<boolean> {
  if (entry.isDirectory()) return true;
  return entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

function told(thrown: unknown, folder: string): AutochromeError {
  const name = basename(folder) || folder;
  if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOTDIR") {
    return new AutochromeError("usage", `${name} is no folder.`, "Choose a folder.", { cause: thrown });
  }
  const { code, message, next } = toErrorRecord(thrown, `The folder ${name}`);
  return new AutochromeError(code, message, next, { cause: thrown });
}
