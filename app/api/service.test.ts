import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectRoutes } from "hono/dev";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createLogger } from "../kernel/index.ts";
import { listPresets, NODES } from "../workflow/index.ts";
import { formOf, makePng, type Running, raw, startService } from "./service-testing.ts";

let running: Running | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});
async function start(change: Parameters<typeof startService>[0] = {}): Promise<Running> {
  running = await startService(change);
  return running;
}
async function json(path: string, init?: RequestInit) {
  const response = await fetch(`${running?.url}${path}`, init);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

const documentSchema = z.object({
  openapi: z.literal("3.1.0"),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(
    z.string().startsWith("/"),
    z.partialRecord(
      z.enum(["get", "post", "put", "patch", "delete"]),
      z.looseObject({
        summary: z.string(),
        parameters: z
          .array(z.looseObject({ name: z.string(), in: z.enum(["path", "query"]), schema: z.object() }))
          .optional(),
        responses: z.record(
          z.string().regex(/^([1-5]\d\d|default)$/),
          z.looseObject({ description: z.string() }),
        ),
      }),
    ),
  ),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
});

describe("the OpenAPI document", () => {
  it("has every route of the app once, with its path's parameters, and no dangling reference", async () => {
    const { service } = await start();
    const { body } = await json("/openapi.json");
    const document = documentSchema.parse(body);
    const written = new Set<string>();
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, about] of Object.entries(methods)) {
        written.add(`${method.toUpperCase()} ${path}`);
        const inPath = (about.parameters ?? []).filter((parameter) => parameter.in === "path");
        expect(inPath.map(({ name }) => `{${name}}`).sort()).toEqual(
          [...(path.match(/\{\w+\}/g) ?? [])].sort(),
        );
      }
    }
    const made = inspectRoutes(service.app)
      .filter(({ isMiddleware, method, path }) => !isMiddleware && method !== "ALL" && path !== "/*")
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{\.\+\})?/g, "{$1}")}`);
    const once = made.map((route) => {
      const bare = route.replace(" /api/", " /");
      return written.has(route) ? route : bare;
    });
    expect(made.length).toBeGreaterThan(60);
    expect(once.filter((route) => !written.has(route))).toEqual([]);
    const answered = new Set(made);
    const onlyDisabled = ["GET /api/assets", "GET /api/tags"];
    expect([...written].filter((route) => !answered.has(route))).toEqual(onlyDisabled);
    for (const [, name] of JSON.stringify(body).matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(document.components.schemas).toHaveProperty(name as string);
    }
  });

  it("is true of doubled routes: each answers below /api as well", async () => {
    await start();
    const { body } = await json("/openapi.json");
    const single = /^\/(internal\/|blobs|healthz|readyz|metrics|openapi\.json|api\/|$)/;
    for (const [path, methods] of Object.entries(documentSchema.parse(body).paths)) {
      if (!("get" in methods) || path.includes("{")) continue;
      const [bare, prefixed] = [
        await fetch(`${running?.url}${path}`),
        await fetch(`${running?.url}/api${path}`),
      ];
      expect([path, prefixed.status]).toEqual([path, single.test(path) ? 404 : bare.status]);
      await Promise.all([bare.arrayBuffer(), prefixed.arrayBuffer()]);
    }
  });
});

describe("what ComfyUI's clients ask", () => {
  it("nodes, one and all", async () => {
    await start();
    const { body } = await json("/object_info");
    expect(Object.keys(body).sort()).toEqual([...NODES.keys()].sort());
    expect((await json("/api/object_info/LoadImage")).body).toEqual({ LoadImage: body.LoadImage });
    expect(await json("/object_info/None")).toEqual({ status: 200, body: {} });
    expect(await json("/object_info/constructor")).toEqual({ status: 200, body: {} });
    const i18n = (await json("/i18n")).body;
    expect(Object.keys(i18n).sort()).toEqual(["en", "zh"]);
  });

  it("uploads appear in LoadImage's list", async () => {
    const { url } = await start();
    await fetch(`${url}/upload/image`, { method: "POST", body: formOf(await makePng(), "new.png") });
    expect(JSON.stringify((await json("/object_info/LoadImage")).body)).toContain("new.png");
  });

  it("the machine, in numbers that the front end takes", async () => {
    await start();
    const device = z.strictObject({
      name: z.string(),
      type: z.string(),
      index: z.number(),
      vram_total: z.number(),
      vram_free: z.number(),
      torch_vram_total: z.number(),
      torch_vram_free: z.number(),
    });
    const system = z.looseObject({
      os: z.string(),
      python_version: z.string(),
      embedded_python: z.boolean(),
      comfyui_version: z.string(),
      pytorch_version: z.string(),
      argv: z.array(z.string()),
      ram_total: z.number(),
      ram_free: z.number(),
    });
    const { body } = await json("/system_stats");
    z.object({ system, devices: z.array(device).min(1) }).parse(body);
  });

  it("features, models, and what there is none of", async () => {
    await start({ uploadMaxBytes: 1234 });
    expect((await json("/features")).body).toMatchObject({
      supports_preview_metadata: true,
      max_upload_size: 1234,
      assets: false,
    });
    expect((await json("/models")).body).toEqual(["ddcolor"]);
    expect((await json("/models/ddcolor")).body).toContain("autochrome-small");
    expect((await json("/models/loras")).status).toBe(404);
    expect((await json("/experiment/models")).body).toEqual([{ name: "ddcolor", folders: [] }]);
    expect((await json("/experiment/models/ddcolor")).body[0]).toMatchObject({
      pathIndex: 0,
      size: expect.any(Number),
      modified: expect.any(Number),
    });
    expect((await json("/experiment/models/preview/ddcolor/0/x")).status).toBe(404);
    expect((await json("/embeddings")).body).toEqual([]);
    expect((await json("/extensions")).body).toEqual([]);
    for (const path of ["/global_subgraphs", "/node_replacements"])
      expect((await json(path)).body).toEqual({});
    expect((await json("/global_subgraphs/x")).status).toBe(404);
    for (const path of ["/api/assets", "/api/assets/1", "/api/tags"]) {
      expect(await json(path)).toMatchObject({ status: 503, body: { error: { code: "SERVICE_DISABLED" } } });
    }
  });

  it("presets, in the editor's format", async () => {
    await start();
    const { autochrome } = (await json("/api/workflow_templates")).body;
    expect(autochrome).toEqual(listPresets().map(({ alias }) => alias));
    for (const name of autochrome) {
      const { status, body } = await json(`/api/workflow_templates/autochrome/${name}.json`);
      expect([status, Array.isArray(body.nodes)]).toEqual([200, true]);
      const picture = await fetch(`${running?.url}/workflow_templates/autochrome/${name}.jpg`);
      expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    }
    for (const path of [
      "autochrome/none.jpg",
      "autochrome/none.json",
      "other/portrait.json",
      "autochrome/..%2fpackage.json",
    ]) {
      expect((await json(`/workflow_templates/${path}`)).status).toBe(404);
    }
  });

  it("internal matters, without a path of this computer", async () => {
    const { folders, url } = await start();
    for (const [name, age] of [
      ["old.png", 2],
      ["new.png", 1],
      [".hidden", 0],
    ] as const) {
      const path = join(folders.path("output"), name);
      await writeFile(path, "");
      await utimes(path, new Date(Date.now() - age * 60_000), new Date(Date.now() - age * 60_000));
    }
    expect((await json("/internal/files/output")).body).toEqual(["new.png", "old.png"]);
    expect((await json("/internal/files/users")).status).toBe(400);
    expect((await json("/internal/logs")).body).toBe("2026-01-01T00:00:00.000Z - a line\n");
    expect((await json("/internal/logs/raw")).body).toMatchObject({
      entries: [{ m: "a line\n" }],
      size: { cols: 80 },
    });
    const subscribe = { method: "PATCH", body: '{"clientId":"a","enabled":true}' };
    expect((await fetch(`${url}/internal/logs/subscribe`, subscribe)).status).toBe(200);
    expect(JSON.stringify((await json("/internal/folder_paths")).body)).not.toContain(folders.root);
    expect((await json("/api/internal/logs")).status).toBe(404);
  });

  it("JSON whatever the Content-Type, but no more than 16 MB of it", async () => {
    const { port } = await start();
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const body = '{"prompt":{"1":{"class_type":"X","inputs":{}}}}';
    expect((await raw(port, { path: "/prompt", method: "POST", headers, body })).status).toBe(200);
    const chunked = { "Transfer-Encoding": "chunked" };
    expect((await raw(port, { path: "/prompt", method: "POST", headers: chunked, body })).status).toBe(200);
    const large = `{"prompt":"${"x".repeat(17 * 1024 * 1024)}"}`;
    expect((await raw(port, { path: "/prompt", method: "POST", headers: chunked, body: large })).status).toBe(
      413,
    );
    expect((await raw(port, { path: "/api/settings", method: "POST", body: large })).status).toBe(413);
    expect(
      (await raw(port, { path: "/settings", method: "POST", headers: chunked, body: large })).status,
    ).toBe(413);
    expect((await raw(port, { path: "/settings", method: "POST", body: "{" })).status).toBe(400);
    expect((await raw(port, { path: "/settings", method: "POST", body: "[".repeat(200_000) })).status).toBe(
      400,
    );
    expect((await raw(port, { path: "/healthz" })).status).toBe(200);
  });
});

describe("watching", () => {
  it("tells that it lives and is ready, and when it is not", async () => {
    const { folders } = await start();
    expect(await json("/healthz")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await json("/readyz")).toMatchObject({ status: 200, body: { status: "ready" } });
    await rm(folders.root, { recursive: true });
    expect(await json("/readyz")).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
    await mkdir(folders.root);
  });

  it("gives Prometheus numbers by route, not by address", async () => {
    const { url, queue } = await start();
    await fetch(`${url}/object_info/One`);
    await fetch(`${url}/api/object_info/Two`);
    await fetch(`${url}/view?filename=secret-name.png`);
    await fetch(`${url}/nowhere/secret-place`);
    queue.submit({ graph: { 1: { class_type: "X", inputs: {} } } });
    queue.submit({ graph: { 1: { class_type: "X", inputs: {} } } });
    while (queue.current() === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    const response = await fetch(`${url}/metrics`);
    const text = await response.text();
    expect(response.headers.get("content-type")).toContain("text/plain");
    expect(text).toContain(
      'autochrome_http_requests_total{method="GET",route="/object_info/:class",status="200"} 1',
    );
    expect(text).toContain(
      'autochrome_http_requests_total{method="GET",route="/api/object_info/:class",status="200"} 1',
    );
    expect(text).toContain('autochrome_http_requests_total{method="GET",route="/view",status="404"} 1');
    expect(text).toContain('autochrome_http_requests_total{method="GET",route="other",status="404"} 1');
    expect(text).toContain('autochrome_queue_prompts{state="running"} 1');
    expect(text).toContain('autochrome_queue_prompts{state="pending"} 1');
    expect(text).toContain('autochrome_prompts_total{state="success"} 0');
    expect(text).toContain('autochrome_network_answers_total{kind="run"} 0');
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(text).not.toContain("secret");
    queue.interrupt();
    while (queue.remaining() > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'autochrome_prompts_total{state="interrupted"} 1',
    );
  });

  it("writes a line per request with its id and its prompt, and never a token", async () => {
    const lines: string[] = [];
    const log = createLogger("info", { write: (line) => void lines.push(line) });
    const key = "0123456789abcdef";
    const { url } = await start({ log, security: { apiKey: key } });
    const body = JSON.stringify({ prompt: { 1: { class_type: "X", inputs: {} } } });
    const response = await fetch(`${url}/prompt`, { method: "POST", body, headers: { "X-API-Key": key } });
    const { prompt_id } = z.object({ prompt_id: z.string() }).parse(await response.json());
    await (await fetch(`${url}/view?filename=a.png&token=${key}`)).text();
    const request = response.headers.get("x-request-id");
    const entries = lines.map((line) => JSON.parse(line));
    expect(entries).toContainEqual(
      expect.objectContaining({ request, prompt: prompt_id, method: "POST", path: "/prompt", status: 200 }),
    );
    expect(entries).toContainEqual(expect.objectContaining({ path: "/view", status: 404 }));
    expect(lines.join("")).not.toContain(key);
  });
});

describe("the front end", () => {
  let folder: string;
  async function startWithFrontEnd(): Promise<string> {
    folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-front-")));
    await mkdir(join(folder, "assets"));
    await mkdir(join(folder, "extensions", "core"), { recursive: true });
    const content = {
      "index.html": "<!doctype html><title>Editor</title>",
      "assets/a.js": "1",
      "assets/a.css": "b{}",
      "assets/logo.png": await makePng(),
      "assets/index-templates.json": "{}",
      "extensions/core/one.js": "1",
    };
    for (const [name, text] of Object.entries(content)) await writeFile(join(folder, name), text);
    await writeFile(join(tmpdir(), "autochrome-front-secret.js"), "secret");
    await symlink(join(tmpdir(), "autochrome-front-secret.js"), join(folder, "assets", "out.js"));
    return (await start({ frontEnd: folder })).url;
  }
  afterEach(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    await rm(join(tmpdir(), "autochrome-front-secret.js"), { force: true });
  });

  it("comes from its folder, with ComfyUI's rules for caching", async () => {
    const url = await startWithFrontEnd();
    const asked = async (path: string) => {
      const response = await fetch(url + path);
      await response.arrayBuffer();
      const { headers } = response;
      return [response.status, headers.get("content-type"), headers.get("cache-control")];
    };
    expect(await asked("/")).toEqual([200, "text/html; charset=utf-8", "no-cache"]);
    expect(await asked("/assets/a.js")).toEqual([200, "text/javascript; charset=utf-8", "no-cache"]);
    expect(await asked("/assets/a.css")).toEqual([200, "text/css; charset=utf-8", "no-cache"]);
    expect(await asked("/assets/index-templates.json")).toEqual([200, "application/json", "no-cache"]);
    expect(await asked("/assets/logo.png")).toEqual([200, "image/png", "public, max-age=86400"]);
    expect(await asked("/assets/none.png")).toEqual([404, "application/json", "max-age=3600"]);
    expect((await asked("/assets/none.js"))[0]).toBe(404);
    expect((await json("/extensions")).body).toEqual(["/extensions/core/one.js"]);
    expect((await asked("/api/index.html"))[0]).toBe(404);
    const policy = (await fetch(url)).headers.get("content-security-policy");
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
  });

  it("gives nothing outside its folder", async () => {
    await startWithFrontEnd();
    const port = running?.port ?? 0;
    for (const path of [
      "/assets/out.js",
      "/../autochrome-front-secret.js",
      "/%2e%2e/autochrome-front-secret.js",
      "/..%2fautochrome-front-secret.js",
      "/assets/..%2f..%2fautochrome-front-secret.js",
      "/%2fetc%2fpasswd",
      "//etc/passwd",
      "/assets%00/a.js",
      "/assets",
    ]) {
      const answer = await raw(port, { path });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.body).not.toMatch(/secret|root:/);
    }
  });

  it("without a folder is a page in two languages; with a wrong one is refused", async () => {
    const { url } = await start();
    const page = await (await fetch(url)).text();
    expect(page).toContain("--front-end");
    expect(page).toContain("黑白老照片");
    await running?.close();
    running = undefined;
    await expect(startService({ frontEnd: tmpdir() })).rejects.toMatchObject({ code: "usage" });
  });
});

it("says so when its port is taken", async () => {
  const { port } = await start();
  const second = await startService();
  await second.service.close();
  await expect(second.service.listen(port)).rejects.toMatchObject({ code: "usage", message: /taken/ });
  await second.queue.close();
});
