// ComfyUI's WebSocket at /ws and /api/ws: tells each client about its own prompts, and everyone about the queue.
//
// Owns: the connections, who is behind which client id, the frames. Must never: let a client that does not read fill the
// memory, or tell one client about another's prompts.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { type Audience, names, type PromptEvent, type PromptQueue } from "../batches/index.ts";
import type { Logger } from "../kernel/index.ts";
import { type Problem, problemBody } from "./answers.ts";
import type { Gate } from "./security.ts";

export interface SocketOptions {
  readonly queue: PromptQueue;
  readonly gate: Pick<Gate, "admit">;
  readonly log: Logger;
  /** What the service can do, as GET /features says. */
  readonly features: () => Readonly<Record<string, unknown>>;
  /** Connections at the same time. */
  readonly maxClients?: number;
  /** Milliseconds between two looks at who is still there. */
  readonly heartbeat?: number;
  /** Bytes that may wait for a client before it is cut off. */
  readonly mostWaiting?: number;
}

export interface SocketService {
  /** How many are connected. */
  clients(): number;
  /** Says goodbye to all. */
  close(): void;
}

interface Client {
  readonly id: string;
  readonly socket: WebSocket;
  /** Milliseconds since 1970; 0: no end is known. */
  readonly expiresAt: number;
  hasSpoken: boolean;
  /** Takes previews that say what they show. */
  takesMetadata: boolean;
  hasAnswered: boolean;
  /** Bytes of results on their way. */
  owed: number;
}

/** Passing: the next one makes good for it. Result: what the client asked for, of any size. */
type Weight = "passing" | "normal" | "result";

const PATH = /^(\/api)?\/ws\/?$/;
const MAX_CLIENTS = 500;
const HEARTBEAT_MS = 30_000;
/** Bytes of one frame from a client; all it has to say is a few flags. */
const MAX_FRAME = 64 * 1024;
const MOST_WAITING = 8 * 1024 * 1024;
/** Bytes of results on their way to one client, before one more is begun. */
const MOST_OWED = 256 * 1024 * 1024;
/** From this share of the most on, a client misses what the next message makes good. */
const BUSY_SHARE = 1 / 8;
const LONGEST_ID = 200;
const PASSING = new Set(["progress", "progress_state"]);
const flagsFrame = z.object({
  type: z.literal("feature_flags"),
  data: z.looseObject({ supports_preview_metadata: z.unknown().optional() }),
});

