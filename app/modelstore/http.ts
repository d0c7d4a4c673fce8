// One question to a web server, and what its answer means.
//
// Owns: redirects, proxies, the reading of headers, and what went wrong as a value with a reason for people.
// Must never: send anything that tells about the user, follow a redirect from https to http, or write a file.
import { finished } from "node:stream";
import { type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { AutochromeError } from "../kernel/index.ts";

/** Why a source did not give what it was asked for. */
export interface Fault {
  /** "unreachable": there was no answer; "damaged": it gave wrong bytes. */
  readonly kind: "unreachable" | "failed" | "damaged";
  /** A clause about the server: "it does not have the file (404)". */
  readonly reason: string;
  /** Whether asking again makes sense. */
  readonly retry: "never" | "later" | "now";
  /** How long the server wants to be left alone. */
  readonly waitMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly length: number | undefined;
  /** Of a 206 or 416. */
  readonly range: ContentRange | undefined;
  /** Strong ETag, with its quotes. */
  readonly etag: string | undefined;
  /** What Hugging Face says of the file that it redirects to. */
  readonly linked: { readonly sha256: string | undefined; readonly size: number | undefined };
  /** For a status that says to come back. */
  readonly retryAfterMs: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Ends the answer, read or not. */
  discard(): void;
}

export interface ContentRange {
  /** First and last byte; absent in a 416. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** Of the whole file, where the server tells. */
  readonly total: number | undefined;
}

export interface AskOptions {
  readonly agent: Dispatcher;
  /** Of silence before the connection is given up. */
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
}

const MOST_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Pieces of a body, of some 64 kB each, that wait for the disk. */
const MOST_WAITING = 16;

/**
 * A client that goes through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. To be destroyed after use.
 * @throws AutochromeError "usage" for a proxy that is no address
 */
export function createAgent(
  stallMs: number,
  environment: NodeJS.ProcessEnv = process.env,
): EnvHttpProxyAgent {
  const proxy = (name: string) => {
    const value = environment[name.toLowerCase()] || environment[name];
    return value === undefined || value === "" || value.includes("://") ? value : `http://${value}`;
  };
  const httpProxy = proxy("HTTP_PROXY");
  const httpsProxy = proxy("HTTPS_PROXY");
  const noProxy = environment.no_proxy || environment.NO_PROXY || "";
  try {
    return new EnvHttpProxyAgent({
      connectTimeout: stallMs,
      noProxy,
      allowH2: false, // one file at a time gains nothing from it
      ...(httpProxy === undefined ? {} : { httpProxy }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
    });
  } catch (error) {
    throw new AutochromeError(
      "usage",
      "The proxy in HTTP_PROXY or HTTPS_PROXY is not an address.",
      "Write it as http://proxy.example:8080, or remove it from the environment.",
      { cause: error },
    );
  }
}

/** Asks for a file, through redirects. The answer has to be discarded in the end. */
export async function ask(
  source: string,
  headers: Readonly<Record<string, string>>,
  options: AskOptions,
): Promise<Answer | Fault> {
  let url = new URL(source);
  const linked: { sha256: string | undefined; size: number | undefined } = {
    sha256: undefined,
    size: undefined,
  };
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    let response: Dispatcher.ResponseData;
    try {
      response = await request(url, {
        // "identity": a compressed answer could be neither resumed nor compared with a size
        headers: { "user-agent": "Autochrome", accept: "*/*", "accept-encoding": "identity", ...headers },
        dispatcher: options.agent,
        headersTimeout: options.stallMs,
        bodyTimeout: options.stallMs,
        signal: options.signal ?? null,
      });
    } catch (error) {
      return networkFault(error, options.signal);
    }
    const header = (name: string) => firstOf(response.headers[name]);
    linked.sha256 ??= digestIn(header("x-linked-etag"));
    linked.size ??= numberIn(header("x-linked-size"));
    if (!REDIRECTS.has(response.statusCode)) {
      return {
        status: response.statusCode,
        contentType: header("content-type")?.split(";")[0]?.trim().toLowerCase(),
        contentEncoding: header("content-encoding"),
        length: numberIn(header("content-length")),
        range: readContentRange(header("content-range")),
        etag: strongEtag(header("etag")),
        linked,
        retryAfterMs: readRetryAfter(header("retry-after"), Date.now()),
        chunks: chunksOf(response.body),
        discard: () => discard(response.body),
      };
    }
    discard(response.body);
    const target = redirectTarget(url, header("location"));
    if (!(target instanceof URL)) return target;
    url = target;
  }
  return failed(`it redirects more than ${MOST_REDIRECTS} times`, "never");
}

export function failed(reason: string, retry: Fault["retry"]): Fault {
  return { kind: "failed", reason, retry };
}

/** What a status other than 200, 206 and 416 means. */
export function statusFault(answer: Answer): Fault {
  const { status, retryAfterMs } = answer;
  if (status === 404 || status === 410) return failed(`it does not have the file (${status})`, "never");
  if (status === 401 || status === 403) return failed(`it does not give the file away (${status})`, "never");
  if (status === 407) return failed("the proxy asks for a user name and a password (407)", "never");
  const isTemporary = status === 408 || status === 425 || status === 429 || status >= 500;
  const reason = status === 429 ? "it is asked too often (429)" : `it answers with the status ${status}`;
  return {
    ...failed(reason, isTemporary ? "later" : "never"),
    ...(retryAfterMs === undefined ? {} : { waitMs: retryAfterMs }),
  };
}

/** Where a redirect leads, or why it is not followed. */
export function redirectTarget(from: URL, location: string | undefined): URL | Fault {
  const target = URL.parse(location ?? "", from.href);
  if (location === undefined || target === null)
    return failed("it redirects, but does not say where to", "never");
  if (target.protocol !== "https:" && target.protocol !== "http:")
    return failed("it redirects to something that is not on the web", "never");
  if (from.protocol === "https:" && target.protocol === "http:")
    return failed("it redirects to a connection that is not secure", "never");
  return target;
}

/** "bytes 100-199/1000", "bytes 100-199/*", "bytes *\/1000". */
export function readContentRange(header: string | undefined): ContentRange | undefined {
  const [, first, last, total] =
    /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/i.exec(header?.trim() ?? "") ?? [];
  if (total === undefined) return undefined;
  const range = { first: numberIn(first), last: numberIn(last), total: numberIn(total) };
  if (range.first === undefined || range.last === undefined) return range;
  const isPossible = range.first <= range.last && (range.total === undefined || range.last < range.total);
  return isPossible ? range : undefined;
}

/** Seconds, or a date. @returns milliseconds from `now` on, never negative */
export function readRetryAfter(header: string | undefined, now: number): number | undefined {
  const seconds = numberIn(header);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(header ?? "");
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Gives up what is left of an answer. */
function discard(body: Dispatcher.ResponseData["body"]): void {
  body.on("error", () => {}).destroy();
}

/**
 * The bytes of a body; reading begins at once. An error comes after everything that arrived before it: a stream would
 * drop what nobody has taken yet, and a download that breaks again and again would never get on.
 */
function chunksOf(body: Dispatcher.ResponseData["body"]): AsyncIterable<Uint8Array> {
  const queue: Uint8Array[] = [];
  let failure: Error | null | undefined;
  let isOver = false;
  let wake = () => {};
  body.on("data", (chunk: Uint8Array) => {
    if (queue.push(chunk) >= MOST_WAITING) body.pause();
    wake();
  });
  finished(body, (error) => {
    failure = error;
    isOver = true;
    wake();
  });
  async function* take(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        yield chunk;
        continue;
      }
      if (failure) throw failure;
      if (isOver) return;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      body.resume();
      await woken;
    }
  }
  return take();
}

