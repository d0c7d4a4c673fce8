// Files as answers: ETag, Last-Modified, ranges, and types that a browser cannot mistake for a page.
// Owns: those headers. Must never: choose which file may be read: paths come checked.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { Readable } from "node:stream";
import type { Context } from "hono";
import { notFound } from "./answers.ts";

/** Pictures that every viewer shows; all else is handed out as bytes to be saved. */
const PICTURE_TYPES: Readonly<Record<string, string>> = {
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".jpe": "image/jpeg",
  ".jfif": "image/jpeg",
  ".png": "image/png",
  ".webp": "image/webp",
  ".gif": "image/gif",
  ".avif": "image/avif",
  ".tif": "image/tiff",
  ".tiff": "image/tiff",
};

/** Headers for a file that came from a client or a graph: shown when it is a picture, saved otherwise. */
export function untrustedFileHeaders(name: string): Record<string, string> {
  const type = PICTURE_TYPES[extname(name).toLowerCase()];
  return {
    "Content-Type": type ?? "application/octet-stream",
    "Content-Disposition": disposition(type === undefined ? "attachment" : "inline", name),
    "X-Content-Type-Options": "nosniff",
  };
}

/** Content-Disposition with the name in ASCII and, where it has other letters, as it is. */
export function disposition(kind: "inline" | "attachment", name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, "_");
  const exact =
    plain === name ? "" : `; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, percent)}`;
  return `${kind}; filename="${plain}"${exact}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * Answers with a file, or a part of it, or "not modified".
 * @param path real and checked
 * @param headers at least the Content-Type
 */
export async function sendFile(
  c: Context,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const facts = await stat(path).catch(() => undefined);
  if (facts?.isFile() !== true) throw notFound("This file is not there.", "Check its name.");
  const { size, mtimeMs } = facts;
  const etag = `"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`;
  const common = {
    "Cache-Control": "private, no-cache",
    ...headers,
    ETag: etag,
    "Last-Modified": new Date(mtimeMs).toUTCString(),
    "Accept-Ranges": "bytes",
  };
  if (isUnchanged(c, etag, mtimeMs)) return new Response(null, { status: 304, headers: common });
  const range = rangeOf(c, size, etag, mtimeMs);
  if (range === "unsatisfiable") {
    return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } });
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const all = {
    ...common,
    "Content-Length": String(end - start + 1),
    ...(range === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (c.req.method === "HEAD" || size === 0) return new Response(null, { status, headers: all });
  const stream = Readable.toWeb(createReadStream(path, { start, end })) as ReadableStream;
  return new Response(stream, { status, headers: all });
}

function isUnchanged(c: Context, etag: string, mtimeMs: number): boolean {
  const tags = c.req.header("If-None-Match");
  if (tags !== undefined)
    return tags === "*" || tags.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
  const since = Date.parse(c.req.header("If-Modified-Since") ?? "");
  return Math.floor(mtimeMs / 1000) * 1000 <= since;
}

/** The one range that is asked for; several at once are answered with the whole file, as is allowed. */
function rangeOf(
  c: Context,
  size: number,
  etag: string,
  mtimeMs: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(c.req.header("Range")?.trim() ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const condition = c.req.header("If-Range");
  if (
    condition !== undefined &&
    condition !== etag &&
    Date.parse(condition) !== Math.floor(mtimeMs / 1000) * 1000
  ) {
    return undefined;
  }
  const [from, to] = [match[1] as string, match[2] as string];
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end || start >= size ? "unsatisfiable" : { start, end };
}
