import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createGate } from "./security.ts";
import { makePng, type Running, raw, startService } from "./service-testing.ts";

const KEY = "a-key-of-sixteen-letters";
let running: Running | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(security: NonNullable<Parameters<typeof startService>[0]>["security"] = {}) {
  running = await startService({ security });
  return running;
}
const status = async (path: string, headers: Record<string, string> = {}, method = "GET") =>
  (await raw(running?.port ?? 0, { path, headers: { Host: "localhost", ...headers }, method })).status;

describe("where it listens", () => {
  const open = (host: string, more: object = {}) =>
    createGate({ host, allowedHosts: [], cors: [], rateLimit: 1, ...more });

  it.each(["0.0.0.0", "::", "192.168.1.5", "photos.example", "127.0.0.1.evil.example", "localhost.evil"])(
    "refuses %s without a key",
    (host) => {
      expect(() => open(host)).toThrow(/open to everybody/);
      expect(() => open(host, { apiKey: KEY })).not.toThrow();
    },
  );

  it.each(["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])("takes %s without a key", (host) => {
    expect(() => open(host)).not.toThrow();
    expect(() => open(host, { cors: ["*"] })).toThrow(/Any website/);
  });
});

describe("an API key", () => {
  it("is needed once it is set, on loopback too, for everything but the pulse", async () => {
    await start({ apiKey: KEY });
    for (const path of [
      "/",
      "/prompt",
      "/api/prompt",
      "/view?filename=a.png",
      "/metrics",
      "/openapi.json",
      "/internal/logs",
      "/nowhere",
    ]) {
      expect([path, await status(path)]).toEqual([path, 401]);
    }
    expect(await status("/prompt", {}, "POST")).toBe(401);
    expect(await status("/upload/image", {}, "POST")).toBe(401);
    expect(await status("/healthz")).toBe(200);
    expect(await status("/readyz")).toBe(200);
    const answer = await raw(running?.port ?? 0, { path: "/prompt" });
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
    expect(JSON.parse(answer.body).error).toMatchObject({ code: "unauthorized", next: expect.any(String) });
  });

  it("is taken from two headers everywhere, and from the query where a page cannot send headers", async () => {
    await start({ apiKey: KEY });
    expect(await status("/prompt", { Authorization: `Bearer ${KEY}` })).toBe(200);
    expect(await status("/api/prompt", { Authorization: `bearer  ${KEY}` })).toBe(200);
    expect(await status("/prompt", { "X-API-Key": KEY })).toBe(200);
    expect(await status(`/view?filename=none.png&token=${KEY}`)).toBe(404);
    expect(await status(`/api/view?filename=none.png&token=${KEY}`)).toBe(404);
    expect(await status(`/prompt?token=${KEY}`)).toBe(401);
    expect(await status(`/api/settings?token=${KEY}`)).toBe(401);
    expect(await status(`/view?filename=none.png&token=${KEY}`, {}, "POST")).toBe(401);
  });

  it.each([
    ["another one", "another-key-of-24-letter"],
    ["a part", KEY.slice(0, -1)],
    ["more", `${KEY}x`],
    ["nothing", ""],
    ["in capitals", KEY.toUpperCase()],
  ])("is wrong: %s", async (_, key) => {
    await start({ apiKey: KEY });
    expect(await status("/prompt", { Authorization: `Bearer ${key}` })).toBe(401);
    expect(await status("/prompt", { "X-API-Key": key })).toBe(401);
    expect(await status(`/view?filename=a&token=${key}`)).toBe(401);
    expect(await status("/prompt", { Authorization: `Basic ${btoa(`x:${KEY}`)}` })).toBe(401);
  });

  it("wrong too often has to wait, while others at the same address do not", async () => {
    await start({ apiKey: KEY });
    const answers: number[] = [];
    for (let i = 0; i < 25; i++) answers.push(await status("/prompt", { "X-API-Key": `wrong ${i}` }));
    expect(answers.slice(0, 20)).toEqual(Array(20).fill(401));
    expect(answers.slice(20)).toEqual(Array(5).fill(429));
    expect(await status("/prompt", { "X-API-Key": KEY })).toBe(200);
  });

  it("becomes a cookie in a browser", async () => {
    await start({ apiKey: KEY });
    const port = running?.port ?? 0;
    const page = await raw(port, { path: `/?token=${KEY}` });
    const cookie = page.headers["set-cookie"]?.[0] ?? "";
    expect(page.status).toBe(200);
    expect(page.body).not.toContain(KEY);
    expect(cookie).toMatch(/^autochrome_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    const value = cookie.split(";")[0] ?? "";
    expect(await status("/", { Cookie: value })).toBe(200);
    expect(await status("/prompt", { Cookie: `other=1; ${value}` })).toBe(200);
    expect(await status("/prompt", { Cookie: `${value}x` })).toBe(401);
    expect(await status("/prompt", { Cookie: "autochrome_session=e30.e30" })).toBe(401);
    expect(await status("/prompt", { Cookie: value, Origin: "https://evil.example" })).toBe(403);
    expect((await raw(port, { path: "/?token=wrong" })).headers["set-cookie"]).toBeUndefined();
  });
});

describe("JWT", () => {
  const audience = "autochrome";
  const issuer = "https://id.example/";
  let provider: Server;
  let jwksUrl: string;
  let sign: (change?: (jwt: SignJWT) => SignJWT) => Promise<string>;
  let signByStranger: typeof sign;
  /** Right in everything but that it has no end. */
  let endless: string;
  let isDown = false;

  beforeAll(async () => {
    const [ours, strange] = [await generateKeyPair("ES256"), await generateKeyPair("ES256")];
    const jwks = { keys: [{ ...(await exportJWK(ours.publicKey)), kid: "1", alg: "ES256" }] };
    const signer =
      (key: typeof ours.privateKey): typeof sign =>
      (change = (jwt) => jwt) =>
        change(
          new SignJWT({})
            .setProtectedHeader({ alg: "ES256", kid: "1" })
            .setSubject("anna")
            .setAudience(audience)
            .setIssuer(issuer)
            .setExpirationTime("5m"),
        ).sign(key);
    sign = signer(ours.privateKey);
    signByStranger = signer(strange.privateKey);
    const head = { alg: "ES256", kid: "1" };
    const jwt = new SignJWT({}).setProtectedHeader(head).setAudience(audience).setIssuer(issuer);
    endless = await jwt.sign(ours.privateKey);
    provider = createServer((_, answer) => {
      if (isDown) answer.writeHead(500).end();
      else answer.setHeader("Content-Type", "application/json").end(JSON.stringify(jwks));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => provider.once("listening", resolve));
    jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => provider.close());
  afterEach(() => {
    isDown = false;
  });

  const ask = async (token: string) => status("/prompt", { Authorization: `Bearer ${token}` });
  const begin = () => start({ jwt: { jwksUrl, audience, issuer } });

  it("is taken when everything is right, in all the ways a key is", async () => {
    await begin();
    const token = await sign();
    expect(await ask(token)).toBe(200);
    expect(await status("/prompt", { "X-API-Key": token })).toBe(200);
    expect(await status(`/view?filename=none.png&token=${token}`)).toBe(404);
    expect(await status("/prompt")).toBe(401);
  });

  it("is refused when it has expired, has no end, or is for another audience or of another issuer", async () => {
    await begin();
    expect(await ask(await sign((jwt) => jwt.setExpirationTime("-5m")))).toBe(401);
    expect(await ask(await sign((jwt) => jwt.setAudience("another")))).toBe(401);
    expect(await ask(await sign((jwt) => jwt.setIssuer("https://evil.example/")))).toBe(401);
    expect(await ask(await sign((jwt) => jwt.setNotBefore("5m")))).toBe(401);
    expect(await ask(endless)).toBe(401);
    const answer = await raw(running?.port ?? 0, {
      path: "/prompt",
      headers: { Authorization: `Bearer ${await sign((jwt) => jwt.setExpirationTime("-5m"))}` },
    });
    expect(JSON.parse(answer.body).error.message).toContain("expired");
  });

  it("is refused when a stranger signed it, nobody did, or a shared secret did", async () => {
    await begin();
    const claims = new UnsecuredJWT({}).setAudience(audience).setIssuer(issuer).setExpirationTime("5m");
    const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
    const shared = new SignJWT({})
      .setProtectedHeader({ alg: "HS256", kid: "1" })
      .setAudience(audience)
      .setIssuer(issuer)
      .setExpirationTime("5m");
    const [head, body] = (await sign()).split(".");
    expect(await ask(await signByStranger())).toBe(401);
    expect(await ask(claims.encode())).toBe(401);
    expect(await ask(await shared.sign(secret))).toBe(401);
    expect(await ask(`${head}.${body}.`)).toBe(401);
    expect(await ask("a.b.c")).toBe(401);
  });

  it("lets nobody in while the provider is down, and says that", async () => {
    isDown = true;
    await begin();
    const token = await sign();
    const answer = await raw(running?.port ?? 0, {
      path: "/prompt",
      headers: { Authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body).error.code).toBe("unavailable");
    isDown = false;
    expect(await ask(token)).toBe(200);
    await running?.close();
    await start({ jwt: { jwksUrl: "http://127.0.0.1:1/jwks", audience, issuer } });
    expect(await ask(token)).toBe(503);
  });
});

describe("Host, Origin, CORS", () => {
  it("answers on loopback under loopback's names only", async () => {
    await start();
    for (const Host of ["127.0.0.1", "localhost:8188", "[::1]:8188", "LOCALHOST", "app.localhost"]) {
      expect([Host, await status("/prompt", { Host })]).toEqual([Host, 200]);
    }
    for (const Host of [
      "evil.example",
      "evil.example:8188",
      "localhost.evil.example",
      "192.168.0.7",
      "127.0.0.1.nip.io",
    ]) {
      expect([Host, await status("/prompt", { Host })]).toEqual([Host, 403]);
    }
    await running?.close();
    await start({ allowedHosts: ["photos.example"] });
    expect(await status("/prompt", { Host: "photos.example" })).toBe(200);
    expect(await status("/prompt", { Host: "other.example" })).toBe(403);
  });

  it("takes pages of its own and no others", async () => {
    await start();
    const Host = "127.0.0.1:8188";
    expect(await status("/prompt", { Host, Origin: "http://127.0.0.1:8188" })).toBe(200);
    for (const Origin of [
      "http://evil.example",
      "http://127.0.0.1:3000",
      "http://localhost:8188",
      "null",
      "nonsense",
    ]) {
      expect([Origin, await status("/prompt", { Host, Origin }, "POST")]).toEqual([Origin, 403]);
      expect([Origin, await status("/prompt", { Host, Origin }, "OPTIONS")]).toEqual([Origin, 403]);
    }
    for (const site of ["cross-site", "same-site"]) {
      expect(await status("/view?filename=a", { "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors" })).toBe(
        403,
      );
      expect(await status("/", { "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate" })).toBe(200);
    }
    expect(await status("/prompt", { "Sec-Fetch-Site": "same-origin" })).toBe(200);
    expect(await status("/prompt", {}, "OPTIONS")).toBe(200);
  });

  it("has no CORS headers unless an origin is listed, and then for that one", async () => {
    await start();
    const port = running?.port ?? 0;
    const headers = { Host: "localhost", Origin: "http://localhost" };
    expect(
      (await raw(port, { path: "/prompt", headers })).headers["access-control-allow-origin"],
    ).toBeUndefined();
    await running?.close();
    await start({ cors: ["https://photos.example"] });
    const asked = (Origin: string, method = "GET") =>
      raw(running?.port ?? 0, { method, path: "/prompt", headers: { Host: "localhost", Origin } });
    const listed = await asked("https://photos.example", "OPTIONS");
    expect(listed.status).toBe(200);
    expect(listed.headers).toMatchObject({
      "access-control-allow-origin": "https://photos.example",
      "access-control-allow-headers": expect.stringContaining("Authorization"),
      vary: expect.stringContaining("Origin"),
    });
    expect((await asked("https://photos.example")).status).toBe(200);
    const other = await asked("https://other.example");
    expect(other.status).toBe(403);
    expect(other.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("sends headers that keep browsers careful", async () => {
    await start();
    for (const path of ["/prompt", "/", "/nowhere", "/view?filename=../x"]) {
      expect((await raw(running?.port ?? 0, { path })).headers).toMatchObject({
        "content-security-policy": expect.stringContaining("default-src 'none'"),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "x-request-id": expect.stringMatching(/^[0-9a-z]{26}$/),
      });
    }
  });
});

describe("the rate", () => {
  it("is limited by address without a key, and says when to come again", async () => {
    await start({ rateLimit: 3 });
    const answers: number[] = [];
    for (let i = 0; i < 4; i++) answers.push(await status("/prompt"));
    expect(answers).toEqual([200, 200, 200, 429]);
    const answer = await raw(running?.port ?? 0, { path: "/prompt" });
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    expect(JSON.parse(answer.body).error.code).toBe("rate-limited");
    expect(await status("/healthz")).toBe(200);
  });

  it("does not count the library's pictures: a window that scrolls asks for thousands", async () => {
    await start({ rateLimit: 1 });
    for (const path of ["/library/photos/x/thumbnail", "/library/versions/x/tiles/0/0/0"]) {
      for (let i = 0; i < 3; i++) expect(await status(path)).not.toBe(429);
    }
    expect([await status("/prompt"), await status("/prompt")]).toEqual([200, 429]);
  });

  it("is limited by key, apart from strangers", async () => {
    await start({ apiKey: KEY, rateLimit: 2 });
    const asked = () => status("/prompt", { "X-API-Key": KEY });
    expect([await asked(), await status("/prompt"), await asked(), await asked()]).toEqual([
      200, 401, 200, 429,
    ]);
    expect([await status("/prompt"), await status("/prompt")]).toEqual([401, 429]);
  });
});

it("survives requests that are none", async () => {
  await start();
  const port = running?.port ?? 0;
  const paths = [
    "/%",
    "/%ff",
    "/view?filename=%ff",
    "/userdata/%",
    "//",
    "/..",
    "/api/%2e%2e/%2e%2e/etc/passwd",
    "/\\x",
  ];
  for (const path of paths) {
    const answer = await raw(port, { path });
    expect([path, answer.status < 500]).toEqual([path, true]);
    expect(answer.body).not.toContain("root:");
  }
  expect((await raw(port, { path: "/settings", method: "POST", body: await makePng() })).status).toBe(400);
  expect(await status("/healthz")).toBe(200);
});