const REASONS: Readonly<Record<string, readonly [Fault["kind"], string]>> = {
  ENOTFOUND: ["unreachable", "its name is not known on this network"],
  EAI_AGAIN: ["unreachable", "its name cannot be looked up"],
  ECONNREFUSED: ["unreachable", "it refuses the connection"],
  EHOSTUNREACH: ["unreachable", "there is no way to it"],
  ENETUNREACH: ["unreachable", "there is no way to it"],
  ENETDOWN: ["unreachable", "there is no way to it"],
  EADDRNOTAVAIL: ["unreachable", "there is no way to it"],
  ETIMEDOUT: ["unreachable", "it does not answer"],
  UND_ERR_CONNECT_TIMEOUT: ["unreachable", "it does not answer"],
  UND_ERR_PRX_CONN: ["unreachable", "the proxy breaks the connection off"],
  UND_ERR_HEADERS_TIMEOUT: ["failed", "it stopped sending"],
  UND_ERR_BODY_TIMEOUT: ["failed", "it stopped sending"],
  ECONNRESET: ["failed", "the connection broke off"],
  ECONNABORTED: ["failed", "the connection broke off"],
  ERR_STREAM_PREMATURE_CLOSE: ["failed", "the connection broke off"],
  EPIPE: ["failed", "the connection broke off"],
  UND_ERR_SOCKET: ["failed", "the connection broke off"],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["failed", "the connection broke off"],
  UND_ERR_HEADERS_OVERFLOW: ["failed", "its answer is not to be understood"],
};

/**
 * An error of the network as a fault.
 * @throws the error itself where it is none, and the signal's reason after an abort
 */
export function networkFault(error: unknown, signal: AbortSignal | undefined): Fault {
  signal?.throwIfAborted();
  if (!(error instanceof Error)) throw error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const [kind, reason] = REASONS[code] ?? [];
  if (kind !== undefined && reason !== undefined) return { kind, reason, retry: "later" };
  if (code.startsWith("HPE_")) return failed("its answer is not to be understood", "later");
  // undici has no codes of their own for what proxies answer
  const [proxy] = /Proxy response \(\d+\)|Proxy Authentication Required/.exec(error.message) ?? [];
  if (proxy !== undefined)
    return failed(`the proxy does not let it through (${/\d+/.exec(proxy)?.[0] ?? 407})`, "never");
  if (
    /^(CERT_|ERR_TLS_|ERR_SSL_|UND_ERR_PRX_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(
      code,
    )
  )
    return failed(
      `its certificate is not trusted (${code}; in NODE_EXTRA_CA_CERTS Node is told of your own authority)`,
      "never",
    );
  throw error;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "object" ? header[0] : header;
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}

function digestIn(etag: string | undefined): string | undefined {
  return /^"?([0-9a-f]{64})"?$/i.exec(etag ?? "")?.[1]?.toLowerCase();
}

function strongEtag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined;
}
