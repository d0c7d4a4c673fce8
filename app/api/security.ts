// The gate in front of everything: which Host, which Origin, who is asking, how often.
//
// Owns: that decision for HTTP requests and for WebSocket upgrades alike. Must never: let anybody in because something
// was missing, or believe a header that any client can write (X-Forwarded-For).
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { AutochromeError } from "../kernel/index.ts";
import type { Problem } from "./answers.ts";
import type { BlobScope } from "./blob-grants.ts";
import {
  createSessions,
  createTokenJudge,
  type JwtSettings,
  LOCAL_SESSION_MS,
  SESSION_MS,
  type TokenVerdict,
} from "./tokens.ts";

export interface SecuritySettings {
  /** Address that the service listens on. */
  readonly host: string;
  readonly apiKey?: string | undefined;
  readonly jwt?: JwtSettings | undefined;
  /** Names in Host that are taken besides the usual ones; "*" for any. */
  readonly allowedHosts: readonly string[];
  /** Origins of other sites' pages that may use the service; "*" for any. */
  readonly cors: readonly string[];
  /** Requests a minute of one key or address. */
  readonly rateLimit: number;
}

/** Who was let in, or why not. `expiresAt`: milliseconds since 1970, 0 where no end is known. */
export type Admission =
  | { readonly problem: Problem; readonly identity?: undefined }
  | {
      readonly problem?: undefined;
      readonly identity: string;
      readonly expiresAt: number;
      /** All that was admitted; absent: everything. */
      readonly scope?: BlobScope;
    };

/** Judges tokens that are good for some addresses only; undefined for what it does not know. */
export type ScopedJudge = (token: string, path: string) => Promise<TokenVerdict | undefined>;

export interface Gate {
  /** Judges a request by its head. Never throws. @param scoped is asked first where a key is wanted at all */
  admit(request: IncomingMessage, scoped?: ScopedJudge): Promise<Admission>;
  /** The Set-Cookie that keeps a browser signed in. */
  cookieFor(identity: string, expiresAt: number, request: IncomingMessage): string;
  /** CORS headers for this request; none for an origin that is not listed. */
  corsHeaders(request: IncomingMessage): Readonly<Record<string, string>>;
}

const COOKIE = "autochrome_session";
/** Wrong keys a minute from one address, after which it has to wait. */
const WRONG_KEYS = 20;
/** Elements and sockets of a page cannot send headers; for these addresses the token may be in the query. */
const TOKEN_IN_QUERY = /^(\/api)?\/(view|ws)$|^\/(window\/)?$/;
/** A grid of photos that is scrolled, or a zoom into one, asks for hundreds a second. */
const PICTURES = /^\/library\/(photos|versions)\/[^/]+\/(thumbnail|picture|tiles\/.*)$/;
/** So many times the limit of other requests holds for pictures. */
const PICTURES_LIMIT = 50;
/** For whoever watches over the service: they tell nothing but that it lives. */
const OPEN_TO_ALL = new Set(["/healthz", "/readyz"]);

