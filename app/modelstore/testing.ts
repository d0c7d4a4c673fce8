// What the tests of this room use: a web server that misbehaves as told, a proxy, a folder to download to.
// Must never: be imported by anything but tests.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { type Downloaded, type DownloadOptions, type DownloadTrouble, download } from "./download.ts";

export const CONTENT = bytesOf(300_000, 1);
export const SHA256 = sha256(CONTENT);
/** The same with one bit changed, late. */
export const WRONG = CONTENT.map((byte, index) => (index === 250_000 ? byte ^ 1 : byte));
export const ETAG = '"one"';

/** What a test of downloads works with; new for each test. */
export interface DownloadBench {
  readonly folder: string;
  readonly server: TestServer;
  target: string;
  readonly troubles: DownloadTrouble[];
  /** Downloads from paths of the server, or whole addresses, with short times. */
  fetchIt(paths: readonly string[], options?: Partial<DownloadOptions>): Promise<Downloaded>;
  /** The Range headers that came. */
  ranges(): (string | undefined)[];
  /** The target is there and right, and nothing else is in the folder. */
  expectWhole(): Promise<void>;
  /** Leaves a part as a stopped download does. */
  leavePart(content: Uint8Array, state: unknown): Promise<void>;
}

/** To be called at the top of a test file: sets a bench up for each test and takes it down. */
export function useDownloadBench(): DownloadBench {
  let folder = "";
  let server: TestServer;
  const bench: DownloadBench = {
    get folder() {
      return folder;
    },
    get server() {
      return server;
    },
    target: "",
    troubles: [],
    fetchIt: (paths, options = {}) =>
      download({
        sources: paths.map((path) => (path.startsWith("/") ? bench.server.url(path) : path)),
        target: bench.target,
        sha256: SHA256,
        stallMs: 300,
        retries: 3,
        backoffMs: 1,
        longestWaitMs: 5,
        onTrouble: (trouble) => bench.troubles.push(trouble),
        ...options,
      }),
    ranges: () => bench.server.requests.map(({ headers }) => headers.range),
    async expectWhole() {
      expect(await readdir(bench.folder)).toEqual(["model.onnx"]);
      expect(sha256(await readFile(bench.target))).toBe(SHA256);
    },
    async leavePart(content, state) {
      await writeFile(`${bench.target}.part`, content);
      await writeFile(`${bench.target}.part.state`, JSON.stringify(state));
    },
  };
  beforeEach(async () => {
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) {
      vi.stubEnv(name, "");
      vi.stubEnv(name.toLowerCase(), "");
    }
    folder = await mkdtemp(join(tmpdir(), "autochrome-download-"));
    bench.target = join(bench.folder, "model.onnx");
    server = await startServer();
    bench.troubles.length = 0;
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
    await rm(folder, { recursive: true });
  });
  return bench;
}

/** What a server does with one request. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer {
  /** Its address, with another host name for the same place where one is given. */
  url(path: string, host?: string): string;
  /** What was asked so far. */
  readonly requests: readonly IncomingMessage[];
  /** Each request of the path gets the next behaviour; the last one stays. */
  on(path: string, ...behaviours: Behaviour[]): void;
  close(): Promise<void>;
}

export async function startServer(): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const behaviours = new Map<string, Behaviour[]>();
  const server = createServer((request, response) => {
    requests.push(request);
    const queue = behaviours.get(request.url ?? "") ?? [status(404)];
    const behave = (queue.length > 1 ? queue.shift() : queue[0]) ?? status(404);
    response.on("error", () => {});
    behave(request, response);
  });
  const port = await listen(server);
  return {
    url: (path, host = "127.0.0.1") => `http://${host}:${port}${path}`,
    requests,
    on(path, ...next) {
      behaviours.set(path, next);
    },
    close: () => close(server),
  };
}

export interface TestProxy {
  readonly url: string;
  /** The addresses that it was asked for: "GET http://…" or "CONNECT host:port". */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** Forwards plain requests, and refuses tunnels; with `refuse` also those, with that status. */
export async function startProxy(refuse?: number): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (refuse !== undefined) {
      status(refuse)(request, response);
      return;
    }
    const onward = httpRequest(request.url ?? "", { headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.on("connect", (request: IncomingMessage, socket: Duplex) => {
    asked.push(`CONNECT ${request.url}`);
    socket.end(`HTTP/1.1 ${refuse ?? 403} No\r\n\r\n`);
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}`, asked, close: () => close(server) };
}

export interface FileOptions {
  readonly etag?: string;
  /** false: the whole file, whatever piece was asked for. */
  readonly ranges?: boolean;
  /** Further headers, or others instead of the true ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Send so many bytes of the answer's body, and then */
  readonly bytes?: number;
  /** cut the connection, or say nothing more. */
  readonly end?: "cut" | "stall";
}

/** Gives the file, or the piece asked for, as RFC 9110 says. */
export function file(content: Uint8Array, options: FileOptions = {}): Behaviour {
  return (request, response) => {
    const { etag, ranges = true } = options;
    const condition = request.headers["if-range"];
    const [, asked] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const isPiece = ranges && asked !== undefined && (condition === undefined || condition === etag);
    const first = isPiece ? Number(asked) : 0;
    const total = content.length;
    if (isPiece && first >= total) {
      response.writeHead(416, { "content-range": `bytes */${total}` }).end();
      return;
    }
    response.writeHead(isPiece ? 206 : 200, {
      "content-length": total - first,
      ...(isPiece ? { "content-range": `bytes ${first}-${total - 1}/${total}` } : {}),
      ...(etag === undefined ? {} : { etag }),
      ...options.headers,
    });
    send(response, content.subarray(first), options);
  };
}

/** Gives bytes without saying how many, in the form that HTTP has for that. */
export function chunked(content: Uint8Array, options: FileOptions = {}): Behaviour {
  return (_, response) => {
    response.writeHead(200, { "transfer-encoding": "chunked", ...options.headers });
    send(response, content, options);
  };
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}, body = ""): Behaviour {
  return (_, response) => {
    response.writeHead(code, headers).end(body);
  };
}

export function redirect(to: string, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return status(302, { location: to, ...headers });
}

/** Hangs up without an answer. */
export const hangUp: Behaviour = (request) => {
  request.socket.destroy();
};

/** Never answers. */
export const silence: Behaviour = () => {};

function send(response: ServerResponse, body: Uint8Array, { bytes = body.length, end }: FileOptions): void {
  if (end === undefined) {
    response.end(body.subarray(0, bytes));
    return;
  }
  response.flushHeaders();
  response.write(body.subarray(0, bytes), () => {
    if (end === "cut") response.socket?.end();
  });
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve(address.port);
      else reject(new Error("no port"));
    });
  });
}

function close(server: ReturnType<typeof createServer>): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** Bytes that look random and are the same every time. */
export function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
