// The service's folders: input, output and temp below one data folder. Names from outside become paths here and nowhere
// else.
//
// Owns: which names are taken, that none leads out of its folder (symlinks included), numbers of results.
// Must never: follow a name before it was checked, or show a path to a client.
import { readdirSync, realpathSync, statSync } from "node:fs";
import { copyFile, link, mkdir, readdir, realpath, stat, unlink } from "node:fs/promises";
import { extname, join } from "node:path";
import { PHOTO_EXTENSIONS } from "../imaging/index.ts";
import {
  AutochromeError,
  isInside,
  isTemporaryName,
  newId,
  realTarget,
  resolveInside,
  temporaryBeside,
  writeAtomically,
} from "../kernel/index.ts";
import type { FileReference, GraphFiles } from "../workflow/index.ts";

export const FOLDER_TYPES = ["input", "output", "temp"] as const;
export type FolderType = (typeof FOLDER_TYPES)[number];

export function isFolderType(text: string): text is FolderType {
  return FOLDER_TYPES.some((type) => type === text);
}

export interface Folders extends GraphFiles {
  /** Real path of the data folder. */
  readonly root: string;
  /** Real path of a folder. */
  path(type: FolderType): string;
  /** Where each user's settings and workflows are. */
  readonly users: string;
  /** Where uploads lie until they are judged. */
  readonly incoming: string;
  /** The real path of a file that is there, or undefined. @throws AutochromeError for names that are not taken */
  locate(reference: FileReference): Promise<string | undefined>;
  /** The path for a new file; its folder is there afterwards. @throws AutochromeError "path-outside", "usage" */
  place(reference: FileReference): Promise<string>;
}

/** Longest name in bytes: file systems take 255, and a counter must fit behind it. */
const NAME_BYTES = 220;
const DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i;
const CONTROL = /[\x00-\x1f\x7f]/;
/** Not taken by Windows; elsewhere people use them. */
const WINDOWS = /[<>:"|?*]/;

/** Whether a single name is one that we take from outside. */
function isName(name: string): boolean {
  if (name === "" || isTemporaryName(name) || /[/\\]/.test(name) || CONTROL.test(name)) return false;
  // "]" at the end would make a name look like "a.png [temp]", and libvips reads options there
  if (DEVICE.test(name) || /[. \]]$/.test(name) || !name.isWellFormed()) return false;
  if (process.platform === "win32" && WINDOWS.test(name)) return false;
  return Buffer.byteLength(name) <= NAME_BYTES;
}

/**
 * The parts of a relative path from outside.
 * @param hidden whether names may begin with a dot
 * @throws AutochromeError "path-outside" when it is absolute or goes up, "usage" when a part cannot be a name
 */
export function namesOf(path: string, hidden = false): readonly string[] {
  const parts = path.split("/");
  if (
    path.startsWith("/") ||
    path.includes("\\") ||
    path.includes("\0") ||
    /^[a-z]:/i.test(path) ||
    parts.includes("..")
  ) {
    throw new AutochromeError(
      "path-outside",
      "This name leads out of the folder it must stay in.",
      'Use a name inside the folder, with "/" between folders.',
      { detail: JSON.stringify(path) },
    );
  }
  const names = parts.filter((part) => part !== "" && part !== ".");
  if (names.every((name) => isName(name) && (hidden || !name.startsWith(".")))) return names;
  throw new AutochromeError(
    "usage",
    "This name cannot be used for a file.",
    "Use letters, digits, spaces, - and _; no leading or trailing dot, and not too long.",
    { detail: JSON.stringify(path) },
  );
}

/** "a.png [output]" → the file "a.png" of the output folder. */
export function annotated(
  name: string,
  type: FolderType,
): { readonly name: string; readonly type: FolderType } {
  const match = /^(.*) \[(input|output|temp)\]$/s.exec(name);
  if (match === null) return { name, type };
  return { name: match[1] as string, type: match[2] as FolderType };
}