/** Whether only programs of this computer reach the address. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "");
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    (isIP(name) === 4 && name.startsWith("127."))
  );
}

/** @throws AutochromeError "usage" where the settings would leave the service open to strangers */
export function createGate(settings: SecuritySettings): Gate {
  const judge = createTokenJudge(settings);
  if (judge === undefined && !isLoopback(settings.host)) {
    throw new AutochromeError(
      "usage",
      `The service would be open to everybody who can reach ${settings.host}.`,
      "Set AUTOCHROME_API_KEY (or --api-key), or AUTOCHROME_JWKS_URL with audience and issuer, or listen on 127.0.0.1.",
    );
  }
  if (judge === undefined && settings.cors.includes("*")) {
    throw new AutochromeError(
      "usage",
      "Any website could use the service: CORS is open and no key is set.",
      "Name the origins, or set AUTOCHROME_API_KEY.",
    );
  }
  const sessions = createSessions(isLoopback(settings.host) ? LOCAL_SESSION_MS : SESSION_MS);
  const requests = new RateLimiterMemory({ points: settings.rateLimit, duration: 60 });
  const pictures = new RateLimiterMemory({ points: settings.rateLimit * PICTURES_LIMIT, duration: 60 });
  const mistakes = new RateLimiterMemory({ points: WRONG_KEYS, duration: 60 });

  async function admit(request: IncomingMessage, scoped?: ScopedJudge): Promise<Admission> {
    const { path, query } = split(request.url);
    if (OPEN_TO_ALL.has(path)) return { identity: "anybody", expiresAt: 0 };
    const problem = hostProblem(request, settings) ?? originProblem(request, settings);
    if (problem !== undefined) return { problem };
    const address = request.socket.remoteAddress ?? "";
    const who =
      judge === undefined
        ? { identity: address, expiresAt: 0 }
        : await identify(request, path, query, address, scoped);
    if (who.problem !== undefined) return who;
    const wait = await over(PICTURES.test(path) ? pictures : requests, who.identity);
    return wait === undefined ? who : { problem: tooMany(wait) };
  }

  async function identify(
    request: IncomingMessage,
    path: string,
    query: URLSearchParams,
    address: string,
    scoped: ScopedJudge | undefined,
  ): Promise<Admission> {
    const cookie = cookieOf(request);
    const session = cookie === undefined ? undefined : sessions.read(cookie);
    const token = tokenOf(request, path, query);
    if (token === undefined && session !== undefined) return session;
    const verdict =
      token === undefined ? undefined : ((await scoped?.(token, path)) ?? (await judge?.(token)));
    if (verdict?.kind === "known") return verdict;
    if (verdict?.kind === "unavailable") return { problem: UNAVAILABLE };
    // Only who is refused waits: others behind the same address with a good key are not locked out.
    const wait = await (verdict === undefined
      ? over(requests, `nobody ${address}`)
      : over(mistakes, address));
    return { problem: wait === undefined ? unauthorized(verdict?.why) : tooMany(wait) };
  }

  return {
    admit,
    cookieFor(identity, expiresAt, request) {
      const { value, seconds } = sessions.issue(identity, expiresAt);
      const secure = request.headers["x-forwarded-proto"] === "https" ? "; Secure" : "";
      return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`;
    },
    corsHeaders(request) {
      const { origin } = request.headers;
      if (origin === undefined || !isListed(origin, settings.cors)) return {};
      return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "Content-Type, Authorization, X-API-Key, Comfy-User",
        "Access-Control-Expose-Headers": "X-Request-Id",
        "Cross-Origin-Resource-Policy": "cross-origin",
        Vary: "Origin",
      };
    },
  };
}

function split(url = "/"): { readonly path: string; readonly query: URLSearchParams } {
  const at = url.indexOf("?");
  return at < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

/** A page of another name that points here (DNS rebinding) shows itself by its Host. */
function hostProblem(request: IncomingMessage, settings: SecuritySettings): Problem | undefined {
  const name = hostName(request.headers.host ?? "");
  const { allowedHosts, host } = settings;
  const isUsual = isLoopback(host)
    ? isLoopback(name)
    : allowedHosts.length === 0 || isLoopback(name) || isIP(name) !== 0 || name === host.toLowerCase();
  const isAllowed = allowedHosts.some((allowed) => allowed === "*" || allowed.toLowerCase() === name);
  if (name !== "" && (isUsual || isAllowed)) return undefined;
  return {
    status: 403,
    code: "forbidden",
    message: "The service does not answer under this name.",
    next: "Use its own address, or add the name to the setting allowedHosts.",
  };
}

function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, "")
    .replace(/^\[|\]$/g, "");
}

/** Pages of other sites may neither send anything here nor embed what is here, unless they are listed. */
function originProblem(request: IncomingMessage, { cors }: SecuritySettings): Problem | undefined {
  const { origin, host = "", referer } = request.headers;
  const problem: Problem = {
    status: 403,
    code: "forbidden",
    message: "Pages of other sites may not use this service.",
    next: "Add the page's origin to the setting cors if you trust it.",
  };
  if (origin !== undefined) {
    const isOwn = URL.parse(origin)?.host === host.toLowerCase();
    return isOwn || isListed(origin, cors) ? undefined : problem;
  }
  const site = request.headers["sec-fetch-site"];
  if (site !== "cross-site" && site !== "same-site") return undefined;
  if (request.headers["sec-fetch-mode"] === "navigate") return undefined; // somebody followed a link
  const from = URL.parse(referer ?? "")?.origin;
  return from !== undefined && isListed(from, cors) ? undefined : problem;
}

function isListed(origin: string, cors: readonly string[]): boolean {
  return cors.some(
    (listed) => listed === "*" || listed.replace(/\/$/, "").toLowerCase() === origin.toLowerCase(),
  );
}

function tokenOf(request: IncomingMessage, path: string, query: URLSearchParams): string | undefined {
  const bearer = /^bearer +(\S+)\s*$/i.exec(request.headers.authorization ?? "")?.[1];
  const header = request.headers["x-api-key"];
  const isReading = request.method === "GET" || request.method === "HEAD";
  const inQuery = isReading && TOKEN_IN_QUERY.test(path) ? query.get("token") : null;
  return bearer ?? (typeof header === "string" ? header : undefined) ?? inQuery ?? undefined;
}

function cookieOf(request: IncomingMessage): string | undefined {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=");
    if (name === COOKIE) return value;
  }
  return undefined;
}

/** Counts one more. @returns milliseconds to wait where it is one too many */
async function over(limiter: RateLimiterMemory, key: string): Promise<number | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof RateLimiterRes) return thrown.msBeforeNext;
    throw thrown;
  }
}

function tooMany(waitMs: number): Problem {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return {
    status: 429,
    code: "rate-limited",
    message: "Too many requests.",
    next: `Wait ${seconds} seconds.`,
    headers: { "Retry-After": String(seconds) },
  };
}

function unauthorized(why: "wrong" | "expired" | undefined): Problem {
  const message = {
    wrong: "This key or token is not valid here.",
    expired: "This token has expired.",
    none: "This service wants to know who is asking.",
  }[why ?? "none"];
  return {
    status: 401,
    code: "unauthorized",
    message,
    next: "Send the key as Authorization: Bearer or X-API-Key; in a browser open /?token=KEY once.",
    headers: { "WWW-Authenticate": why === undefined ? "Bearer" : 'Bearer error="invalid_token"' },
  };
}

const UNAVAILABLE: Problem = {
  status: 503,
  code: "unavailable",
  message: "The identity provider cannot be reached, so nobody can be let in just now.",
  next: "Try again in a moment.",
  headers: { "Retry-After": "10" },
};
