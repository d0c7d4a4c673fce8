// Bodies that are no uploads: read whole before a route sees them, with a limit.
// Owns: that limit. Must never: cut a sender off who could still hear the answer.
import type { MiddlewareHandler } from "hono";
import { type Problem, problemResponse } from "./answers.ts";
import type { ApiEnv } from "./endpoint.ts";

/** Bytes of a body at most. */
export const BODY_BYTES = 16 * 1024 * 1024;
/** What is read and thrown away of a body that is too large: a sender that writes does not listen yet. */
export const DISCARD_BYTES = 256 * 1024 * 1024;

const TOO_LARGE: Problem = {
  status: 413,
  code: "too-large",
  message: "The request is larger than 16 MB.",
  next: "Send pictures with /upload/image.",
};

/** @param isStream whether the route behind a path reads its body by itself */
export function readBodies(isStream: (path: string) => boolean): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { incoming } = c.env;
    if (c.req.method === "GET" || c.req.method === "HEAD" || isStream(c.req.path)) return next();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of incoming) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      if (size <= BODY_BYTES) chunks.push(chunk);
      else if (size > DISCARD_BYTES) break;
    }
    if (size > BODY_BYTES) return problemResponse(TOO_LARGE);
    Object.assign(incoming, { rawBody: Buffer.concat(chunks) }); // where the adapter looks for one that was read
    return next();
  };
}