/** Opens the service's folders; makes those that are not there. */
export async function openFolders(data: string): Promise<Folders> {
  for (const name of [...FOLDER_TYPES, "users", "incoming"])
    await mkdir(join(data, name), { recursive: true });
  const root = await realpath(data);
  const real = Object.fromEntries(
    await Promise.all(FOLDER_TYPES.map(async (type) => [type, await realpath(join(root, type))] as const)),
  ) as Record<FolderType, string>;
  const previewMark = Array.from(
    { length: 5 },
    () => "abcdefghijklmnopqrstuvwxyz"[Math.floor(Math.random() * 26)],
  ).join("");
  let lastNumbering: Promise<unknown> = Promise.resolve();

  const pathOf = ({ type, subfolder, filename }: FileReference): string | undefined => {
    const names = [...namesOf(subfolder), ...namesOf(filename)];
    return names.length === 0 ? undefined : resolveInside(real[type], names.join("/"));
  };

  async function folderFor(type: FolderType, names: readonly string[]): Promise<string> {
    const folder = await pathBelow(real[type], names);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Gives a finished file the next number. One at a time: nobody else takes the number in between. */
  function number(staged: string, folder: string, stem: string, extension: string): Promise<string> {
    const run = lastNumbering.then(async () => {
      for (;;) {
        const counter = highest(await readdir(folder), stem) + 1;
        const name = `${stem}_${String(counter).padStart(5, "0")}_${extension}`;
        try {
          await writeAtomically(join(folder, name), { overwrite: false }, (temporary) =>
            link(staged, temporary).catch(() => copyFile(staged, temporary)),
          );
          return name;
        } catch (error) {
          if (!(error instanceof AutochromeError && error.code === "output-exists")) throw error;
          // another process works in the same folder: look again
        }
      }
    });
    lastNumbering = run.catch(() => undefined);
    return run;
  }

  return {
    root,
    users: await realpath(join(root, "users")),
    incoming: await realpath(join(root, "incoming")),
    path: (type) => real[type],
    async locate(reference) {
      const path = pathOf(reference);
      if (path === undefined) return undefined;
      const found = await realpath(path).catch(() => undefined);
      if (found === undefined || !isInside(real[reference.type], found)) return undefined;
      return (await stat(found).catch(() => undefined))?.isFile() === true ? found : undefined;
    },
    async place({ type, subfolder, filename }) {
      const names = namesOf(filename);
      if (names.length !== 1) throw leadsOut(filename);
      const below = namesOf(subfolder);
      await folderFor(type, below);
      return pathBelow(real[type], [...below, ...names]);
    },
    list() {
      return readdirSync(real.input, { withFileTypes: true })
        .filter(
          (entry) =>
            entry.isFile() &&
            !entry.name.startsWith(".") &&
            isName(entry.name) &&
            PHOTO_EXTENSIONS.has(extname(entry.name).toLowerCase()),
        )
        .map((entry) => entry.name)
        .sort();
    },
    find(wanted) {
      const { name, type } = annotated(wanted, "input");
      try {
        const path = pathOf({ type, subfolder: "", filename: name });
        if (path === undefined) return undefined;
        const found = realpathSync(path);
        return isInside(real[type], found) && statSync(found).isFile() ? found : undefined;
      } catch {
        return undefined; // not there, or not a name that is taken
      }
    },
    async save(wish, write) {
      const type = wish.isPreview ? "temp" : "output";
      const names = [...namesOf(expandPrefix(wish.prefix, new Date()))];
      const stem = `${names.pop() ?? "ComfyUI"}${wish.isPreview ? `_temp_${previewMark}` : ""}`;
      const folder = await folderFor(type, names);
      const staged = temporaryBeside(join(folder, "result"), wish.extension);
      try {
        await write(staged);
        const filename = await number(staged, folder, stem, wish.extension);
        return { filename, subfolder: names.join("/"), type };
      } finally {
        await unlink(staged).catch(() => undefined); // was never made, or is a second name of the result
      }
    },
  };
}

/**
 * The path of names below a folder, whether it is there or not.
 * @param root a real path @param names checked by {@link namesOf}
 * @throws AutochromeError "path-outside" where a symlink on the way leads out
 */
export async function pathBelow(root: string, names: readonly string[]): Promise<string> {
  const path = names.length === 0 ? root : resolveInside(root, names.join("/"));
  if (isInside(root, await realTarget(path))) return path;
  throw leadsOut(names.join("/"));
}

function highest(names: readonly string[], stem: string): number {
  const start = `${stem}_`.toLowerCase();
  let most = 0;
  for (const name of names) {
    if (!name.toLowerCase().startsWith(start)) continue;
    const digits = /^(\d{1,15})_/.exec(name.slice(start.length))?.[1];
    if (digits !== undefined) most = Math.max(most, Number(digits));
  }
  return most;
}

/**
 * ComfyUI's patterns of time in a filename_prefix: %year% %month% %day% %hour% %minute% %second%, and its editor's
 * %date:yyyy-MM-dd hh-mm-ss%. Local time. What depends on the picture (%width% …) was filled in by the node.
 */
export function expandPrefix(prefix: string, now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const [year, month, day] = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  const [hour, minute, second] = [now.getHours(), now.getMinutes(), now.getSeconds()];
  const tokens: Readonly<Record<string, string>> = {
    yyyy: String(year),
    yyy: String(year),
    yy: two(year % 100),
    MM: two(month),
    M: String(month),
    dd: two(day),
    d: String(day),
    hh: two(hour),
    h: String(hour),
    mm: two(minute),
    m: String(minute),
    ss: two(second),
    s: String(second),
  };
  const values: Readonly<Record<string, string | number>> = {
    year,
    month: two(month),
    day: two(day),
    hour: two(hour),
    minute: two(minute),
    second: two(second),
  };
  return prefix
    .replace(/%date(?::([^%]*))?%/g, (_, format: string | undefined) =>
      (format ?? "yyyy-MM-dd").replace(/y{2,4}|MM?|dd?|hh?|mm?|ss?/g, (token) => tokens[token] ?? token),
    )
    .replace(/%([a-z]+)%/g, (whole, name: string) =>
      String(Object.hasOwn(values, name) ? values[name] : whole),
    );
}

function leadsOut(name: string): AutochromeError {
  return new AutochromeError(
    "path-outside",
    "This name leads out of the folder it must stay in.",
    "Use a name inside the folder.",
    { detail: JSON.stringify(name) },
  );
}

/** A fresh path for an upload that is under way. */
export function incomingPath(folders: Pick<Folders, "incoming">, extension = ""): string {
  return join(folders.incoming, `${newId()}${extension}`);
}
