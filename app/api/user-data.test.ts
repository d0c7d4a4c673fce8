import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Running, raw, startService } from "./service-testing.ts";

let running: Running;
beforeEach(async () => {
  running = await startService();
});
afterEach(() => running.close());

async function ask(path: string, method = "GET", body?: string) {
  const response = await fetch(running.url + path, { method, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}
const file = (path: string) => `/userdata/${encodeURIComponent(path)}`;
const put = (path: string, content = "{}") => ask(file(path), "POST", content);

describe("settings", () => {
  it("are merged, one by one or several, whatever the Content-Type", async () => {
    expect(await ask("/settings")).toEqual({ status: 200, body: {} });
    expect(await ask("/settings/Comfy.Locale")).toEqual({ status: 200, body: null });
    expect(await ask("/api/settings", "POST", '{"Comfy.Locale":"zh","a":1}')).toEqual({
      status: 200,
      body: "",
    });
    expect(await ask("/settings/Comfy.Locale", "POST", '"en"')).toEqual({ status: 200, body: "" });
    expect(await ask("/settings/b", "POST", "false")).toEqual({ status: 200, body: "" });
    expect(await ask("/settings/b")).toEqual({ status: 200, body: false });
    expect(await ask("/api/settings")).toEqual({
      status: 200,
      body: { "Comfy.Locale": "en", a: 1, b: false },
    });
    const stored = await readFile(join(running.folders.users, "default", "comfy.settings.json"), "utf8");
    expect(JSON.parse(stored)).toMatchObject({ a: 1 });
  });

  it("are all kept when many are written at once", async () => {
    await Promise.all(Array.from({ length: 30 }, (_, i) => ask(`/settings/s${i}`, "POST", String(i))));
    expect(Object.keys((await ask("/settings")).body)).toHaveLength(30);
  });

  it("know no prototypes and no malformed JSON", async () => {
    expect((await ask("/settings", "POST", '{"__proto__":{"x":1}}')).status).toBe(200);
    expect((await ask("/settings/toString")).body).toBeNull();
    expect((await ask("/settings", "POST", "{")).status).toBe(400);
    expect((await ask("/settings", "POST", "[1]")).status).toBe(400);
    expect((await ask("/settings/a", "POST", "tru")).status).toBe(400);
  });
});

it("has one user", async () => {
  expect(await ask("/users")).toEqual({ status: 200, body: { storage: "server", migrated: true } });
  expect(await ask("/users", "POST", '{"username":"anna"}')).toEqual({
    status: 400,
    body: { error: "This server has one user." },
  });
});

describe("files", () => {
  it("are written, read, moved and deleted", async () => {
    expect(await put("workflows/a.json", '{"a":1}')).toEqual({ status: 200, body: "workflows/a.json" });
    expect(await ask(file("workflows/a.json"))).toEqual({ status: 200, body: { a: 1 } });
    expect((await ask(`${file("workflows/a.json")}?overwrite=false`, "POST", "{}")).status).toBe(409);
    expect(
      (await ask(`${file("workflows/a.json")}?overwrite=true&full_info=true`, "POST", "123")).body,
    ).toEqual({
      path: "workflows/a.json",
      size: 3,
      modified: expect.any(Number),
      created: expect.any(Number),
    });
    const move = `${file("workflows/a.json")}/move/${encodeURIComponent("workflows/sub/b.json")}`;
    expect(await ask(move, "POST")).toEqual({ status: 200, body: "workflows/sub/b.json" });
    expect((await ask(move, "POST")).status).toBe(404);
    await put("workflows/a.json");
    expect((await ask(`${move}?overwrite=false`, "POST")).status).toBe(409);
    expect((await ask(move, "POST")).status).toBe(200);
    expect((await ask(file("workflows/sub/b.json"), "DELETE")).status).toBe(204);
    expect((await ask(file("workflows/sub/b.json"), "DELETE")).status).toBe(404);
    expect((await ask(file("workflows/sub/b.json"))).status).toBe(404);
  });

  it("are listed in ComfyUI's shapes", async () => {
    await put("workflows/a.json");
    await put("workflows/sub/b.json");
    await put("workflows/.index.json");
    const list = async (query: string) => (await ask(`/api/userdata?${query}`)).body;
    expect(await list("dir=workflows")).toEqual([".index.json", "a.json"]);
    expect((await list("dir=workflows&recurse=true")).sort()).toEqual([
      ".index.json",
      "a.json",
      "sub/b.json",
    ]);
    expect(await list("dir=workflows/sub&split=true")).toEqual([["b.json", "b.json"]]);
    expect(await list("dir=workflows&recurse=true&split=true")).toContainEqual([
      "sub/b.json",
      "sub",
      "b.json",
    ]);
    expect(await list("dir=workflows/sub&full_info=true&split=true")).toEqual([
      { path: "b.json", size: 2, modified: expect.any(Number), created: expect.any(Number) },
    ]);
    expect((await ask("/v2/userdata?path=workflows")).body).toContainEqual({
      name: "sub",
      path: "workflows/sub",
      type: "directory",
    });
    expect((await ask("/v2/userdata?path=workflows")).body).toContainEqual({
      name: "a.json",
      path: "workflows/a.json",
      type: "file",
      size: 2,
      modified: expect.any(Number),
    });
    expect((await ask("/userdata")).status).toBe(400);
    expect((await ask("/userdata?dir=none")).status).toBe(404);
    expect((await ask("/v2/userdata?path=none")).status).toBe(404);
  });

  it("that could be pages are saved, not shown", async () => {
    await put("evil.html", "<script>alert(1)</script>");
    const { headers } = await fetch(running.url + file("evil.html"));
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(headers.get("content-disposition")).toContain("attachment");
  });

  const OUTSIDE = [
    "../x.json",
    "workflows/../../x",
    "/etc/passwd",
    "..\\x.json",
    "a\0b",
    "C:/x",
    "a/../../../x",
    "nul",
  ];
  it.each(OUTSIDE)("never lead out: %j", async (path) => {
    await put("here.json");
    const before = await running.files();
    for (const method of ["GET", "POST", "DELETE"]) {
      expect([method, (await ask(file(path), method, method === "POST" ? "x" : undefined)).status]).toEqual([
        method,
        403,
      ]);
    }
    expect((await ask(`${file("here.json")}/move/${encodeURIComponent(path)}`, "POST")).status).toBe(403);
    expect((await ask(`${file(path)}/move/x.json`, "POST")).status).toBe(403);
    expect((await ask(`/userdata?${new URLSearchParams({ dir: path })}`)).status).toBe(403);
    expect((await ask(`/v2/userdata?${new URLSearchParams({ path })}`)).status).toBe(403);
    expect(await running.files()).toEqual(before);
  });

  it("never lead out when the path is encoded in other ways, or by a link", async () => {
    for (const path of [
      "/userdata/..%2f..%2fx",
      "/userdata/%2e%2e%2fx",
      "/userdata/..%5c..%5cx",
      "/userdata/%252e%252e%252fx",
    ]) {
      const { status } = await raw(running.port, { path, method: "POST", body: "x" });
      expect([path, status]).toEqual([path, path.includes("%25") ? 200 : 403]);
    }
    expect(await running.files()).toEqual(["users/default/%2e%2e%2fx"]);
    await mkdir(join(running.folders.root, "outside"));
    await writeFile(join(running.folders.root, "outside", "secret.json"), "1");
    await symlink(join(running.folders.root, "outside"), join(running.folders.users, "default", "out"));
    expect((await ask(file("out/secret.json"))).status).toBe(403);
    expect((await put("out/new.json")).status).toBe(403);
    expect((await ask("/userdata?dir=out")).status).toBe(403);
    expect((await ask(file("out/secret.json"), "DELETE")).status).toBe(403);
  });

  it("cannot be folders and files at once", async () => {
    await put("a/b.json");
    expect((await put("./")).status).toBe(400);
    expect((await put("a/b.json/c.json")).status).toBe(400);
    expect((await ask(file("a"))).status).toBe(404);
    expect((await ask(file("a"), "DELETE")).status).toBe(404);
    expect((await put("./")).status).toBe(400);
  });

  it("have a limit", async () => {
    expect((await put("big.json", "x".repeat(17 * 1024 * 1024))).status).toBe(413);
    expect(await running.files()).toEqual([]);
  });
});
