// A proxy in front of a store that does to chosen requests what networks and servers do. Owns: those faults.
// Must never: be imported by anything but tests.
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Fault =
  /** The connection ends without a word. */
  | { readonly kind: "refuse" }
  /** An answer that the store never gave. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The answer breaks off after so many bytes. */
  | { readonly kind: "cut"; readonly after: number }
  /** The answer is shorter than it was, and claims to be whole. */
  | { readonly kind: "truncate"; readonly to: number }
  /** One byte of the answer is another one. */
  | { readonly kind: "flip"; readonly at: number }
  /** One byte of what is sent is another one. */
  | { readonly kind: "flip-upload"; readonly at: number }
  /** What is sent breaks off. */
  | { readonly kind: "cut-upload"; readonly after: number }
  /** The store does its work, and nobody hears of it. */
  | { readonly kind: "lose-answer" }
  | { readonly kind: "slow"; readonly ms: number }
  /** Silence after so many bytes of the answer. */
  | { readonly kind: "stall"; readonly after: number }
  /** Headers of the answer that get lost. */
  | { readonly kind: "strip"; readonly names: readonly string[] };

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly range: string | undefined;
  /** Bytes of its body that went on to the store. */
  uploaded: number;
}

export interface FaultyProxy {
  /** "http://127.0.0.1:PORT" */
  readonly url: string;
  /** Requests so far. */
  readonly seen: Seen[];
  /** What happens to each request from now on; without it all goes through. */
  faults(choose?: (seen: Seen) => Fault | undefined): void;
  close(): Promise<void>;
}

/** @param target "http://127.0.0.1:PORT": the Host of requests goes on as it is, since signatures cover it */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const seen: Seen[] = [];
  let choose: (seen: Seen) => Fault | undefined = () => undefined;

  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url = "/", headers } = incoming;
    const one: Seen = { method, url, range: headers.range, uploaded: 0 };
    seen.push(one);
    const fault = choose(one);
    if (fault?.kind === "refuse") return void incoming.socket.destroy();
    if (fault?.kind === "status") {
      incoming.resume();
      outgoing.writeHead(fault.status, fault.headers);
      return void outgoing.end(method === "HEAD" ? undefined : fault.body);
    }
    const forward = () => {
      const onward = request({ hostname, port, method, path: url, headers, agent: false }, (answer) =>
        relay(answer, outgoing, fault),
      );
      onward.on("error", () => outgoing.destroy());
      incoming.on("error", () => onward.destroy());
      outgoing.on("close", () => onward.destroy());
      let position = 0;
      incoming.on("data", (chunk: Buffer) => {
        let bytes = chunk;
        if (fault?.kind === "flip-upload") bytes = flipped(chunk, fault.at - position);
        if (fault?.kind === "cut-upload" && position + chunk.length > fault.after) {
          bytes = chunk.subarray(0, fault.after - position);
          one.uploaded += bytes.length;
          return void onward.write(bytes, () => {
            onward.destroy();
            incoming.socket.destroy();
          });
        }
        position += chunk.length;
        one.uploaded += bytes.length;
        if (!onward.write(bytes)) {
          incoming.pause();
          onward.once("drain", () => incoming.resume());
        }
      });
      incoming.on("end", () => onward.end());
    };
    if (fault?.kind === "slow") setTimeout(forward, fault.ms);
    else forward();
  });
  server.on("checkContinue", (incoming, outgoing) => {
    outgoing.writeContinue();
    delete incoming.headers.expect;
    server.emit("request", incoming, outgoing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    faults(next = () => undefined) {
      choose = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function relay(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
  answer.on("error", () => outgoing.destroy());
  if (fault?.kind === "lose-answer") {
    answer.resume();
    answer.on("end", () => outgoing.destroy());
    return;
  }
  const headers = { ...answer.headers };
  if (fault?.kind === "strip") for (const name of fault.names) delete headers[name];
  if (fault?.kind === "strip") outgoing.sendDate = false;
  const length = Number(headers["content-length"] ?? 0);
  if (fault?.kind === "truncate" && length > fault.to) {
    headers["content-length"] = String(fault.to);
    if (headers["content-range"] !== undefined) {
      const [, first] = /bytes (\d+)-/.exec(headers["content-range"]) ?? [];
      const end = Number(first) + fault.to;
      headers["content-range"] = `bytes ${first}-${end - 1}/${end}`;
    }
  }
  outgoing.writeHead(answer.statusCode ?? 500, headers);
  let position = 0;
  answer.on("data", (chunk: Buffer) => {
    if (fault?.kind === "flip") outgoing.write(flipped(chunk, fault.at - position));
    else if (fault?.kind === "truncate") {
      if (position < fault.to) outgoing.write(chunk.subarray(0, fault.to - position));
    } else if (fault?.kind === "stall" || fault?.kind === "cut") {
      const left = Math.max(0, fault.after - position);
      const end = () => fault.kind === "cut" && left < chunk.length && outgoing.destroy();
      if (left > 0) outgoing.write(chunk.subarray(0, left), end);
      else end();
    } else if (!outgoing.write(chunk)) {
      answer.pause();
      outgoing.once("drain", () => answer.resume());
    }
    position += chunk.length;
  });
  answer.on("end", () => {
    if (fault?.kind === "cut" && position > 0) outgoing.destroy();
    else if (fault?.kind !== "stall") outgoing.end();
  });
}

function flipped(chunk: Buffer, at: number): Buffer {
  if (at < 0 || at >= chunk.length) return chunk;
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
