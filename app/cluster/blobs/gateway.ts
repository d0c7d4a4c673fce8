// Our own service as a store: its routes below /blobs, see app/api/blob-routes.ts.
//
// Owns: the client's half of that protocol: pieces that go on where the service says, ranges. Must never: show the key to
// anybody but the service: it goes into one header, and redirects are not followed.
import { z } from "zod";
import { type Asked, addressOf, ask, createHttpClient, drop, type Fetch, readingOf } from "./http.ts";
import type { GrantRequest } from "./store.ts";
import {
  type Doing,
  damaged,
  expired,
  networkTrouble,
  readRetryAfter,
  StoreTrouble,
  statusTrouble,
} from "./trouble.ts";
import type { Content, Sending, Wire } from "./wire.ts";

export interface GatewaySettings {
  /** Where the service answers, with whatever comes before /blobs. */
  readonly url: string;
  /** The service's API key, or a token that was granted. Absent where the service wants none. */
  readonly token?: string | undefined;
  /** Where pods reach the service; absent: at `url`. */
  readonly insideUrl?: string | undefined;
  /** PEM of the authority of the service's certificate. */
  readonly ca?: string | undefined;
  /** Takes requests to the service another way, through the Kubernetes API server for instance. */
  readonly fetch?: Fetch | undefined;
}

/** Small enough for what stands in front of services, large enough for a fast line. */
const PIECE = 4 * 1024 * 1024;
/** Deletions that the service takes at once. */
const PER_LIST = 1000;

const pageSchema = z.object({
  entries: z.array(z.object({ key: z.string(), size: z.number(), modified: z.string() })),
  more: z.boolean(),
});
const grantedSchema = z.object({ token: z.string(), expires: z.string() });
const problemSchema = z.object({ error: z.object({ message: z.string(), next: z.string() }) });

export function createGatewayWire(settings: GatewaySettings, stallMs: number): Wire {
  const url = addressOf(settings.url);
  const { fetch, close } =
    settings.fetch === undefined
      ? createHttpClient(stallMs, settings.ca)
      : { fetch: settings.fetch, close: async () => undefined };
  const place = `storage service at ${new URL(url).host}`;
  // Not as Authorization: the Kubernetes API server would take that for its own.
  const identity = settings.token === undefined ? {} : { "X-API-Key": settings.token };

  function send(
    method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE",
    path: string,
    options: {
      readonly signal: AbortSignal | undefined;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: Uint8Array<ArrayBuffer> | string;
    },
  ): Promise<Asked> {
    const { signal, headers, body } = options;
    return ask(
      fetch,
      `${url}${path}`,
      { method, headers: { ...identity, ...headers }, ...(body === undefined ? {} : { body }) },
      { stallMs, signal },
    );
  }

  async function refuse(answer: Asked, doing: Doing): Promise<StoreTrouble> {
    const text = (await answer.text().catch(() => "")).slice(0, 2000);
    const said = problemSchema.safeParse(parseJson(text)).data?.error;
    const detail = said === undefined ? text.slice(0, 200) : `${said.message} ${said.next}`;
    if (answer.status === 422) return damaged(place, detail);
    if (answer.status === 401 && /expired/.test(detail))
      return new StoreTrouble(expired(place, { detail }), "never");
    const retryAfterMs = readRetryAfter(answer.headers.get("Retry-After"));
    return statusTrouble(answer.status, { place, doing, detail, retryAfterMs });
  }

  /**
   * Sends some bytes of a blob.
   * @param range which: "0-99", "*" to ask only, undefined for all of them
   * @returns how far the service is; the size where the blob is there
   */
  async function put(
    key: string,
    { sha256, size }: Content,
    range: string | undefined,
    body: Uint8Array<ArrayBuffer>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const answer = await send("PUT", `/blobs/${key}`, {
      signal,
      body,
      headers: {
        "Content-Type": "application/octet-stream",
        "X-Content-Sha256": sha256,
        ...(range === undefined ? {} : { "Content-Range": `bytes ${range}/${size}` }),
      },
    });
    const { status, headers } = answer;
    if (status === 201) {
      await drop(answer);
      return size;
    }
    const offset = headers.get("Upload-Offset");
    if (status === 202 && offset !== null) {
      await drop(answer);
      return Number(offset);
    }
    throw await refuse(answer, "write");
  }

  async function write(key: string, content: Content, { signal, onProgress }: Sending): Promise<void> {
    const { size } = content;
    if (size <= PIECE) {
      const reached = await put(key, content, undefined, await content.piece(0, size), signal);
      if (reached < size) throw goAstray();
      return;
    }
    let offset = await put(key, content, "*", new Uint8Array(0), signal);
    while (offset < size) {
      onProgress(offset);
      const end = Math.min(offset + PIECE, size);
      const piece = await content.piece(offset, end);
      const reached = await put(key, content, `${offset}-${end - 1}`, piece, signal);
      if (reached <= offset) throw goAstray(); // somebody begins the same upload anew
      offset = reached;
    }
  }

  /** Somebody else sends the same, or its upload was dropped: the next attempt asks how far it is. */
  function goAstray(): StoreTrouble {
    return new StoreTrouble(statusTrouble(503, { place, doing: "write" }).error, "later", 100);
  }

  return {
    place,
    async head(key, signal) {
      const answer = await send("HEAD", `/blobs/${key}`, { signal });
      if (answer.status !== 200 && answer.status !== 404) throw await refuse(answer, "read");
      await drop(answer);
      return answer.status === 404 ? undefined : { size: Number(answer.headers.get("Content-Length")) };
    },
    async read(key, offset, signal) {
      const headers = offset === 0 ? {} : { Range: `bytes=${offset}-` };
      const answer = await send("GET", `/blobs/${key}`, { signal, headers });
      return readingOf(answer, place, (refused) => refuse(refused, "read"));
    },
    write,
    async page(prefix, after, signal) {
      const query = new URLSearchParams({ prefix, ...(after === "" ? {} : { after }) });
      const answer = await send("GET", `/blobs?${query}`, { signal });
      if (answer.status !== 200) throw await refuse(answer, "list");
      return understood(pageSchema, await answer.text(), place);
    },
    async remove(keys, signal) {
      for (let start = 0; start < keys.length; start += PER_LIST) {
        const answer = await send("POST", "/blobs/delete", {
          signal,
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ keys: keys.slice(start, start + PER_LIST) }),
        });
        if (answer.status !== 204) throw await refuse(answer, "delete");
        await drop(answer);
      }
    },
    async grant(request: GrantRequest, signal) {
      const answer = await send("POST", "/blobs/grants", {
        signal,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          read: folded(request.read),
          write: folded(request.write),
          seconds: Math.floor(request.seconds),
        }),
      });
      if (answer.status !== 200) throw await refuse(answer, "grant");
      const { token, expires } = understood(grantedSchema, await answer.text(), place);
      return {
        kind: "gateway",
        expires,
        token,
        url: addressOf(settings.insideUrl ?? url),
        ...(settings.ca === undefined ? {} : { ca: settings.ca }),
      };
    },
    judge: (error) => networkTrouble(error, place),
    close,
  };
}

/** Keys as what they begin with ("in/", "out/BATCH/"): a token travels in a header, where many names have no room. */
function folded(keys: readonly string[]): string[] {
  return [...new Set(keys.map((key) => key.replace(/^(in\/|[^/]+\/[^/]+\/?).*$/, "$1")))];
}

function understood<Schema extends z.ZodType>(schema: Schema, text: string, place: string): z.infer<Schema> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw damaged(place, `not to be understood: ${text.slice(0, 200)}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
