import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDesk, type TestDesk } from "./library/testing.ts";
import { settingsDoors } from "./library/testing-doors.ts";
import { type Running, raw, startService } from "./service-testing.ts";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";
const KEY = "a-key-of-sixteen-letters";

let folder: string;
let desk: TestDesk;
let running: Running | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-bundle-"));
  await mkdir(join(folder, "dist", "assets"), { recursive: true });
  await writeFile(join(folder, "dist", "index.html"), "<!doctype html><title>The window</title>");
  await writeFile(join(folder, "dist", "assets", "index-1a2b.js"), "1");
  await writeFile(join(folder, "secret.js"), "secret");
  await symlink(join(folder, "secret.js"), join(folder, "dist", "assets", "out.js"));
  desk = await createTestDesk(() => undefined, { doors: settingsDoors(folder) });
});
afterEach(async () => {
  await running?.close();
  running = undefined;
  await desk.close();
  await rm(folder, { recursive: true });
});

async function start(change: Parameters<typeof startService>[0] = {}): Promise<Running> {
  running = await startService({ desk: desk.desk, bundle: join(folder, "dist"), ...change });
  return running;
}
async function asked(path: string) {
  const response = await fetch(`${running?.url}${path}`);
  const { status, headers } = response;
  return {
    status,
    text: await response.text(),
    policy: headers.get("content-security-policy"),
    type: headers.get("content-type"),
    caching: headers.get("cache-control"),
  };
}

describe("the window", () => {
  it("is at /, and lets nothing in that is not the bundle's", async () => {
    await start();
    expect(await asked("/")).toEqual({
      status: 200,
      text: "<!doctype html><title>The window</title>",
      policy: POLICY,
      type: "text/html; charset=utf-8",
      caching: "no-cache",
    });
    expect(await asked("/assets/index-1a2b.js")).toMatchObject({
      status: 200,
      policy: POLICY,
      type: "text/javascript; charset=utf-8",
      caching: "private, max-age=31536000, immutable",
    });
    expect(await asked("/library/window")).toMatchObject({ status: 200, text: "{}" });
    expect(await asked("/library/nothing")).toMatchObject({ status: 404, type: "application/json" });
    expect((await asked("/prompt")).status).toBe(200);
  });

  it("is at /window/ beside ComfyUI's front end", async () => {
    const editor = join(folder, "editor");
    await mkdir(editor);
    await writeFile(join(editor, "index.html"), "<!doctype html><title>Editor</title>");
    await start({ frontEnd: editor });
    expect((await asked("/")).text).toContain("Editor");
    for (const path of ["/window/", "/window"]) {
      expect(await asked(path)).toMatchObject({ status: 200, policy: POLICY });
      expect((await asked(path)).text).toContain("The window");
    }
    expect((await asked("/window/assets/index-1a2b.js")).status).toBe(200);
    expect((await asked("/assets/index-1a2b.js")).status).toBe(404);
  });

  it("says how it is made where it is not, and is there as soon as it is", async () => {
    await rm(join(folder, "dist"), { recursive: true });
    await start();
    const page = await asked("/");
    expect(page).toMatchObject({ status: 503, caching: "no-store" });
    expect(page.text).toMatch(/npm run build[\s\S]*界面/);
    expect(page.policy).not.toContain("script");
    await mkdir(join(folder, "dist"));
    await writeFile(join(folder, "dist", "index.html"), "made");
    expect(await asked("/")).toMatchObject({ status: 200, text: "made" });
  });

  it("gives nothing outside its bundle", async () => {
    const { port } = await start();
    const out = [
      "/assets/out.js",
      "/../secret.js",
      "/..%2fsecret.js",
      "/%2e%2e/secret.js",
      "//etc/passwd",
      "/%ff",
      "/assets",
    ];
    for (const path of out) {
      const answer = await raw(port, { path });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).not.toMatch(/secret"|root:/);
    }
  });

  it("is not there without a library, nor are its routes", async () => {
    await start({ desk: undefined });
    expect((await asked("/")).text).toContain("--front-end");
    expect((await asked("/library/window")).status).toBe(404);
  });
});

describe("signing in", () => {
  it("turns the key into a cookie once, at either address, and pictures and events come by it", async () => {
    const { port } = await start({ security: { apiKey: KEY } });
    for (const path of [
      "/",
      "/library",
      "/library/window",
      "/library/events",
      "/library/photos/1/thumbnail",
    ]) {
      expect([path, (await raw(port, { path })).status]).toEqual([path, 401]);
    }
    expect((await raw(port, { path: `/library/window?token=${KEY}` })).status).toBe(401);
    const page = await raw(port, { path: `/?token=${KEY}` });
    expect(page.body).toContain('content="0;url=/"');
    expect(page.body).not.toContain(KEY);
    const [cookie = ""] = page.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    const Cookie = cookie.split(";")[0] ?? "";
    expect((await raw(port, { path: "/", headers: { Cookie } })).status).toBe(200);
    expect((await raw(port, { path: "/library/window", headers: { Cookie } })).status).toBe(200);
    const abort = new AbortController();
    const events = await fetch(`${running?.url}/library/events`, {
      headers: { Cookie },
      signal: abort.signal,
    });
    expect([events.status, events.headers.get("content-type")]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    abort.abort();
    const evil = { Cookie, Origin: "https://evil.example" };
    const change = { path: "/library/window", method: "PATCH", headers: evil, body: '{"a":1}' };
    expect((await raw(port, change)).status).toBe(403);
    expect((await raw(port, { path: `/window/?token=${KEY}` })).headers["set-cookie"]).toBeUndefined();
  });

  it("lasts for weeks on this computer, and half a day elsewhere", async () => {
    const days = async (host: string) => {
      const { port, close } = await start({ security: { apiKey: KEY, host } });
      const { headers } = await raw(port, { path: `/?token=${KEY}` });
      await close();
      running = undefined;
      return Math.round(Number(/Max-Age=(\d+)/.exec(headers["set-cookie"]?.[0] ?? "")?.[1]) / 3600) / 24;
    };
    expect(await days("127.0.0.1")).toBe(30);
    expect(await days("0.0.0.0")).toBe(0.5);
  });
});

it("pictures of the library have a limit of their own: a grid asks for hundreds a second", async () => {
  const { port } = await start({ security: { rateLimit: 3 } });
  const statuses = async (path: string, times: number) => {
    const seen = new Map<number, number>();
    for (let i = 0; i < times; i++) {
      const { status } = await raw(port, { path });
      seen.set(status, (seen.get(status) ?? 0) + 1);
    }
    return Object.fromEntries(seen);
  };
  expect(await statuses("/library/photos/none/thumbnail", 150)).toEqual({ 404: 150 });
  expect(await statuses("/library/photos/none/thumbnail", 2)).toEqual({ 429: 2 });
  expect(await statuses("/library/window", 5)).toEqual({ 200: 3, 429: 2 });
});
