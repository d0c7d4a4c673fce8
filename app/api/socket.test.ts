import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createStage, GRAPH, type Listener, type Stage } from "./prompts-testing.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await createStage();
});
afterEach(() => stage.close());

async function submit(clientId: string): Promise<string> {
  const submission = stage.queue.submit({ graph: GRAPH, clientId });
  if (!submission.ok) throw new Error("refused");
  return submission.id;
}
const types = ({ frames }: Listener) => frames.map(({ type }) => type);
/** Until everything that was sent before has arrived: both ends answer pings in order. */
async function settle({ socket }: Listener): Promise<void> {
  socket.ping();
  await once(socket, "pong");
}
/** How a connection is refused. */
async function refusal(path: string, headers: Record<string, string> = {}): Promise<[number, unknown]> {
  const socket = new WebSocket(`ws://${stage.host}${path}`, { headers });
  socket.on("error", () => undefined);
  const [, response] = await once(socket, "unexpected-response");
  let text = "";
  for await (const piece of response) text += piece;
  return [response.statusCode, JSON.parse(text).error.code];
}

describe("a connection", () => {
  it("begins with the status and an id: the client's own, or one of ours", async () => {
    const [mine, given] = [await stage.connect("/ws?clientId=me"), await stage.connect("/api/ws")];
    await Promise.all([mine.until(1), given.until(1)]);
    const status = { exec_info: { queue_remaining: 0 } };
    expect(mine.frames).toEqual([{ type: "status", data: { status, sid: "me" } }]);
    expect(given.frames).toEqual([
      { type: "status", data: { status, sid: expect.stringMatching(/^[0-9a-f]{32}$/) } },
    ]);
  });

  it("tells in time what runs for a client that comes back, and that client alone", async () => {
    const id = await submit("me");
    const { options, end } = await stage.running();
    options.onEvent?.({ type: "node-started", node: "7" });
    const first = await stage.connect("/ws?clientId=me");
    await first.until(2);
    expect(first.frames[1]).toEqual({ type: "executing", data: { node: "7" } });
    const again = await stage.connect("/ws?clientId=me");
    await again.until(2);
    first.socket.close();
    await once(first.socket, "close");
    while (stage.sockets.clients() > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    end();
    await again.until(5);
    expect(again.frames.slice(2)).toEqual([
      { type: "execution_success", data: { prompt_id: id, timestamp: expect.any(Number) } },
      { type: "status", data: { status: { exec_info: { queue_remaining: 0 } } } },
      { type: "executing", data: { node: null, prompt_id: id } },
    ]);
  });

  it("is refused elsewhere, without leave, and when there are too many", async () => {
    expect(await refusal("/")).toEqual([404, "not-found"]);
    expect(await refusal(`/ws?clientId=${"x".repeat(201)}`)).toEqual([400, "bad-request"]);
    await stage.close();
    const problem = { status: 401, code: "unauthorized", message: "Who?", next: "Say." } as const;
    stage = await createStage({
      maxClients: 1,
      gate: {
        admit: async ({ headers }) =>
          headers["x-api-key"] === "right" ? { identity: "key", expiresAt: 0 } : { problem },
      },
    });
    expect(await refusal("/ws")).toEqual([401, "unauthorized"]);
    const socket = new WebSocket(`ws://${stage.host}/ws`, { headers: { "X-API-Key": "right" } });
    await once(socket, "message");
    expect(await refusal("/ws", { "X-API-Key": "right" })).toEqual([503, "unavailable"]);
    socket.close();
  });

  it("ends when nobody answers, and when the token's time is over", async () => {
    await stage.close();
    stage = await createStage({ heartbeat: 20 });
    const alive = await stage.connect("/ws");
    const { port } = new URL(`http://${stage.host}`);
    const dead = connect(Number(port), "127.0.0.1"); // speaks once and never again
    dead.write(
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    dead.on("error", () => undefined).resume();
    await once(dead, "close");
    while (stage.sockets.clients() > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
    await stage.close();
    stage = await createStage({
      heartbeat: 20,
      gate: { admit: async () => ({ identity: "jwt:me", expiresAt: Date.now() - 1 }) },
    });
    const [code] = await once((await stage.connect("/ws")).socket, "close");
    expect(code).toBe(1008);
  });
});

describe("events", () => {
  it("go to the client of the prompt; the status goes to all", async () => {
    const [me, you] = [await stage.connect("/ws?clientId=me"), await stage.connect("/ws?clientId=you")];
    await submit("me");
    const { options, end } = await stage.running();
    options.onEvent?.({ type: "cached", nodes: [] });
    options.onEvent?.({ type: "node-started", node: "1" });
    options.onEvent?.({ type: "preview", node: "1", image: Buffer.from("x"), format: "png" });
    end();
    await me.until(9);
    await settle(you);
    expect(types(me)).toEqual([
      "status",
      "status",
      "status",
      "execution_start",
      "execution_cached",
      "progress_state",
      "executing",
      "execution_success",
      "status",
      "executing",
    ]);
    expect(types(you)).toEqual(["status", "status", "status", "status"]);
    expect([me.pictures.length, you.pictures.length]).toEqual([1, 0]);
  });

  it("show pictures as the client understands them", async () => {
    const clients = [
      await stage.connect("/ws?clientId=old"),
      await stage.connect("/ws?clientId=new"),
    ] as const;
    const [old, modern] = clients;
    const flags = { type: "feature_flags", data: { supports_preview_metadata: true } };
    old.socket.send(JSON.stringify({ type: "hello" }));
    old.socket.send(JSON.stringify(flags)); // too late: it is not the first
    modern.socket.send(JSON.stringify(flags));
    await modern.until(2);
    expect(modern.frames[1]).toEqual({ type: "feature_flags", data: { here: true } });
    await settle(old);
    const image = Buffer.from("a picture");
    for (const client of ["old", "new"]) {
      await submit(client);
      const { options, end } = await stage.running();
      expect(options.wantsPreviews).toBe(true);
      options.onEvent?.({ type: "preview", node: "7", image, format: "jpeg" });
      end();
      while (stage.queue.remaining() > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(clients.map(settle));
    expect(types(old)).not.toContain("feature_flags");
    const plain = old.pictures[0]!;
    expect([plain.readUInt32BE(0), plain.readUInt32BE(4), plain.subarray(8)]).toEqual([1, 1, image]);
    const telling = modern.pictures[0]!;
    const length = telling.readUInt32BE(4);
    expect(telling.readUInt32BE(0)).toBe(4);
    expect(JSON.parse(telling.subarray(8, 8 + length).toString())).toEqual({
      node_id: "7",
      display_node_id: "7",
      parent_node_id: null,
      real_node_id: "7",
      prompt_id: expect.any(String),
      image_type: "image/jpeg",
    });
    expect(telling.subarray(8 + length)).toEqual(image);
  });

  it("are not wanted as pictures where nobody looks", async () => {
    await submit("nobody");
    expect((await stage.running()).options.wantsPreviews).toBe(false);
  });

  it("do not pile up for a client that does not read", async () => {
    await stage.close();
    stage = await createStage({ mostWaiting: 1024 * 1024 });
    const lazy = await stage.connect("/ws?clientId=lazy");
    lazy.socket.pause();
    await submit("lazy");
    const { options } = await stage.running();
    const memory = process.memoryUsage().arrayBuffers;
    const text = ["x".repeat(100_000)];
    for (let i = 0; i < 2000 && stage.sockets.clients() > 0; i++) {
      options.onEvent?.({ type: "preview", node: "1", image: Buffer.alloc(100_000), format: "jpeg" });
      options.onEvent?.({ type: "node-finished", node: "1", ui: { text }, isCached: false });
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    while (stage.sockets.clients() > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(64 * 1024 * 1024);
    lazy.socket.terminate();
  });

  it("bring a result of any size to a client that reads", async () => {
    await stage.close();
    stage = await createStage({ mostWaiting: 1024 * 1024 });
    const me = await stage.connect("/ws?clientId=me");
    await submit("me");
    const { options, end } = await stage.running();
    const image = Buffer.alloc(20 * 1024 * 1024);
    options.onEvent?.({ type: "preview", node: "1", image, format: "png" });
    options.onEvent?.({ type: "preview", node: "1", image, format: "png" });
    end();
    await me.until(7);
    expect(me.pictures.map(({ length }) => length)).toEqual([image.length + 8, image.length + 8]);
    expect(types(me).at(-1)).toBe("executing");
  });

  it("survive whatever clients send", async () => {
    const client = await stage.connect("/ws?clientId=me");
    const other = await stage.connect("/ws");
    client.socket.send("{");
    client.socket.send(Buffer.from([1, 2, 3]));
    await settle(client);
    other.socket.on("error", () => undefined).send("x".repeat(100_000));
    const [code] = await once(other.socket, "close");
    expect(code).toBe(1009);
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });
});
