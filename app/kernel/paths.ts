// Paths that stay where they belong.
//
// Owns: resolving names from outside against a root, names that every file system accepts, default folders.
// Must never: touch a file's content.
import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, parse, relative, resolve, sep } from "node:path";
import { AutochromeError } from "./errors.ts";

/** Longest file name, in UTF-8 bytes, that the common file systems take (ext4, APFS, NTFS are at 255). */
const NAME_BYTES = 255;
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i;

/**
 * Resolves a path from outside inside a root folder.
 * @throws AutochromeError "path-outside" when the result would leave the root (.., absolute paths, NUL bytes)
 */
export function resolveInside(root: string, untrusted: string): string {
  const full = resolve(root, untrusted);
  if (untrusted.includes("\0") || isAbsolute(untrusted) || !isInside(root, full)) {
    throw new AutochromeError(
      "path-outside",
      "This path leads out of the folder it must stay in.",
      "Use a name inside the folder.",
      { detail: JSON.stringify(untrusted) },
    );
  }
  return full;
}

/** Whether `path` is `root` or lies below it. Both must be resolved in the same way (symlinks or not). */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/** The real path of the nearest existing ancestor, with what does not exist yet appended. */
export async function realTarget(path: string): Promise<string> {
  const full = resolve(path);
  try {
    return await realpath(full);
  } catch {
    const parent = dirname(full);
    return parent === full ? full : join(await realTarget(parent), basename(full));
  }
}

/**
 * A file name that Linux, macOS and Windows all accept, as close to the wish as possible: control characters
 * and separators become "_", reserved device names get a "_", trailing dots and spaces go, and the stem is cut
 * (at a character, not inside one) so that stem + suffix fit into 255 bytes.
 * @param suffix kept whole, e.g. ".png"
 */
export function portableName(stem: string, suffix = ""): string {
  const normalised = stem.toWellFormed().normalize("NFC");
  let name = "";
  for (const character of normalised) {
    const code = character.codePointAt(0) as number;
    name += code < 32 || code === 127 || '<>:"/\\|?*'.includes(character) ? "_" : character;
  }
  if (RESERVED.test(name)) name = `_${name}`;
  const room = NAME_BYTES - Buffer.byteLength(suffix);
  const characters = Array.from(name);
  while (Buffer.byteLength(characters.join("")) > room) characters.pop();
  name = characters.join("");
  if (suffix === "") name = name.replace(/[. ]+$/u, "");
  else name = name.replace(/^\.+$/u, "");
  return `${name === "" ? "_" : name}${suffix}`;
}

/**
 * Keeps paths apart: a path that was given before (or differs from one only in case or Unicode form, which many disks
 * do not tell apart) gets " (2)", " (3)" … before its extension. The same calls in the same order give the same paths.
 */
export function createNames(): (path: string) => string {
  const taken = new Set<string>();
  const key = (path: string) => path.normalize("NFC").toLowerCase();
  return (wished) => {
    const { dir, name, ext } = parse(wished);
    let path = wished;
    for (let number = 2; taken.has(key(path)); number++)
      path = join(dir, portableName(name, ` (${number})${ext}`));
    taken.add(key(path));
    return path;
  };
}

/** The folder for the user's settings on this system. */
export function configFolder(): string {
  if (process.platform === "win32")
    return join(process.env.APPDATA ?? join(homedir(), "AppData", "Roaming"), "Autochrome");
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support", "Autochrome");
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "autochrome");
}

/** The folder for what the program keeps for the user besides settings: models. */
export function dataFolder(): string {
  if (process.platform === "win32")
    return join(process.env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "Autochrome");
  if (process.platform === "darwin") return configFolder();
  return join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share"), "autochrome");
}

/** The folder for what can be made again. */
export function cacheFolder(): string {
  if (process.platform === "win32") return join(dataFolder(), "Cache");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "Autochrome");
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "autochrome");
}

/** Where a library lives when nothing else is said: "Autochrome" in the user's Pictures folder. */
export function defaultLibraryFolder(): string {
  return join(process.env.XDG_PICTURES_DIR ?? join(homedir(), "Pictures"), "Autochrome");
}
