// A handle on a cluster: questions to its API, asked again where that makes sense, and counted.
//
// Owns: the connection, who we are on it, time limits, retries, counters. It speaks HTTP itself: client-node's calls have no
// time limit and no retries, make a TLS connection each, and its watches and informers end without saying so.
// Must never: let credentials out, or decide what an answer means for a batch.
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { type Dispatcher, fetch, type RequestInit, type Response, request } from "undici";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { type ClusterSettings, readAccess } from "./kubeconfig.ts";
import { createDispatcher, networkFault } from "./network.ts";
import { createSignIn } from "./sign-in.ts";

/** What of the API is meant. */
export interface Ask {
  readonly verb: "get" | "list" | "create" | "patch" | "delete";
  /** Plural: "jobs". What is counted under. */
  readonly resource: string;
  /** From the root of the API: "/apis/batch/v1/namespaces/n/jobs". */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** An object of Kubernetes; for a patch, what to merge into it. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** How often to try, at most; otherwise as the cluster was connected. */
  readonly tries?: number;
}

/** An answer that is the server's own, good or bad; what may pass was waited for already. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Sentences that the server adds. */
  readonly warnings: readonly string[];
  /** The server's clock in milliseconds since 1970: this computer's may be wrong. */
  readonly serverTime: number;
  /** What the last try took, in milliseconds. */
  readonly ms: number;
}

export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  /** "v1.34.2". */
  readonly words: string;
}

/** The service behind the API server's proxy, as `fetch` sees it. */
export type ProxyFetch = (address: string | URL, init?: RequestInit) => Promise<Response>;

