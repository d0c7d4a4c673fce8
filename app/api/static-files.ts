// Files of a folder as parts of a page: their types, and that none lies outside.
// Must never: serve what a client has put anywhere, or follow a link out of the folder.
import { realpath, stat } from "node:fs/promises";
import { extname } from "node:path";
import { isInside, resolveInside } from "../kernel/index.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".webp": "image/webp",
  ".avif": "image/avif",
  ".gif": "image/gif",
  ".ico": "image/x-icon",
  ".cur": "image/x-icon",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".ttf": "font/ttf",
  ".wasm": "application/wasm",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".webm": "video/webm",
};

export const PAGE_TYPE = "text/html; charset=utf-8";

/** The Content-Type of a file by its name. */
export function typeOf(name: string): string {
  return TYPES[extname(name).toLowerCase()] ?? "application/octet-stream";
}

/** A path of an address as it was meant; undefined where it is not written as one. */
export function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** The real path of a file; undefined where there is none, or where the path leads out. @param root real */
export async function fileAt(root: string, path: string): Promise<string | undefined> {
  try {
    const found = await realpath(resolveInside(root, path.replace(/^\/+/, "")));
    return isInside(root, found) && (await stat(found)).isFile() ? found : undefined;
  } catch {
    return undefined;
  }
}
