// The HTTP service: ComfyUI's interface in front of the queue of prompts.
//
// Owns: which route is where, the way of a request (gate, limits, log, numbers), and the server.
// Must never: colour anything itself, or answer before the gate has.
import { once } from "node:events";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { z } from "@hono/zod-openapi";
import { Hono, type MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import type { PromptQueue } from "../batches/index.ts";
import { openBlobFolder } from "../cluster/index.ts";
import { AutochromeError, type Logger, newId, VERSION } from "../kernel/index.ts";
import type { World } from "../workflow/index.ts";
import { notFound, problemFrom, problemResponse } from "./answers.ts";
import { openBlobGrants } from "./blob-grants.ts";
import { blobRoutes, isBlobPath, isBlobStream, OUT_OF_SCOPE } from "./blob-routes.ts";
import { readBodies } from "./body.ts";
import { type ApiContext, type ApiEnv, createRoutes, endpoint } from "./endpoint.ts";
import type { Folders } from "./folders.ts";
import { frontEndRoutes, goOn, openFrontEnd } from "./front-end.ts";
import { assetRoutes, internalRoutes, type LogTail } from "./internal.ts";
import { type Desk, libraryRoutes } from "./library/index.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { openApiDocument } from "./openapi.ts";
import { promptRoutes } from "./prompt-routes.ts";
import { type RetentionRules, startCleaning } from "./retention.ts";
import type { Gate, ScopedJudge } from "./security.ts";
import { attachSocket } from "./socket.ts";
import { featureFlags, systemRoutes } from "./system.ts";
import { uploadRoutes } from "./uploads.ts";
import { userDataRoutes } from "./user-data.ts";
import { viewRoutes } from "./view.ts";
import { BUNDLE, openWindow } from "./window.ts";

export interface ServiceOptions {
  readonly world: World;
  /** The service's folders; `world.files` are the same. */
  readonly folders: Folders;
  readonly queue: PromptQueue;
  readonly gate: Gate;
  /** Address to listen on; the gate was made for it. */
  readonly host: string;
  /** Folder of ComfyUI's front end. With it the window is at /window/, otherwise at /. */
  readonly frontEnd?: string | undefined;
  /** What the library's routes and the window work with; its owner's to close. Without it there are neither. */
  readonly desk?: Desk | undefined;
  /** Folder of the window's bundle; unset: where it is built. */
  readonly bundle?: string | undefined;
  /** Largest upload, in bytes. */
  readonly uploadMaxBytes: number;
  /** Bytes of all blobs together; 0 for no limit. */
  readonly blobMaxBytes: number;
  readonly retention: RetentionRules;
  readonly log: Logger;
  /** The last lines of that log. */
  readonly logs: Pick<LogTail, "entries">;
  /** Milliseconds between two cleanings. */
  readonly cleanEveryMs?: number;
}

export interface Service {
  readonly app: Hono<ApiEnv>;
  readonly server: Server;
  /** Starts to answer. @param port 0: any that is free. @returns the address, without a slash at its end */
  listen(port: number): Promise<string>;
  /** Ends connections and timers. The queue is its owner's to close. */
  close(): Promise<void>;
}

const CLEAN_EVERY_MS = 60 * 60 * 1000;
/** Time for a whole request to come in: a slow upload, not a sleeping client. */
const REQUEST_MS = 10 * 60 * 1000;

/** @throws AutochromeError "usage" where the front end is not where it should be */
export async function createService(options: ServiceOptions): Promise<Service> {
  const { world, folders, queue, gate, log, uploadMaxBytes } = options;
  const { desk, bundle = BUNDLE } = options;
  const hasEditor = options.frontEnd !== undefined || desk === undefined;
  const frontEnd = hasEditor ? await openFrontEnd(options.frontEnd) : openWindow(bundle, "/");
  const { limits } = world;
  const blobs = await openBlobFolder(join(folders.root, "blobs"), { maxBytes: options.blobMaxBytes });
  const grants = await openBlobGrants(folders.root);
  let isClosing = false;

  const app = new Hono<ApiEnv>();
  const server = createAdaptorServer({ fetch: app.fetch });
  if (!(server instanceof Server)) throw new Error("this is no HTTP server");
  server.requestTimeout = REQUEST_MS;
  const features = () => featureFlags(uploadMaxBytes);
  const sockets = attachSocket(server, { queue, gate, log, features });
  const metrics = createMetrics({ queue, colorizer: world.colorizer, clients: sockets.clients });

  const routes = createRoutes();
  uploadRoutes(routes, { folders, limits, maxBytes: uploadMaxBytes });
  viewRoutes(routes, { folders, limits });
  await userDataRoutes(routes, folders.users);
  const { extensions } = frontEnd;
  systemRoutes(routes, { world, uploadMaxBytes, extensions });
  const doubled = [promptRoutes(queue), routes];
  const prefixed = createRoutes();
  assetRoutes(prefixed);
  const bare = createRoutes();
  internalRoutes(bare, folders, options.logs);
  blobRoutes(bare, { blobs, grants });
  frontEndRoutes(bare, "/", frontEnd, (c) => signIn(c, gate));
  if (hasEditor && desk !== undefined) {
    const window = openWindow(bundle, "/window/");
    frontEndRoutes(bare, "/window/", window, (c) => signIn(c, gate));
    bare.get("/window", (c) => c.redirect("/window/"));
    bare.get("/window/*", window.file);
  }
  watchRoutes(bare, metrics, async () => {
    await access(folders.root, constants.W_OK);
    queue.remaining(); // the database answers
    return !isClosing;
  });
  if (desk !== undefined) bare.route("/", libraryRoutes(desk));
  let document: object | undefined;
  endpoint(
    bare,
    {
      method: "get",
      path: "/openapi.json",
      tag: "System",
      summary: "This document",
      answers: { 200: { description: "OpenAPI 3.1", schema: z.record(z.string(), z.unknown()) } },
    },
    () => {
      document ??= openApiDocument(doubled, bare, prefixed);
      return Response.json(document);
    },
  );

  app.use(accompany(log, metrics, gate));
  app.use(admit(gate, async (token, path) => (isBlobPath(path) ? grants.judge(token) : undefined)));
  const isUpload = (path: string) => /^(\/api)?\/upload\/|^\/library\/uploads$/.test(path);
  app.use(readBodies((path) => isUpload(path) || isBlobStream(path)));
  app.route("/", bare);
  for (const part of doubled) app.route("/", part);
  for (const part of [...doubled, prefixed]) app.route("/api", part);
  app.get("*", (c) => {
    if (/^\/(api|internal|library)(\/|$)/.test(c.req.path)) throw notFound();
    return frontEnd.file(c);
  });
  app.notFound(() => notFound().getResponse());
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    const problem = problemFrom(error);
    if (problem.status >= 500) (c.get("log") ?? log).error({ error }, "a request failed");
    else (c.get("log") ?? log).info({ error: error.message, code: problem.code }, "a request was refused");
    return problemResponse(problem);
  });

  const cleaning = startCleaning({
    folders,
    rules: options.retention,
    inUse: function* () {
      for (const state of ["running", "pending"] as const)
        for (const { graph } of queue.open(state)) yield graph;
    },
    everyMs: options.cleanEveryMs ?? CLEAN_EVERY_MS,
    log,
    onCleaned: ({ files, bytes }) => metrics.cleaned(files, bytes),
  });

  return {
    app,
    server,
    async listen(port) {
      server.listen(port, options.host.replace(/^\[|\]$/g, ""));
      await once(server, "listening").catch((error: Error) => {
        throw cannotListen(options.host, port, error);
      });
      const { address, family, port: chosen } = server.address() as AddressInfo;
      return `http://${family === "IPv6" ? `[${address}]` : address}:${chosen}`;
    },
    async close() {
      isClosing = true;
      await cleaning.stop();
      sockets.close();
      metrics.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 2000).unref();
      });
    },
  };
}

