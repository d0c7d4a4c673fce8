// How the library's routes answer: fresh JSON, long answers compressed, nothing to clients that have left.
// Owns: those headers. Must never: know what is in an answer.
import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import type { ApiContext } from "../endpoint.ts";

/** For what may be another with the next request. */
export const FRESH = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;

/** Answers from so many bytes on are compressed. */
const COMPRESSED_FROM = 16 * 1024;
/** Nobody hears it. */
const CLIENT_LEFT = 499;

const zstd = promisify(zstdCompress);
const gzipped = promisify(gzip);

/**
 * JSON that lies there in parts, compressed where it is long and the client takes it: outside the engine's own thread, and
 * quickly rather than well, since most clients are on this computer.
 */
export async function packed(c: ApiContext, parts: readonly (string | Uint8Array)[]): Promise<Response> {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const answer = (bytes: Uint8Array<ArrayBuffer>, encoding?: string) =>
    new Response(bytes, {
      headers: {
        ...FRESH,
        "Content-Type": "application/json",
        Vary: "Accept-Encoding",
        ...(encoding === undefined ? {} : { "Content-Encoding": encoding }),
      },
    });
  const accepted = body.length < COMPRESSED_FROM ? [] : encodingsOf(c.req.header("Accept-Encoding"));
  if (accepted.includes("zstd")) {
    return answer(await zstd(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }), "zstd");
  }
  return accepted.includes("gzip") ? answer(await gzipped(body, { level: 1 }), "gzip") : answer(body);
}

/** Names in an Accept-Encoding that are not excluded. */
function encodingsOf(header = ""): string[] {
  return header
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.split(";")[0] ?? "");
}

/** Answers, unless the client leaves before: what it asked for is given up then. */
export async function unlessLeft(
  c: ApiContext,
  answer: (signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const { signal } = c.req.raw;
  try {
    return await answer(signal);
  } catch (error) {
    if (signal.aborted) return new Response(null, { status: CLIENT_LEFT });
    throw error;
  }
}
