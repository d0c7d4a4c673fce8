// The storage between a laptop and its pods: blobs by key, in pieces that go on where they stopped.
//
// Owns: that protocol; app/cluster's gateway.ts is its other side. Must never: show a blob that is not whole and verified,
// hold one in memory, or let a grant reach further than it was given for.
//
// PUT sends a blob, or with Content-Range a piece that begins where the last one ended; X-Content-Sha256 is the whole
// blob's digest. 201: it is there. 202 and 409: Upload-Offset says where to go on. "Content-Range: bytes */SIZE" with an
// empty body only asks for that.
import type { IncomingMessage } from "node:http";
import { z } from "@hono/zod-openapi";
import { type BlobFolder, isKey, isPrefix, type Upload } from "../cluster/index.ts";
import { badRequest, type Problem, refusal } from "./answers.ts";
import { type BlobGrants, mayRead, mayWrite, scopeSchema } from "./blob-grants.ts";
import { type ApiContext, type ApiRoutes, describe, endpoint } from "./endpoint.ts";
import { sendFile } from "./send-file.ts";

export interface BlobOptions {
  readonly blobs: BlobFolder;
  readonly grants: BlobGrants;
}

const tag = "Blobs";
const KEY = "/blobs/{key}";
const WEEK = 7 * 24 * 60 * 60;
/** Between two sweeps, in milliseconds. */
const SWEEP_EVERY = 60 * 60 * 1000;

const entrySchema = z.object({ key: z.string(), size: z.number(), modified: z.string() }).openapi("Blob");

/** Whether a path is one of these routes'. */
export function isBlobPath(path: string): boolean {
  return path === "/blobs" || path.startsWith("/blobs/");
}

/** Whether the route behind a path reads its body by itself. */
export function isBlobStream(path: string): boolean {
  return isBlobPath(path) && path !== "/blobs/grants" && path !== "/blobs/delete";
}

export function blobRoutes(routes: ApiRoutes, { blobs, grants }: BlobOptions): void {
  let swept = Date.now();
  endpoint(
    routes,
    {
      method: "get",
      path: "/blobs",
      tag,
      summary: "Blobs whose key begins with `prefix`, in order, those behind `after`; at most 1000 at once.",
      query: z.object({ prefix: z.string(), after: z.string().optional() }),
      answers: {
        200: {
          description: "Some of them, and whether there are more",
          schema: z.object({ entries: z.array(entrySchema), more: z.boolean() }),
        },
      },
    },
    async (c, { query: { prefix, after = "" } }) => {
      if (!isPrefix(prefix)) throw badRequest("No key begins like this.");
      forbidGrants(c);
      return c.json(await blobs.page(prefix, after));
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/blobs/grants",
      tag,
      summary: "Makes a token that may read and write some blobs for a while; send it as X-API-Key.",
      body: scopeSchema.extend({ seconds: z.int().min(60).max(WEEK) }),
      answers: {
        200: { description: "The token", schema: z.object({ token: z.string(), expires: z.string() }) },
      },
    },
    async (c, { body: { read, write, seconds } }) => {
      forbidGrants(c);
      return c.json(await grants.issue({ read, write }, seconds));
    },
  );

  endpoint(
    routes,
    {
      method: "post",
      path: "/blobs/delete",
      tag,
      summary: "Removes some blobs; that one is not there is no error.",
      body: z.object({ keys: z.array(z.string().refine(isKey)).max(1000) }),
      answers: { 204: "They are not there now" },
    },
    async (c, { body: { keys } }) => {
      forbidGrants(c);
      for (const key of keys) await blobs.remove(key);
      return c.body(null, 204);
    },
  );

  const on = (
    about: Pick<Parameters<typeof describe>[1], "method" | "summary" | "answers" | "upload">,
    answer: (c: ApiContext, key: string) => Promise<Response>,
  ) => {
    describe(routes, { ...about, path: KEY, tag });
    // keys have slashes in them
    routes.on(about.method.toUpperCase(), KEY.replace("{key}", ":key{.+}"), async (c) => {
      const key = c.req.param("key") ?? "";
      if (!isKey(key)) throw badRequest("This is no name of a blob.");
      const scope = c.get("scope");
      const isReading = about.method === "get";
      if (about.method === "delete") forbidGrants(c);
      else if (scope !== undefined && !(isReading ? mayRead : mayWrite)(scope, key))
        throw refusal(OUT_OF_SCOPE);
      return answer(c, key);
    });
  };
  const binary = z.string().openapi({ format: "binary" });
  on(
    {
      method: "get",
      summary: "A blob or, with Range, a part of it; HEAD tells its size.",
      answers: {
        200: { description: "The blob", type: "application/octet-stream", schema: binary },
        206: "A part of it",
        404: "There is none",
      },
    },
    (c, key) => sendFile(c, blobs.path(key), { "Content-Type": "application/octet-stream" }),
  );
  on(
    {
      method: "put",
      summary:
        "Sends a blob (X-Content-Sha256: its digest) or a piece of it (Content-Range: bytes FIRST-LAST/SIZE).",
      upload: { type: "application/octet-stream", schema: binary },
      answers: {
        201: "It is there",
        202: "Upload-Offset says where the next piece has to begin, which may be where this one should have",
        411: "Neither Content-Length nor Content-Range",
        422: "What came does not fit its digest; nothing of it is kept",
        423: "Another request sends the same just now",
        507: "The storage is full",
      },
    },
    async (c, key) => {
      if (Date.now() - swept > SWEEP_EVERY) {
        swept = Date.now();
        await blobs.sweep();
      }
      return put(c.env.incoming, key, blobs);
    },
  );
  on(
    {
      method: "delete",
      summary: "Removes a blob; that there is none is no error.",
      answers: { 204: "There is none now" },
    },
    async (c, key) => {
      await blobs.remove(key);
      return c.body(null, 204);
    },
  );
}