function cannotListen(host: string, port: number, cause: Error): AutochromeError {
  const isTaken = "code" in cause && cause.code === "EADDRINUSE";
  return new AutochromeError(
    "usage",
    isTaken
      ? `Port ${port} is taken: perhaps the service, or ComfyUI, runs already.`
      : `The service cannot listen on ${host}, port ${port}.`,
    "Choose another one with --port or --host.",
    { cause },
  );
}

/** What every request gets: an id, a line in the log, a number in the metrics, headers that keep browsers careful. */
function accompany(log: Logger, metrics: Metrics, gate: Gate): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const started = performance.now();
    const requestId = newId();
    c.set("requestId", requestId);
    c.set("log", log.child({ request: requestId }));
    await next();
    const headers: Record<string, string> = {
      "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
      ...gate.corsHeaders(c.env.incoming),
      "X-Request-Id": requestId,
    };
    for (const [name, value] of Object.entries(headers)) {
      if (name !== "Content-Security-Policy" || !c.res.headers.has(name)) c.header(name, value);
    }
    const ms = performance.now() - started;
    const route = routePath(c);
    const { status } = c.res;
    metrics.request(c.req.method, route === "*" || route === "/*" ? "other" : route, status, ms / 1000);
    const prompt = c.get("promptId");
    c.get("log").info(
      {
        method: c.req.method,
        path: c.req.path, // never the query: it may have a token
        status,
        ms: Math.round(ms),
        ...(prompt === undefined ? {} : { prompt }),
      },
      "answered",
    );
  };
}

