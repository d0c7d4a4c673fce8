// Faults between a client and a real server, on loopback: an HTTP proxy that spoils chosen requests (for S3 and
// the gateway), and a TCP proxy that cuts whole connections (for TLS, as the API server's). Both pass everything
// else through unchanged. Owns its listening ports; knows nothing of what is said.
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

/** What happens to a request. Counts are in bytes of the body. */
export type HttpFault =
  /** Held back so long, in milliseconds, and then let through. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Held back until then, and let through if its sender still waits. */
  | { readonly kind: "hold"; readonly until: Promise<void> }
  /** The answer's connection breaks after so many bytes. */
  | { readonly kind: "cut"; readonly after: number }
  /** The upload's connection breaks after so many bytes. */
  | { readonly kind: "cut-upload"; readonly after: number }
  /** The answer ends early and says that this was all. */
  | { readonly kind: "truncate"; readonly to: number }
  /** One byte of the answer is another one. */
  | { readonly kind: "corrupt" }
  /** One byte of the upload is another one. */
  | { readonly kind: "corrupt-upload" }
  /** Answered by the proxy itself; the server hears nothing of it. */
  | { readonly kind: "status"; readonly status: number; readonly body?: string }
  /** The server does it, and the client never hears: the connection breaks before the answer. */
  | { readonly kind: "lose-answer" }
  /** The connection breaks at once. */
  | { readonly kind: "refuse" }
  /** The answer's body comes at so many bytes per second. */
  | { readonly kind: "slow"; readonly bytesPerSecond: number };

/** One request as the proxy saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
}

export interface HttpFaultProxy {
  readonly url: string;
  /** Every request since the start, oldest first. */
  readonly seen: readonly SeenRequest[];
  /** Which fault a request meets from now on; undefined lets all through. */
  set(choose: ((request: SeenRequest) => HttpFault | undefined) | undefined): void;
  /** The next so many requests meet this fault, then all go through. */
  next(count: number, fault: HttpFault): void;
  stop(): Promise<void>;
}

/** Starts a proxy before an http:// server. The Host header goes through as it is, so signatures stay good. */
export async function startHttpFaultProxy(target: string): Promise<HttpFaultProxy> {
  const { hostname, port } = new URL(target);
  const seen: SeenRequest[] = [];
  let choose: ((request: SeenRequest) => HttpFault | undefined) | undefined;
  const server = createHttpServer((incoming, outgoing) => {
    const one = { method: incoming.method ?? "", url: incoming.url ?? "" };
    seen.push(one);
    const fault = choose?.(one);
    void meet(fault, incoming, outgoing, hostname, Number(port));
  });
  // Let through what it is asked, a body of hours included.
  server.requestTimeout = 0;
  const listening = await listen(server);
  return {
    url: `http://127.0.0.1:${listening}`,
    seen,
    set: (wanted) => {
      choose = wanted;
    },
    next: (count, fault) => {
      let left = count;
      choose = () => (left-- > 0 ? fault : undefined);
    },
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function meet(
  fault: HttpFault | undefined,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  host: string,
  port: number,
): Promise<void> {
  if (fault?.kind === "refuse") return void incoming.socket.destroy();
  if (fault?.kind === "status") {
    incoming.resume();
    outgoing.writeHead(fault.status, { "content-type": "application/xml" });
    return void outgoing.end(fault.body ?? "<Error><Code>SlowDown</Code></Error>");
  }
  if (fault?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, fault.ms));
  if (fault?.kind === "hold") {
    await fault.until;
    if (incoming.socket.destroyed) return;
  }
  const { method, url, headers } = incoming;
  const onward = httpRequest({ host, port, method, path: url, headers, setHost: false });
  const broken = () => incoming.socket.destroy();
  onward.on("error", broken);
  outgoing.on("close", () => onward.destroy());
  onward.on("response", (answer) => {
    if (fault?.kind === "lose-answer") {
      broken();
      return;
    }
    const answerHeaders = { ...answer.headers };
    if (fault?.kind === "truncate") {
      delete answerHeaders["transfer-encoding"];
      answerHeaders["content-length"] = String(fault.to);
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.statusMessage, answerHeaders);
    answer.on("error", broken);
    const bytes = fault === undefined ? undefined : spoilAnswer(fault, broken);
    (bytes === undefined ? answer : answer.pipe(bytes)).pipe(outgoing);
  });
  const upload = fault === undefined ? undefined : spoilUpload(fault, broken);
  (upload === undefined ? incoming : incoming.pipe(upload)).pipe(onward);
}

function spoilAnswer(fault: HttpFault, breakOff: () => void): Transform | undefined {
  if (fault.kind === "cut") return cutAfter(fault.after, breakOff);
  if (fault.kind === "truncate") return onlyFirst(fault.to);
  if (fault.kind === "corrupt") return oneOtherByte();
  if (fault.kind === "slow") return slowly(fault.bytesPerSecond);
  return undefined;
}

function spoilUpload(fault: HttpFault, breakOff: () => void): Transform | undefined {
  if (fault.kind === "cut-upload") return cutAfter(fault.after, breakOff);
  if (fault.kind === "corrupt-upload") return oneOtherByte();
  return undefined;
}

/** A stream that changes each piece, or swallows it when undefined. */
function pieces(change: (piece: Buffer) => Buffer | undefined | Promise<Buffer>): Transform {
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      Promise.resolve(change(piece)).then((changed) => done(null, changed), done);
    },
  });
}

