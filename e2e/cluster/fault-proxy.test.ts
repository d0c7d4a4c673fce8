// The proxies spoil what they are told to spoil, and nothing else.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type HttpFault,
  type HttpFaultProxy,
  startHttpFaultProxy,
  startTcpFaultProxy,
} from "./fault-proxy.ts";

const BODY = Buffer.alloc(300_000, "autochrome");
let server: Server;
let port: number;
let received: Buffer[];
let proxy: HttpFaultProxy;

beforeEach(async () => {
  received = [];
  server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      received.push(Buffer.concat(pieces));
      response.end(BODY);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  proxy = await startHttpFaultProxy(`http://127.0.0.1:${port}`);
});
afterEach(async () => {
  await proxy.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function fetchWith(fault: HttpFault): Promise<Buffer> {
  proxy.next(1, fault);
  return body(await fetch(`${proxy.url}/a?b=c`, { method: "PUT", body: BODY }));
}

async function body(answer: Response): Promise<Buffer> {
  return Buffer.from(await answer.arrayBuffer());
}

it("lets everything through unchanged", async () => {
  const answer = await fetch(`${proxy.url}/a?b=c`, { method: "PUT", body: BODY });
  expect(await body(answer)).toEqual(BODY);
  expect(received).toEqual([BODY]);
  expect(proxy.seen).toEqual([{ method: "PUT", url: "/a?b=c" }]);
});

it("cuts, refuses and loses answers: the client sees a broken connection", async () => {
  await expect(fetchWith({ kind: "cut", after: 100_000 })).rejects.toThrow();
  await expect(fetchWith({ kind: "lose-answer" })).rejects.toThrow();
  expect(received).toEqual([BODY, BODY]);
  await expect(fetchWith({ kind: "refuse" })).rejects.toThrow();
  await expect(fetchWith({ kind: "cut-upload", after: 1000 })).rejects.toThrow();
  expect(received).toHaveLength(2);
});

it("truncates and corrupts: the client sees a whole answer that is wrong", async () => {
  expect(await fetchWith({ kind: "truncate", to: 1234 })).toEqual(BODY.subarray(0, 1234));
  const spoiled = await fetchWith({ kind: "corrupt" });
  expect(spoiled).toHaveLength(BODY.length);
  expect(different(spoiled)).toBe(1);
  received = [];
  expect(await fetchWith({ kind: "corrupt-upload" })).toEqual(BODY);
  expect(received.map(different)).toEqual([1]);
});

it("delays, slows and answers itself, only as often as asked", async () => {
  expect(await fetchWith({ kind: "delay", ms: 30 })).toEqual(BODY);
  expect(await fetchWith({ kind: "slow", bytesPerSecond: 3_000_000 })).toEqual(BODY);
  received = [];
  proxy.next(1, { kind: "status", status: 503 });
  expect((await fetch(proxy.url)).status).toBe(503);
  expect(received).toEqual([]);
  expect((await fetch(proxy.url)).status).toBe(200);
  proxy.set(({ url }) => (url === "/never" ? { kind: "status", status: 404 } : undefined));
  expect((await fetch(`${proxy.url}/never`)).status).toBe(404);
  expect((await fetch(`${proxy.url}/ever`)).status).toBe(200);
});

it("cuts, refuses and silences TCP connections", async () => {
  const tcp = await startTcpFaultProxy(port);
  const url = `http://127.0.0.1:${tcp.port}/`;
  expect(await body(await fetch(url))).toEqual(BODY);
  tcp.refuse(true);
  tcp.cut();
  await expect(fetch(url)).rejects.toThrow();
  tcp.refuse(false);
  expect(await body(await fetch(url))).toEqual(BODY);
  tcp.blackhole(true);
  await expect(fetch(url, { signal: AbortSignal.timeout(300) })).rejects.toThrow();
  tcp.blackhole(false);
  expect(await body(await fetch(url))).toEqual(BODY);
  expect(tcp.count()).toBeGreaterThan(1);
  await tcp.stop();
});

function different(bytes: Buffer): number {
  return bytes.reduce((count, byte, at) => count + (byte === BODY[at] ? 0 : 1), 0);
}