async function put(request: IncomingMessage, key: string, blobs: BlobFolder): Promise<Response> {
  const { upload, first } = announced(request, key);
  if (first === undefined) return goOnAt(await blobs.arrived(upload));
  const received = await blobs.receive(upload, first, request, () => request.destroy());
  if (received.kind === "whole") return new Response(null, { status: 201 });
  if (received.kind === "busy") {
    throw refusal({
      status: 423,
      code: "unavailable",
      message: "Another request sends the same just now.",
      next: "Wait a moment and ask how far it is.",
      headers: { "Retry-After": "1" },
    });
  }
  return goOnAt(received.offset);
}

/** What a request wants to send. `first`: undefined where it only asks. */
function announced(
  request: IncomingMessage,
  key: string,
): { readonly upload: Upload; readonly first: number | undefined } {
  const sha256 = request.headers["x-content-sha256"];
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw badRequest("X-Content-Sha256 is missing.", "Send the SHA-256 of the whole blob in lower-case hex.");
  }
  const range = request.headers["content-range"];
  if (range === undefined) {
    const size = Number(request.headers["content-length"] ?? Number.NaN);
    if (Number.isSafeInteger(size)) return { upload: { key, sha256, size }, first: 0 };
    throw refusal({
      status: 411,
      code: "bad-request",
      message: "How large the blob is was not said.",
      next: "Send Content-Length or Content-Range.",
    });
  }
  const [, first, total] = /^bytes (?:(\d{1,15})-\d{1,15}|\*)\/(\d{1,15})$/.exec(range) ?? [];
  if (total === undefined)
    throw badRequest("Content-Range is not to be understood.", "bytes FIRST-LAST/SIZE");
  return {
    upload: { key, sha256, size: Number(total) },
    first: first === undefined ? undefined : Number(first),
  };
}

function goOnAt(offset: number): Response {
  return new Response(null, { status: 202, headers: { "Upload-Offset": String(offset) } });
}

function forbidGrants(c: ApiContext): void {
  if (c.get("scope") !== undefined) throw refusal(OUT_OF_SCOPE);
}

export const OUT_OF_SCOPE: Problem = {
  status: 403,
  code: "forbidden",
  message: "This permission does not reach so far.",
  next: "Use the service's key, or a permission that was made for this.",
};
