import { createHash } from "node:crypto";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openBlobGrants } from "./blob-grants.ts";
import { type Running, raw, startService } from "./service-testing.ts";

const KEY = "a key of this test, and no other";
const BYTES = Buffer.from("0123456789");
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const IN = `/blobs/in/${SHA256}`;

let service: Running;
beforeAll(async () => {
  service = await startService({ security: { apiKey: KEY } });
});
afterAll(() => service.close());

interface Ask {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

async function ask(method: string, path: string, { token = KEY, headers = {}, body }: Ask = {}) {
  const answer = await fetch(`${service.url}${path}`, {
    method,
    headers: { ...(token === "" ? {} : { "X-API-Key": token }), ...headers },
    ...(body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, said: parsed(text) };
}

function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const put = (path: string, body: string | Buffer, headers: Record<string, string> = {}, token = KEY) =>
  ask("PUT", path, { token, body, headers: { "X-Content-Sha256": SHA256, ...headers } });

describe("blobs over HTTP", () => {
  afterEach(async () => {
    await ask("DELETE", IN);
  });

  it("go in whole, come out whole or in part, and go", async () => {
    expect((await put(IN, BYTES)).status).toBe(201);
    const whole = await ask("GET", IN);
    expect([whole.status, whole.text, whole.headers.get("Content-Type")]).toEqual([
      200,
      "0123456789",
      "application/octet-stream",
    ]);
    const part = await ask("GET", IN, { headers: { Range: "bytes=7-" } });
    expect([part.status, part.text, part.headers.get("Content-Range")]).toEqual([206, "789", "bytes 7-9/10"]);
    const head = await ask("HEAD", IN);
    expect([head.status, head.headers.get("Content-Length"), head.text]).toEqual([200, "10", ""]);
    expect((await ask("GET", "/blobs?prefix=in/")).said).toEqual({
      entries: [{ key: `in/${SHA256}`, size: 10, modified: expect.stringMatching(/Z$/) }],
      more: false,
    });
    expect((await ask("DELETE", IN)).status).toBe(204);
    expect((await ask("DELETE", IN)).status).toBe(204);
    expect((await ask("GET", IN)).status).toBe(404);
    expect((await ask("HEAD", IN)).status).toBe(404);
    await put(IN, BYTES);
    const all = { body: JSON.stringify({ keys: [`in/${SHA256}`, "out/b/none"] }) };
    expect((await ask("POST", "/blobs/delete", all)).status).toBe(204);
    expect((await ask("GET", IN)).status).toBe(404);
    expect((await ask("POST", "/blobs/delete", { body: '{"keys":["../x"]}' })).status).toBe(400);
  });

  it("go in in pieces, from where the service says", async () => {
    const offset = async (range: string, body: string) => {
      const { status, headers } = await put(IN, body, { "Content-Range": `bytes ${range}/10` });
      return [status, headers.get("Upload-Offset")];
    };
    expect(await offset("*", "")).toEqual([202, "0"]);
    expect(await offset("0-3", "0123")).toEqual([202, "4"]);
    expect(await offset("*", "")).toEqual([202, "4"]);
    expect(await offset("6-9", "6789")).toEqual([202, "4"]); // something is missing before
    expect((await ask("GET", IN)).status).toBe(404);
    expect(await offset("4-9", "456789")).toEqual([201, null]);
    expect((await ask("GET", IN)).text).toBe("0123456789");
  });

  it("keep what arrived of a request that broke off", async () => {
    await new Promise<void>((resolve) => {
      const sent = request(`${service.url}${IN}`, {
        method: "PUT",
        headers: { "X-API-Key": KEY, "X-Content-Sha256": SHA256, "Content-Length": "10" },
      });
      sent.on("error", () => resolve());
      sent.write(BYTES.subarray(0, 6));
      setTimeout(() => sent.destroy(new Error("cut")), 200);
    });
    await vi.waitFor(async () => {
      const { headers } = await put(IN, "", { "Content-Range": "bytes */10" });
      expect(headers.get("Upload-Offset")).toBe("6");
    });
    expect((await put(IN, "6789", { "Content-Range": "bytes 6-9/10" })).status).toBe(201);
    expect((await ask("GET", IN)).text).toBe("0123456789");
  });

  it("do not go in where they are not what was promised", async () => {
    const wrong = await put(IN, "012345678x");
    expect([wrong.status, wrong.said.error.code]).toEqual([422, "storage-damaged"]);
    const other = createHash("sha256").update("other").digest("hex");
    expect((await put(`/blobs/in/${other}`, BYTES)).status).toBe(422); // the key is another digest's
    expect((await put(IN, BYTES, { "Content-Range": "bytes 0-9/5" })).status).toBe(422);
    expect((await ask("PUT", IN, { body: BYTES })).status).toBe(400);
    expect((await put(IN, BYTES, { "X-Content-Sha256": "x" })).status).toBe(400);
    expect((await put(IN, BYTES, { "Content-Range": "pages 1-2" })).status).toBe(400);
    const chunked = await raw(service.port, {
      method: "PUT",
      path: IN,
      headers: { "X-API-Key": KEY, "X-Content-Sha256": SHA256, "Transfer-Encoding": "chunked" },
      body: BYTES,
    });
    expect(chunked.status).toBe(411);
    expect(await service.files()).toEqual([]);
  });

  it("have no names but ours", async () => {
    for (const name of ["in/x", "out/b", "secret", "batch/b/..", "out/B/x", "in/%2e%2e%2fx", ".incoming/x"]) {
      expect([name, (await put(`/blobs/${name}`, BYTES)).status]).toEqual([name, 400]);
      expect([name, (await ask("GET", `/blobs/${name}`)).status]).toEqual([name, 400]);
    }
    for (const path of [
      "/blobs/../blob-grants.key",
      "/blobs/in/../../blob-grants.key",
      "/blobs/%2e%2e/blob-grants.key",
    ]) {
      const { status } = await raw(service.port, { path, headers: { "X-API-Key": KEY } });
      expect([path, status >= 400 && status < 500]).toEqual([path, true]);
    }
    expect((await ask("GET", "/blobs?prefix=")).status).toBe(400);
    expect((await ask("GET", "/blobs?prefix=../")).status).toBe(400);
    expect((await ask("GET", "/blobs")).status).toBe(400);
    expect(await service.files()).toEqual([]);
  });

  it("are refused when there is no room", async () => {
    const small = await startService({ blobMaxBytes: 9 });
    const answer = await fetch(`${small.url}${IN}`, {
      method: "PUT",
      headers: { "X-Content-Sha256": SHA256 },
      body: BYTES,
    });
    expect([answer.status, await answer.json()]).toEqual([
      507,
      {
        error: {
          code: "disk-full",
          message: "The storage of the service is full.",
          next: expect.any(String),
        },
      },
    ]);
    expect(await small.files()).toEqual([]);
    await small.close();
  });

  it("stand in the OpenAPI document", async () => {
    const { paths } = (await ask("GET", "/openapi.json")).said;
    expect(Object.keys(paths["/blobs/{key}"]).sort()).toEqual(["delete", "get", "put"]);
    expect(Object.keys(paths["/blobs"])).toEqual(["get"]);
    expect(Object.keys(paths["/blobs/grants"])).toEqual(["post"]);
    expect(Object.keys(paths["/blobs/delete"])).toEqual(["post"]);
  });
});

describe("permissions for some blobs", () => {
  const granted = async (read: string[], write: string[], seconds = 60) =>
    ask("POST", "/blobs/grants", { body: JSON.stringify({ read, write, seconds }) });

  it("reach what they were made for, and nothing else", async () => {
    await put(IN, BYTES);
    const { status, said } = await granted(["in/"], ["out/b1/", "done/b1/000000/000001"]);
    expect([status, Date.parse(said.expires) > Date.now()]).toEqual([200, true]);
    const { token } = said;
    expect((await ask("GET", IN, { token })).text).toBe("0123456789");
    expect((await ask("HEAD", IN, { token })).status).toBe(200);
    expect((await put("/blobs/out/b1/x", BYTES, {}, token)).status).toBe(201);
    expect((await ask("GET", "/blobs/out/b1/x", { token })).status).toBe(200);
    expect((await put("/blobs/done/b1/000000/000001", BYTES, {}, token)).status).toBe(201);
    const refused = [
      await put(IN, BYTES, {}, token),
      await put("/blobs/out/b2/x", BYTES, {}, token),
      await put("/blobs/out/b10/x", BYTES, {}, token),
      await put("/blobs/done/b1/000000/000002", BYTES, {}, token),
      await ask("GET", "/blobs/batch/b1/manifest.json", { token }),
      await ask("DELETE", "/blobs/out/b1/x", { token }),
      await ask("POST", "/blobs/delete", { token, body: '{"keys":["out/b1/x"]}' }),
      await ask("GET", "/blobs?prefix=out/b1/", { token }),
      await ask("POST", "/blobs/grants", { token, body: '{"read":["in/"],"write":[],"seconds":60}' }),
    ];
    expect(refused.map((answer) => answer.status)).toEqual(refused.map(() => 403));
    await ask("DELETE", "/blobs/out/b1/x");
    await ask("DELETE", "/blobs/done/b1/000000/000001");
    await ask("DELETE", IN);
    expect(await service.files()).toEqual([]);
  });

  it("are good for blobs only, however the address is written", async () => {
    const { token } = (await granted(["in/"], [])).said;
    for (const path of ["/prompt", "/queue", "/metrics", "/view?filename=a.png", "/api/queue", "/blobsy"]) {
      expect([path, (await ask("GET", path, { token })).status]).toEqual([path, 401]);
    }
    for (const path of [
      "/blobs/../queue",
      "/blobs/%2e%2e/queue",
      "/blobs/./../api/queue",
      "/blobs//../../queue",
    ]) {
      const { status, body } = await raw(service.port, { path, headers: { "X-API-Key": token } });
      expect([path, status >= 400 && status < 500, body.includes("queue_running")]).toEqual([
        path,
        true,
        false,
      ]);
    }
    expect((await ask("GET", `/view?filename=a.png&token=${token}`, { token: "" })).status).toBe(401);
    expect((await ask("GET", IN, { token: "" })).status).toBe(401);
    expect((await ask("GET", IN, { token: "", headers: { Authorization: `Bearer ${token}` } })).status).toBe(
      404,
    );
  });

  it("end, and say so", async () => {
    const { token } = (await granted(["in/"], [], 60)).said;
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 62_000 });
    try {
      const { status, said } = await ask("GET", IN, { token });
      expect([status, said.error.message]).toEqual([401, "This token has expired."]);
    } finally {
      vi.useRealTimers();
    }
    for (const seconds of [1, 8 * 24 * 3600]) expect((await granted(["in/"], [], seconds)).status).toBe(400);
    for (const name of ["", "/", "in", "../", "secret/"])
      expect((await granted([name], [])).status).toBe(400);
  });

  it("cannot be forged", async () => {
    const sign = (secret: Uint8Array, claims = {}) =>
      new SignJWT({ read: ["in/"], write: ["in/"], ...claims })
        .setProtectedHeader({ alg: "HS256" })
        .setAudience("autochrome-blobs")
        .setJti("x")
        .setExpirationTime("1h")
        .sign(secret);
    const none = (await sign(Buffer.alloc(32))).split(".");
    none[0] = Buffer.from('{"alg":"none"}').toString("base64url");
    const { token } = (await granted(["in/"], [])).said;
    const [head, , signature] = token.split(".");
    const widened = Buffer.from('{"read":["out/"],"write":["in/"],"exp":9999999999}').toString("base64url");
    for (const forged of [
      await sign(Buffer.alloc(32)),
      await sign(Buffer.from(KEY)),
      none.join("."),
      `${none[0]}.${none[1]}.`,
      `${head}.${widened}.${signature}`,
    ]) {
      expect((await ask("GET", IN, { token: forged })).status).toBe(401);
    }
  });

  it("outlive the service; their secret is for nobody's eyes", async () => {
    const root = await mkdtemp(join(tmpdir(), "autochrome-grants-"));
    const scope = { read: ["in/"], write: [] };
    const { token } = await (await openBlobGrants(root)).issue(scope, 60);
    expect(await (await openBlobGrants(root)).judge(token)).toMatchObject({ kind: "known", scope });
    expect(await (await openBlobGrants(root)).judge("a key")).toBeUndefined();
    if (process.platform !== "win32") {
      expect((await stat(join(root, "blob-grants.key"))).mode & 0o077).toBe(0);
    }
    await writeFile(join(root, "blob-grants.key"), "short");
    await expect(openBlobGrants(root)).rejects.toMatchObject({ code: "usage" });
    await rm(root, { recursive: true });
  });
});
