// What the app is opened with: files, folders, and links of its own (autochrome://photo/ID).
// Must never: turn a link into a path, or take a switch for a file.
import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";

export const SCHEME = "autochrome";

/** Files and folders among the words of a command line, the program's own left out. */
export function pathsIn(words: readonly string[], exists: (path: string) => boolean = existsSync): string[] {
  return words.filter((word) => !word.startsWith("-") && isAbsolute(word) && exists(word));
}

export function linkIn(words: readonly string[]): string | undefined {
  return words.find((word) => word.toLowerCase().startsWith(`${SCHEME}:`));
}

/** The place in the window that a link means; undefined for what is none of ours. */
export function placeOfLink(link: string): string | undefined {
  const url = URL.parse(link);
  if (url === null || url.protocol !== `${SCHEME}:`) return undefined;
  const id = url.pathname.slice(1);
  if (url.hostname === "photo" && /^[0-9a-z]{1,40}$/.test(id)) return `#/review/${id}`;
  const rooms = ["library", "work"];
  return rooms.includes(url.hostname) && id === "" ? `#/${url.hostname}` : undefined;
}