function cutAfter(bytes: number, breakOff: () => void): Transform {
  let left = bytes;
  return pieces((piece) => {
    const part = piece.subarray(0, Math.max(left, 0));
    left -= piece.length;
    // Give the part that is let through a moment to leave.
    if (left < 0) setTimeout(breakOff, 20);
    return part.length > 0 ? part : undefined;
  });
}

function onlyFirst(bytes: number): Transform {
  let left = bytes;
  return pieces((piece) => {
    const part = piece.subarray(0, Math.max(left, 0));
    left -= piece.length;
    return part.length > 0 ? part : undefined;
  });
}

function oneOtherByte(): Transform {
  let done = false;
  return pieces((piece) => {
    if (done || piece.length === 0) return piece;
    done = true;
    const other = Buffer.from(piece);
    const middle = other.length >> 1;
    other.writeUInt8(other.readUInt8(middle) ^ 0xff, middle);
    return other;
  });
}

function slowly(bytesPerSecond: number): Transform {
  return pieces(async (piece) => {
    await new Promise((resolve) => setTimeout(resolve, (piece.length / bytesPerSecond) * 1000));
    return piece;
  });
}

export interface TcpFaultProxy {
  readonly port: number;
  /** Breaks all connections that there are; new ones are let in. */
  cut(): void;
  /** While set, new connections break at once. */
  refuse(on: boolean): void;
  /** While set, nothing goes through in either direction, and nothing breaks. */
  blackhole(on: boolean): void;
  /** Connections since the start. */
  count(): number;
  stop(): Promise<void>;
}

/** Starts a proxy before a TCP port of this computer. */
export async function startTcpFaultProxy(targetPort: number): Promise<TcpFaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let refusing = false;
  let silent = false;
  let count = 0;
  const server = createServer((client) => {
    count++;
    client.on("error", () => client.destroy());
    if (refusing) return void client.resetAndDestroy();
    const onward = connect(targetPort, "127.0.0.1");
    const pair = [client, onward] as const;
    pairs.add(pair);
    onward.on("error", () => client.destroy());
    for (const socket of pair) {
      if (silent) socket.pause();
      const other = socket === client ? onward : client;
      socket.on("data", (bytes) => {
        if (!other.write(bytes)) socket.pause();
      });
      other.on("drain", () => {
        if (!silent) socket.resume();
      });
      socket.on("end", () => other.end());
      socket.on("close", () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  const port = await listen(server);
  const cut = () => {
    for (const [client, onward] of pairs) {
      client.resetAndDestroy();
      onward.destroy();
    }
  };
  return {
    port,
    cut,
    refuse: (on) => {
      refusing = on;
    },
    blackhole: (on) => {
      silent = on;
      for (const pair of pairs) for (const socket of pair) on ? socket.pause() : socket.resume();
    },
    count: () => count,
    stop: () => {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
