// What the tests of prompts share: a server with the routes and the socket over a queue whose runs the test plays.
// Must never: be imported by anything but tests.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { WebSocket } from "ws";
import {
  createPromptQueue,
  type PromptQueue,
  type PromptQueueOptions,
  type Validate,
} from "../batches/index.ts";
import { type Library, openLibrary } from "../catalogue/index.ts";
import { silentLogger } from "../kernel/index.ts";
import type { ApiGraph, RunOptions, RunResult, World } from "../workflow/index.ts";
import { promptRoutes } from "./prompt-routes.ts";
import { attachSocket, type SocketOptions, type SocketService } from "./socket.ts";

export interface Stage {
  /** "127.0.0.1:12345" */
  readonly host: string;
  readonly queue: PromptQueue;
  readonly library: Library;
  readonly sockets: SocketService;
  /** Waits until something runs. */
  running(): Promise<{ readonly options: RunOptions; end(result?: RunResult): void }>;
  get(path: string): Promise<{ readonly status: number; readonly body: unknown }>;
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly body: unknown }>;
  /** Connects and keeps what comes. */
  connect(path: string): Promise<Listener>;
  close(): Promise<void>;
}

export interface Listener {
  readonly socket: WebSocket;
  readonly frames: { readonly type: string; readonly data: Record<string, unknown> }[];
  readonly pictures: Buffer[];
  /** Waits until that many text frames are there. */
  until(count: number): Promise<void>;
}

export const GRAPH = { 1: { class_type: "SaveImage", inputs: {} } };
export const SUCCESS: RunResult = {
  status: "success",
  outputs: { 1: { images: [{ filename: "a.png", subfolder: "", type: "output" }] } },
  executed: ["1"],
};

export async function createStage(
  options: Partial<SocketOptions> & { readonly validate?: Validate } = {},
): Promise<Stage> {
  const library = await openLibrary(":memory:");
  const log = silentLogger();
  let under: { readonly options: RunOptions; end(result?: RunResult): void } | undefined;
  const queue = createPromptQueue({
    library,
    log,
    world: { colorizer: { unload: () => undefined, forget: () => undefined } } as World,
    cache: { clear: async () => undefined } as PromptQueueOptions["cache"],
    validate:
      options.validate ??
      ((graph) => ({ ok: true, graph: graph as ApiGraph, outputs: ["1"], nodeErrors: {} })),
    run: (run) =>
      new Promise((resolve) => {
        const end = (result = SUCCESS) => {
          under = undefined;
          resolve(result);
        };
        under = { options: run, end };
        run.signal.addEventListener("abort", () => end({ status: "interrupted", outputs: {}, executed: [] }));
      }),
  });
  const routes = promptRoutes(queue);
  const app = new Hono().route("/", routes).route("/api", routes);
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false })).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const gate = options.gate ?? { admit: async () => ({ identity: "somebody", expiresAt: 0 }) };
  const sockets = attachSocket(server, { queue, log, features: () => ({ here: true }), ...options, gate });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const read = async (response: Response) => {
    const text = await response.text();
    return { status: response.status, body: text === "" ? "" : JSON.parse(text) };
  };
  return {
    host,
    queue,
    library,
    sockets,
    async running() {
      while (under === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
      return under;
    },
    get: async (path) => read(await fetch(`http://${host}${path}`)),
    post: async (path, body) =>
      read(
        await fetch(`http://${host}${path}`, {
          method: "POST",
          body: typeof body === "string" ? body : JSON.stringify(body),
          // what Python's urllib sends: JSON is read all the same
          headers: { "Content-Type": "application/x-www-form-urlencoded" },
        }),
      ),
    async connect(path) {
      const socket = new WebSocket(`ws://${host}${path}`);
      const frames: Listener["frames"] = [];
      const pictures: Buffer[] = [];
      const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
      socket.on("message", (data: Buffer, isBinary) => {
        if (isBinary) pictures.push(data);
        else frames.push(JSON.parse(data.toString()));
        for (const { count, resolve } of waiting) if (frames.length >= count) resolve();
      });
      await once(socket, "open");
      return {
        socket,
        frames,
        pictures,
        until: (count) =>
          new Promise((resolve) => {
            if (frames.length >= count) resolve();
            else waiting.push({ count, resolve });
          }),
      };
    },
    async close() {
      sockets.close();
      server.close();
      server.closeAllConnections();
      await queue.close();
      library.close();
    },
  };
}