function admit(gate: Gate, scoped: ScopedJudge): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const admission = await gate.admit(c.env.incoming, scoped);
    if (c.req.method === "OPTIONS" && admission.problem?.status !== 403) return c.body(null, 200);
    if (admission.problem !== undefined) return problemResponse(admission.problem);
    c.set("identity", admission.identity);
    c.set("expiresAt", admission.expiresAt);
    if (admission.scope !== undefined) {
      // by the path that routes are found by: the gate saw it as it was written
      if (!isBlobPath(c.req.path)) return problemResponse(OUT_OF_SCOPE);
      c.set("scope", admission.scope);
    }
    return next();
  };
}

/** After `?token=…` the browser has a cookie instead. */
function signIn(c: ApiContext, gate: Gate): Response | undefined {
  if (c.req.query("token") === undefined) return undefined;
  return goOn(gate.cookieFor(c.get("identity"), c.get("expiresAt"), c.env.incoming), c.req.path);
}

/** For whoever watches over the service. */
function watchRoutes(
  routes: ReturnType<typeof createRoutes>,
  metrics: Metrics,
  isReady: () => Promise<boolean>,
): void {
  const tag = "Watching";
  const schema = z.object({ status: z.string(), version: z.string() });
  endpoint(
    routes,
    {
      method: "get",
      path: "/healthz",
      tag,
      summary: "Whether the service lives. Needs no key.",
      answers: { 200: { description: "It does", schema } },
    },
    (c) => c.json({ status: "ok", version: VERSION }),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/readyz",
      tag,
      summary:
        "Whether the service takes work: its folder can be written to and its queue answers. Needs no key.",
      answers: { 200: { description: "It does", schema }, 503: "Not now" },
    },
    async (c) => {
      if (await isReady().catch(() => false)) return c.json({ status: "ready", version: VERSION });
      return problemResponse({
        status: 503,
        code: "unavailable",
        message: "The service takes no work just now.",
        next: "Try again in a moment; its log says more.",
        headers: { "Retry-After": "5" },
      });
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/metrics",
      tag,
      summary: "Numbers for Prometheus",
      answers: { 200: { description: "Prometheus text", type: "text/plain", schema: z.string() } },
    },
    async () => new Response(await metrics.text(), { headers: { "Content-Type": metrics.contentType } }),
  );
}