export interface Cluster {
  /** Name of the context. */
  readonly context: string;
  readonly server: string;
  readonly namespace: string;
  /** Whether the kubeconfig says that anybody may be the server. */
  readonly insecure: boolean;
  /** What the API server says it is; asked once. */
  version(signal?: AbortSignal): Promise<ServerVersion>;
  /**
   * Asks, and asks again after 429, 5xx and errors of the network, minding Retry-After.
   * @throws AutochromeError "cluster-unreachable", "cluster-sign-in"; the signal's reason after an abort
   */
  ask(ask: Ask): Promise<Answer>;
  /**
   * Follows changes: the server's lines as they come. Ends when the server ends it, throws when the way breaks; never
   * asks again by itself. A status of 400 and above ends it too.
   * @param seconds after which the server is to end it
   */
  watch(
    ask: Pick<Ask, "resource" | "path" | "query"> & { readonly signal: AbortSignal },
    seconds: number,
  ): AsyncGenerator<unknown>;
  /**
   * `fetch` to a service of the namespace through the API server: path and query of an address go there, its host does
   * not matter. "Authorization" is the API server's own: whatever the service wants to know goes into other headers.
   * Throws what `fetch` throws, and AutochromeError "cluster-sign-in". No time limit but the caller's signal.
   * @param scheme what the service speaks
   */
  proxyFetch(service: string, port: number | string, scheme?: "http" | "https"): ProxyFetch;
  /** Requests sent so far, by verb and resource: "list pods" → 12. */
  calls(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** For a question, in milliseconds. */
  readonly timeoutMs?: number;
  /** How often a question is asked, at most. */
  readonly tries?: number;
  /** Wait before the second try, in milliseconds; doubled for each further one. */
  readonly backoffMs?: number;
  /** Longest wait between tries, also where the server wants a longer one. */
  readonly longestWaitMs?: number;
  /** For an exec plug-in. */
  readonly pluginMs?: number;
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * Reads the kubeconfig; asks nothing yet.
 * @throws AutochromeError "usage"
 */
export async function connectCluster(
  settings: ClusterSettings,
  options: ConnectOptions = {},
): Promise<Cluster> {
  const { timeoutMs = 15_000, tries = 5, backoffMs = 250, longestWaitMs = 20_000 } = options;
  const { environment = process.env, pluginMs } = options;
  let access = await readAccess(settings, environment);
  let signIn = createSignIn(access, environment, pluginMs);
  let dispatcher:
    | { readonly pool: Dispatcher; readonly cert: string | undefined; readonly key: string | undefined }
    | undefined;
  let version: Promise<ServerVersion> | undefined;
  const counts = new Map<string, number>();
  const { name: context, server, namespace } = access;

  const count = (verb: string, resource: string) => {
    const name = `${verb} ${resource}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };

  /** Headers and connections for the next request. */
  async function ready() {
    const { headers, cert, key } = await signIn.credentials();
    if (dispatcher === undefined || dispatcher.cert !== cert || dispatcher.key !== key) {
      dispatcher?.pool.close().catch(() => undefined); // lets what is under way end
      dispatcher = { pool: createDispatcher(access, { cert, key }, timeoutMs, environment), cert, key };
    }
    return { pool: dispatcher.pool, headers };
  }

  /** The cluster refused our credentials: perhaps somebody signed in again meanwhile, or a plug-in has new ones. */
  async function signInAnew(): Promise<void> {
    const fresh = await readAccess(settings, environment);
    if (isDeepStrictEqual(fresh, access)) {
      signIn.forget();
      return;
    }
    access = { ...fresh, server, namespace };
    signIn = createSignIn(access, environment, pluginMs);
    dispatcher?.pool.close().catch(() => undefined);
    dispatcher = undefined;
  }

  async function once({
    verb,
    resource,
    path,
    query,
    body,
    signal,
  }: Ask): Promise<Answer & { retryAfterMs?: number }> {
    const { pool, headers } = await ready();
    count(verb, resource);
    const started = performance.now();
    const limit = AbortSignal.timeout(timeoutMs);
    const response = await request(addressOf(server, path, query), {
      method: METHODS[verb],
      dispatcher: pool,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      headers:
        body === undefined
          ? { ...COMMON, ...headers }
          : {
              ...COMMON,
              ...headers,
              "content-type": verb === "patch" ? "application/merge-patch+json" : "application/json",
            },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    const retryAfter = firstOf(response.headers["retry-after"]);
    const date = Date.parse(firstOf(response.headers.date) ?? "");
    return {
      status: response.statusCode,
      body: jsonOr(text),
      warnings: listOf(response.headers.warning).flatMap((line) => warningIn(line) ?? []),
      serverTime: Number.isNaN(date) ? Date.now() : date,
      ms: performance.now() - started,
      ...(retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter)
        ? { retryAfterMs: Number(retryAfter) * 1000 }
        : {}),
    };
  }

  async function ask(question: Ask): Promise<Answer> {
    const { signal } = question;
    const most = question.tries ?? tries;
    let signedInAnew = false;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      let failure: AutochromeError;
      let waitMs = Math.min(longestWaitMs, backoffMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
      try {
        const answer = await once(question);
        if (answer.status === 401) {
          if (signedInAnew) throw notAccepted(context, answer);
          signedInAnew = true;
          await signInAnew();
          continue;
        }
        if (answer.status !== 429 && answer.status < 500 && !isConflict(answer, question)) return answer;
        failure = overloaded(server, answer);
        // A little more than it asks for, lest all come back at the same moment.
        if (answer.retryAfterMs !== undefined) waitMs += Math.min(answer.retryAfterMs, longestWaitMs);
      } catch (thrown) {
        signal?.throwIfAborted();
        if (thrown instanceof AutochromeError) throw thrown;
        const fault = networkFault(thrown, server);
        if (!fault.mayPass) throw fault.error;
        failure = fault.error;
      }
      if (attempt >= most) throw failure;
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() =>
        signal?.throwIfAborted(),
      );
    }
  }

  return {
    context,
    server,
    namespace,
    insecure: access.insecure,
    ask,
    version(signal) {
      version ??= askVersion(ask, server, signal).catch((error) => {
        version = undefined;
        throw error;
      });
      return version;
    },
    async *watch({ resource, path, query, signal }, seconds) {
      const { pool, headers } = await ready();
      count("watch", resource);
      try {
        const response = await request(
          addressOf(server, path, {
            ...query,
            watch: "true",
            allowWatchBookmarks: "true",
            timeoutSeconds: String(seconds),
          }),
          {
            dispatcher: pool,
            headers: { ...COMMON, ...headers },
            signal,
            headersTimeout: timeoutMs,
            bodyTimeout: (seconds + 15) * 1000,
          },
        );
        if (response.statusCode === 401) signIn.forget();
        if (response.statusCode >= 400) {
          await response.body.dump();
          return;
        }
        yield* jsonLines(response.body);
      } catch (thrown) {
        signal.throwIfAborted();
        throw networkFault(thrown, server).error;
      }
    },
    proxyFetch(service, port, scheme = "http") {
      const prefix = scheme === "https" ? "https:" : "";
      const base = `/api/v1/namespaces/${namespace}/services/${prefix}${service}:${port}/proxy`;
      return async (address, init = {}) => {
        const { pathname, search } = new URL(address, "http://service");
        const once = async () => {
          const { pool, headers } = await ready();
          const all = new Headers(init.headers);
          for (const [name, value] of Object.entries(headers)) {
            all.delete(name);
            for (const one of listOf(value)) all.append(name, one);
          }
          count("proxy", "services");
          return fetch(`${server}${base}${pathname}${search}`, {
            ...init,
            headers: [...all],
            dispatcher: pool,
          });
        };
        const response = await once();
        const mayRepeat =
          init.body == null || typeof init.body === "string" || init.body instanceof Uint8Array;
        if (response.status !== 401 || !mayRepeat) return response;
        await response.body?.cancel();
        await signInAnew();
        return once();
      };
    },
    calls: () => Object.fromEntries(counts),
    async close() {
      await dispatcher?.pool.destroy();
      dispatcher = undefined;
    },
  };
}

const COMMON = { "user-agent": "autochrome", accept: "application/json" } as const;
const METHODS = { get: "GET", list: "GET", create: "POST", patch: "PATCH", delete: "DELETE" } as const;

function addressOf(server: string, path: string, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `${server}${path}${search === "" ? "" : `?${search}`}`;
}

const versionSchema = z.object({ major: z.string(), minor: z.string(), gitVersion: z.string() });

async function askVersion(
  ask: Cluster["ask"],
  server: string,
  signal: AbortSignal | undefined,
): Promise<ServerVersion> {
  const { body, status } = await ask({ verb: "get", resource: "version", path: "/version", signal });
  const parsed = versionSchema.safeParse(body);
  if (!parsed.success)
    throw new AutochromeError(
      "cluster-unreachable",
      `What answers at ${new URL(server).host} is not a Kubernetes API server.`,
      "Check the server's address in the kubeconfig.",
      { detail: `GET /version: ${status}` },
    );
  // "34+" at some providers
  const { major, minor, gitVersion } = parsed.data;
  return { major: Number.parseInt(major, 10), minor: Number.parseInt(minor, 10), words: gitVersion };
}

async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield jsonOr(line);
  }
}

/** Words of a Status object, or whatever else came. */
export function statusMessage(body: unknown): string {
  const parsed = z.object({ message: z.string() }).safeParse(body);
  if (parsed.success) return parsed.data.message;
  return typeof body === "string"
    ? body
        .replaceAll(/<[^>]*>|\s+/g, " ")
        .trim()
        .slice(0, 300)
    : "";
}

/** Somebody else changed a quota at the same moment. */
function isConflict({ status, body }: Answer, { verb }: Ask): boolean {
  return verb === "create" && status === 409 && /"reason":"Conflict"/.test(JSON.stringify(body));
}

function notAccepted(context: string, answer: Answer): AutochromeError {
  return new AutochromeError(
    "cluster-sign-in",
    "The cluster does not accept the credentials of the kubeconfig; perhaps they have expired.",
    `Sign in again (\`kubectl get pods --context ${context}\` shows whether it works), or get a new kubeconfig.`,
    { detail: `401 ${statusMessage(answer.body)}` },
  );
}

function overloaded(server: string, { status, body }: Answer): AutochromeError {
  const words = statusMessage(body);
  return new AutochromeError(
    "cluster-unreachable",
    status === 429
      ? `The cluster at ${new URL(server).host} has too much to do and asks to come back later.`
      : `The cluster at ${new URL(server).host} answers, but with an error (${status}).`,
    "Wait a moment and try again; if it stays so, tell who runs the cluster.",
    { detail: `${status} ${words}` },
  );
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `299 - "sentence"`. */
function warningIn(line: string): string | undefined {
  return /^\d{3} \S+ "(.*)"/.exec(line)?.[1]?.replaceAll('\\"', '"');
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return listOf(header)[0];
}

function listOf(header: string | string[] | undefined): readonly string[] {
  return header === undefined ? [] : typeof header === "string" ? [header] : header;
}
