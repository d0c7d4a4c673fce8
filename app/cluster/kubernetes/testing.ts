// What the tests of this folder use: an API server that knows a little and misbehaves as told, and kubeconfigs for it.
// Must never: be imported by anything but tests.
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { type Cluster, type ConnectOptions, connectCluster } from "./connect.ts";
import type { Submission } from "./job-spec.ts";
import { submissionSchema } from "./job-spec.ts";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** What a request gets instead of its answer. */
export type Mischief =
  | { readonly hang: true }
  | { readonly reset: true }
  /** The answer ends in its middle. */
  | { readonly cut: true }
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> };

type Thing = Record<string, unknown> & { metadata: Record<string, unknown> };

export interface FakeApi {
  readonly url: string;
  readonly seen: Seen[];
  /** By path. Whatever a test puts there, the server gives. */
  readonly things: Map<string, unknown>;
  /** Asked at every request. */
  mischief: (seen: Seen) => Mischief | undefined;
  /** "create jobs" and the like: what a SelfSubjectAccessReview denies. */
  readonly denied: Set<string>;
  minor: string;
  /** Token that is accepted; undefined: any. */
  token: string | undefined;
  /** A watch is cut so long after its start, in milliseconds. */
  watchMs: number;
  /** Tells all watches. */
  announce(change: unknown): void;
  /** Made so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Kubernetes' way to say no. */
export function status(code: number, reason: string, message: string): Mischief {
  return {
    status: code,
    body: { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code },
  };
}

export async function startFakeApi(tls?: { readonly key: string; readonly cert: string }): Promise<FakeApi> {
  const watches = new Set<ServerResponse>();
  let uid = 0;
  const answer = (request: IncomingMessage, response: ServerResponse, text: string) => {
    const url = new URL(request.url ?? "", "http://fake");
    const seen: Seen = {
      method: request.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    api.seen.push(seen);
    const send = (code: number, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
      response.writeHead(code, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
    const mischief = api.mischief(seen);
    if (mischief !== undefined) {
      if ("hang" in mischief) return;
      if ("reset" in mischief) return void request.socket.destroy();
      if ("cut" in mischief) {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write('{"kind":', () => request.socket.destroy());
        return;
      }
      return send(mischief.status, mischief.body ?? {}, mischief.headers);
    }
    const refuse = (code: number, reason: string, message: string) => {
      const no = status(code, reason, message);
      if ("status" in no) send(no.status, no.body);
    };
    if (api.token !== undefined && request.headers.authorization !== `Bearer ${api.token}`)
      return refuse(401, "Unauthorized", "Unauthorized");
    if (seen.path === "/version")
      return send(200, { major: "1", minor: api.minor, gitVersion: `v1.${api.minor}.0` });
    if (seen.path.endsWith("/selfsubjectaccessreviews")) {
      const { verb, resource, subresource } = attributesOf(seen.body);
      const right = `${verb} ${resource}${subresource === undefined ? "" : `/${subresource}`}`;
      return send(201, { status: { allowed: !api.denied.has(right) } });
    }
    if (seen.query.get("watch") === "true") {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      watches.add(response);
      setTimeout(() => {
        watches.delete(response);
        request.socket.destroy();
      }, api.watchMs);
      return;
    }
    const present = api.things.get(seen.path);
    if (seen.method === "POST") {
      const thing = seen.body as Thing;
      const path = `${seen.path}/${String(thing.metadata.name)}`;
      if (api.things.has(path)) return refuse(409, "AlreadyExists", `${path} already exists`);
      const made = {
        ...thing,
        metadata: { ...thing.metadata, uid: `uid-${++uid}`, creationTimestamp: new Date().toISOString() },
      };
      if (seen.query.get("dryRun") === null) api.things.set(path, made);
      return send(201, made);
    }
    if (present === undefined) {
      // A list of what is below, by labels.
      const below = [...api.things].filter(
        ([path, thing]) =>
          path.startsWith(`${seen.path}/`) && hasLabels(thing, seen.query.get("labelSelector")),
      );
      const name = seen.path.split("/").at(-1) ?? "";
      if (["jobs", "pods", "events", "resourcequotas", "nodes"].includes(name))
        return send(200, { items: below.map(([, thing]) => thing) });
      return refuse(404, "NotFound", `"${name}" not found`);
    }
    if (seen.method === "DELETE") {
      api.things.delete(seen.path);
      return send(200, { kind: "Status", status: "Success" });
    }
    if (seen.method === "PATCH") api.things.set(seen.path, merged(present, seen.body));
    send(200, api.things.get(seen.path));
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    request.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    request.on("end", () => answer(request, response, text));
  };
  const server = tls === undefined ? createServer(listener) : createSecureServer({ ...tls }, listener);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  let connections = 0;
  server.on("connection", () => connections++);
  const api: FakeApi = {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    seen: [],
    things: new Map<string, unknown>(),
    mischief: () => undefined,
    denied: new Set(),
    minor: "34",
    token: undefined,
    watchMs: 60_000,
    announce(change) {
      for (const watch of watches) watch.write(`${JSON.stringify(change)}\n`);
    },
    connections: () => connections,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return api;
}

function attributesOf(body: unknown): { verb: string; resource: string; subresource?: string } {
  return (body as { spec: { resourceAttributes: { verb: string; resource: string; subresource?: string } } })
    .spec.resourceAttributes;
}

function hasLabels(thing: unknown, selector: string | null): boolean {
  const labels = (thing as { metadata?: { labels?: Record<string, string> } }).metadata?.labels ?? {};
  return (selector ?? "").split(",").every((pair) => {
    const [name = "", value] = pair.split("=");
    return name === "" || labels[name] === value;
  });
}

function merged(old: unknown, change: unknown): unknown {
  if (
    typeof old !== "object" ||
    old === null ||
    typeof change !== "object" ||
    change === null ||
    Array.isArray(change)
  )
    return change;
  const result: Record<string, unknown> = { ...old };
  for (const [key, value] of Object.entries(change)) result[key] = merged(result[key], value);
  return result;
}

/** What a test works with; new for each test. */
export interface Bench {
  readonly folder: string;
  readonly api: FakeApi;
  /** A cluster handle with short times. */
  connect(options?: ConnectOptions, user?: object): Promise<Cluster>;
  /** Writes a file into the folder. @returns its path */
  write(name: string, content: string | object): Promise<string>;
}

/** To be called at the top of a test file. */
export function useBench(): Bench {
  let folder = "";
  let api: FakeApi;
  let open: Cluster[] = [];
  const bench: Bench = {
    get folder() {
      return folder;
    },
    get api() {
      return api;
    },
    async connect(options = {}, user = { token: "t" }) {
      const kubeconfig = await bench.write("config", kubeconfigFor({ server: api.url }, user));
      const cluster = await connectCluster({ kubeconfig }, { ...QUICK, ...options });
      open.push(cluster);
      return cluster;
    },
    async write(name, content) {
      const path = join(folder, name);
      await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
      return path;
    },
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-cluster-"));
    api = await startFakeApi();
    open = [];
  });
  afterEach(async () => {
    for (const cluster of open) await cluster.close();
    await api.close();
    await rm(folder, { recursive: true, force: true });
  });
  return bench;
}

/** Short times, and nothing of the computer that runs the tests. */
export const QUICK: ConnectOptions = {
  timeoutMs: 2000,
  tries: 4,
  backoffMs: 5,
  longestWaitMs: 50,
  environment: { PATH: process.env.PATH },
};

export function kubeconfigFor(cluster: object, user: object, name = "test", namespace = "photos"): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
  };
}

/** A key and a certificate of its own for a name, by openssl; undefined where there is none. */
export async function makeCertificate(
  folder: string,
  name: string,
): Promise<{ readonly key: string; readonly cert: string } | undefined> {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const subject = `subjectAltName=${isIP(name) === 0 ? "DNS" : "IP"}:${name}`;
  const wanted = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
  ];
  try {
    execFileSync("openssl", ["req", "-x509", ...wanted, "-keyout", key, "-out", cert, "-addext", subject], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}

export function submissionFor(changes: Partial<Submission> = {}): Submission {
  return {
    ...submissionSchema.parse({
      ...{ install: "laptop", batch: "01jabc", attempt: 1, manifest: "batches/01jabc/1/manifest.json" },
      ...{ image: "example.org/autochrome:1", chunks: 4, parallelism: 2, gpu: "nvidia.com/gpu" },
    }),
    ...changes,
  };
}

export const JOBS = "/apis/batch/v1/namespaces/photos/jobs";
export const PODS = "/api/v1/namespaces/photos/pods";
export const SECRETS = "/api/v1/namespaces/photos/secrets";
export const EVENTS = "/api/v1/namespaces/photos/events";
