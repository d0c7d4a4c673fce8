// Plain HTTP for stores that are reached by addresses: our own service, and signed addresses of an S3 store.
//
// Owns: the client (authority, proxies, time limits) and the reading of ranges. Must never: follow a redirect: what we
// send and fetch is private.
import { type Dispatcher, EnvHttpProxyAgent, fetch as undiciFetch } from "undici";
import { AutochromeError } from "../../kernel/index.ts";
import { damaged, type StoreTrouble } from "./trouble.ts";
import type { Reading } from "./wire.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
  text(): Promise<string>;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | Blob | string;
  readonly signal: AbortSignal;
  readonly redirect: "manual";
}

/** What fetch does, as far as it is needed here. */
export type Fetch = (url: string, request: HttpRequest) => Promise<HttpAnswer>;

export interface HttpClient {
  readonly fetch: Fetch;
  close(): Promise<void>;
}

/**
 * A client that goes through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
 * @param ca PEM of an authority that is trusted besides... instead of the usual ones
 * @throws AutochromeError "usage" for a proxy that is no address
 */
export function createHttpClient(stallMs: number, ca: string | undefined): HttpClient {
  const trust = ca === undefined ? {} : { ca };
  let agent: Dispatcher;
  try {
    agent = new EnvHttpProxyAgent({
      connect: { timeout: stallMs, ...trust },
      requestTls: { timeout: stallMs, ...trust },
      headersTimeout: 0, // the callers' signals and the watch over silence do this
      bodyTimeout: 0,
    });
  } catch (error) {
    throw new AutochromeError(
      "usage",
      "The proxy in HTTP_PROXY or HTTPS_PROXY is not an address.",
      "Write it as http://proxy.example:8080, or remove it from the environment.",
      { cause: error },
    );
  }
  return {
    fetch: (url, request) => undiciFetch(url, { ...request, dispatcher: agent }),
    close: () => agent.destroy(),
  };
}

/** An answer that was asked for here. */
export interface Asked extends HttpAnswer {
  /** Ends it, read or not. */
  discard(): void;
}

/** One request. The answer has to begin, and small ones to end, in the time that a slow line takes. */
export async function ask(
  fetch: Fetch,
  url: string,
  request: Omit<HttpRequest, "signal" | "redirect">,
  { stallMs, signal }: { readonly stallMs: number; readonly signal: AbortSignal | undefined },
): Promise<Asked> {
  const end = new AbortController();
  async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => end.abort(new DOMException("no answer", "TimeoutError")), ms);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }
  const answer = await within(stallMs + sizeOf(request.body) / SLOWEST, () =>
    fetch(url, {
      ...request,
      // "identity": a compressed answer could be neither resumed nor compared with a size
      headers: { "User-Agent": "Autochrome", "Accept-Encoding": "identity", ...request.headers },
      signal: signal === undefined ? end.signal : AbortSignal.any([end.signal, signal]),
      redirect: "manual",
    }),
  );
  return {
    status: answer.status,
    headers: answer.headers,
    body: answer.body,
    text: () => within(stallMs, () => answer.text()),
    discard: () => end.abort(),
  };
}

/** Bytes a millisecond of the slowest line that is worth waiting for. */
const SLOWEST = 64;

function sizeOf(body: HttpRequest["body"]): number {
  return body === undefined ? 0 : body instanceof Blob ? body.size : body.length;
}

/** Drops what is left of an answer, so that its connection can be used again where that is cheap. */
export async function drop(answer: Asked): Promise<void> {
  if (Number(answer.headers.get("Content-Length") ?? 0) > 65_536) answer.discard();
  else await answer.text().catch(() => undefined);
}

/**
 * The answer to a GET with a range, as a reading.
 * @param refuse what other statuses mean
 * @returns undefined for 404
 */
export async function readingOf(
  answer: Asked,
  place: string,
  refuse: (answer: Asked) => Promise<StoreTrouble>,
): Promise<Reading | undefined> {
  const { status, headers } = answer;
  if (status === 404) {
    await drop(answer);
    return undefined;
  }
  if (status !== 200 && status !== 206) throw await refuse(answer);
  const [, first, total] =
    /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15})$/.exec(headers.get("Content-Range") ?? "") ?? [];
  if (status === 206 && first === undefined) {
    answer.discard();
    throw damaged(place, "a piece of which nobody knows where it belongs");
  }
  const length = headers.get("Content-Length");
  return {
    first: Number(first ?? 0),
    size:
      total !== undefined
        ? Number(total)
        : length !== null && /^\d{1,15}$/.test(length)
          ? Number(length)
          : undefined,
    tag: headers.get("ETag") ?? undefined,
    body: answer.body ?? emptyBody(),
    discard: () => answer.discard(),
  };
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

/** How large a blob is, by a range request for its first byte; for addresses that are signed for GET only. */
export async function sizeByRange(answer: Asked, refuse: (answer: Asked) => Promise<StoreTrouble>) {
  const { status, headers } = answer;
  const size = /\/(\d{1,15})$/.exec(headers.get("Content-Range") ?? "")?.[1] ?? headers.get("Content-Length");
  if (status !== 200 && status !== 206 && status !== 416 && status !== 404) throw await refuse(answer);
  await drop(answer);
  if (status === 404) return undefined;
  return { size: status === 416 ? 0 : Number(size) };
}

/** An address of a store without a slash at its end. @throws AutochromeError "usage" for what is no address */
export function addressOf(url: string): string {
  const { protocol } = URL.parse(url) ?? {};
  if (protocol === "https:" || protocol === "http:") return url.replace(/\/+$/, "");
  throw new AutochromeError(
    "usage",
    `${url} is not the address of a storage.`,
    "Write it as https://storage.example in the settings.",
  );
}