/** Takes WebSocket connections on a server, and refuses upgrades of any other kind. */
export function attachSocket(server: Pick<Server, "on" | "off">, options: SocketOptions): SocketService {
  const { queue, gate, log, features } = options;
  const mostWaiting = options.mostWaiting ?? MOST_WAITING;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME,
    perMessageDeflate: false,
    clientTracking: false,
  });
  const clients = new Set<Client>();
  /** The newest connection of an id; older ones stay open and hear what everyone hears. */
  const byId = new Map<string, Client>();

  async function onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    stream.on("error", () => stream.destroy());
    const url = URL.parse(request.url ?? "", "http://service");
    if (url === null || !PATH.test(url.pathname)) return refuse(stream, NOTHING_HERE);
    const admission = await gate.admit(request);
    if (admission.problem !== undefined) return refuse(stream, admission.problem);
    const id = url.searchParams.get("clientId") || randomUUID().replaceAll("-", "");
    if (id.length > LONGEST_ID) return refuse(stream, LONG_ID);
    if (clients.size >= (options.maxClients ?? MAX_CLIENTS)) return refuse(stream, FULL);
    sockets.handleUpgrade(request, stream, head, (socket) => welcome(id, socket, admission.expiresAt));
  }

  function welcome(id: string, socket: WebSocket, expiresAt: number): void {
    const client: Client = {
      id,
      socket,
      expiresAt,
      hasSpoken: false,
      takesMetadata: false,
      hasAnswered: true,
      owed: 0,
    };
    clients.add(client);
    byId.set(id, client);
    socket.on("error", (error) => log.debug({ client: id, err: error }, "a client's connection broke"));
    socket.on("close", () => {
      clients.delete(client);
      if (byId.get(id) === client) byId.delete(id);
    });
    socket.on("pong", () => {
      client.hasAnswered = true;
    });
    socket.on("message", (data, isBinary) => {
      if (!isBinary && !client.hasSpoken) listen(client, data);
    });
    send(client, json("status", { ...statusOf(queue.remaining()), sid: id }));
    const current = queue.current();
    if (current?.prompt.clientId === id && current.node !== undefined) {
      send(client, json("executing", { node: current.node }));
    }
  }

  /** The first thing that a client says may be what it can do. */
  function listen(client: Client, data: RawData): void {
    client.hasSpoken = true;
    const frame = flagsFrame.safeParse(parse(data.toString()));
    if (!frame.success) return;
    client.takesMetadata = frame.data.data.supports_preview_metadata === true;
    send(client, json("feature_flags", features()));
  }

  function send(client: Client, frame: string | Buffer, weight: Weight = "normal"): void {
    const { socket } = client;
    if (socket.readyState !== WebSocket.OPEN) return;
    const waiting = socket.bufferedAmount - client.owed;
    if (waiting > mostWaiting || client.owed > MOST_OWED) {
      log.warn({ client: client.id }, "a client does not read; it is cut off");
      socket.terminate();
    } else if (weight === "result") {
      client.owed += frame.length;
      socket.send(frame, () => {
        client.owed -= frame.length;
      });
    } else if (weight === "normal" || waiting <= mostWaiting * BUSY_SHARE) {
      socket.send(frame);
    }
  }

  function hearers(to: Audience): Iterable<Client> {
    if (to === "everyone") return clients;
    const client = to === "nobody" ? undefined : byId.get(to.client);
    return client === undefined ? [] : [client];
  }

  function onEvent(event: PromptEvent): void {
    if (event.kind === "preview") {
      const plain = once(() => previewFrame(event));
      const telling = once(() => tellingFrame(event));
      // Looks at the work are JPEG; a PNG is the result of a node that sends its pictures here.
      const weight = event.format === "png" ? "result" : "passing";
      for (const client of hearers(event.to))
        send(client, client.takesMetadata ? telling() : plain(), weight);
      return;
    }
    const { to, type, data } =
      event.kind === "status"
        ? { to: "everyone" as const, type: "status", data: statusOf(event.remaining) }
        : event;
    const frame = once(() => json(type, data));
    for (const client of hearers(to)) send(client, frame(), PASSING.has(type) ? "passing" : "normal");
  }

  const beat = setInterval(() => {
    for (const client of clients) {
      const isOver = client.expiresAt > 0 && client.expiresAt < Date.now();
      if (isOver) client.socket.close(1008, "The token has expired.");
      else if (!client.hasAnswered) client.socket.terminate();
      else {
        client.hasAnswered = false;
        client.socket.ping();
      }
    }
  }, options.heartbeat ?? HEARTBEAT_MS);
  beat.unref();

  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    onUpgrade(request, stream, head).catch((error: unknown) => {
      log.error({ err: error }, "a connection could not be made");
      stream.destroy();
    });
  };
  server.on("upgrade", upgrade);
  const stopListening = queue.on({
    onEvent,
    watches: (to) => [...hearers(to)].length > 0,
  });

  return {
    clients: () => clients.size,
    close() {
      server.off("upgrade", upgrade);
      stopListening();
      clearInterval(beat);
      for (const { socket } of clients) {
        socket.close(1001, "The service is closing.");
        setTimeout(() => socket.terminate(), 1000).unref(); // where the other end does not answer
      }
    },
  };
}

const NOTHING_HERE: Problem = {
  status: 404,
  code: "not-found",
  message: "There is no WebSocket here.",
  next: "Connect to /ws.",
};
const LONG_ID: Problem = {
  status: 400,
  code: "bad-request",
  message: "This clientId is too long.",
  next: `Use at most ${LONGEST_ID} characters.`,
};
const FULL: Problem = {
  status: 503,
  code: "unavailable",
  message: "Too many clients are connected.",
  next: "Try again later.",
};

function refuse(stream: Duplex, problem: Problem): void {
  const body = problemBody(problem);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    Connection: "close",
    ...problem.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.end(`HTTP/1.1 ${problem.status} Refused\r\n${lines.join("")}\r\n${body}`);
}

function statusOf(remaining: number) {
  return { status: { exec_info: { queue_remaining: remaining } } };
}

function json(type: string, data: unknown): string {
  return JSON.stringify({ type, data });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Preview = Extract<PromptEvent, { kind: "preview" }>;

/** Type 1: the picture alone. All numbers are big-endian. */
function previewFrame({ image, format }: Preview): Buffer {
  return Buffer.concat([words(1, format === "jpeg" ? 1 : 2), image]);
}

/** Type 4: the picture and what it shows. */
function tellingFrame({ image, format, node, promptId }: Preview): Buffer {
  const about = { ...names(node), prompt_id: promptId, image_type: `image/${format}` };
  const text = Buffer.from(JSON.stringify(about));
  return Buffer.concat([words(4, text.length), text, image]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [place, value] of values.entries()) buffer.writeUInt32BE(value, place * 4);
  return buffer;
}

/** Makes a value when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
