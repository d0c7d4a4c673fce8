import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configSchema } from "../../kernel/index.ts";
import { settingsSchema } from "./contract.ts";
import { settingsRoutes } from "./settings-routes.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";
import { settingsDoors } from "./testing-doors.ts";
import { windowStateRoutes } from "./window-state.ts";

let folder: string;
let open: TestDesk | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-settings-"));
});
afterEach(async () => {
  await open?.close();
  await rm(folder, { recursive: true });
});

async function start(environment: Record<string, string> = {}, isLocal = true): Promise<TestDesk> {
  open = await createTestDesk(
    (routes, desk) => {
      settingsRoutes(routes, desk);
      windowStateRoutes(routes, desk);
    },
    { doors: settingsDoors(folder, environment), isLocal },
  );
  return open;
}
const stored = async () => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

describe("settings", () => {
  it("are told, and of secrets only whether they are set", async () => {
    await writeFile(
      join(folder, "config.json"),
      '{"clusterStoreKey":"very secret","modelMirrors":["https://a","https://b"]}',
    );
    const { json } = await start();
    const { body } = await json("GET", "/library/settings");
    const { values, secrets, restart, file } = settingsSchema.parse(body);
    expect(values).toMatchObject({
      model: "autochrome-small",
      modelSize: null,
      modelMirrors: "https://a, https://b",
      clusterStoreKey: true,
      remoteKey: false,
    });
    expect([secrets, restart, file]).toEqual([
      ["remoteKey", "clusterStoreKey"],
      [],
      join(folder, "config.json"),
    ]);
    expect(JSON.stringify(body)).not.toContain("very secret");
  });

  it("that say who may come in are neither told nor changed", async () => {
    const { json } = await start({ AUTOCHROME_API_KEY: "a-key-of-sixteen-letters" });
    const { body } = await json("GET", "/library/settings");
    expect(JSON.stringify(body)).not.toContain("a-key-of");
    const { values, fixed } = settingsSchema.parse(body);
    expect(fixed).toEqual([]);
    const closed = [
      "host",
      "port",
      "apiKey",
      "jwksUrl",
      "jwtAudience",
      "jwtIssuer",
      "allowedHosts",
      "cors",
      "rateLimit",
    ];
    for (const key of closed) {
      expect(Object.keys(configSchema.shape)).toContain(key);
      expect(values).not.toHaveProperty(key);
      expect(await json("PATCH", "/library/settings", { [key]: "0.0.0.0" })).toMatchObject({
        status: 400,
        body: { error: { code: "usage" } },
      });
    }
  });

  it("are changed all or none, judged by what they may be, and every window hears of it", async () => {
    const { json, events } = await start();
    const wrong = { quality: 90, effort: "much" };
    expect(await json("PATCH", "/library/settings", wrong)).toMatchObject({
      status: 400,
      body: { error: { code: "usage", message: expect.stringContaining("effort") } },
    });
    expect(events).toEqual([]);
    const { status, body } = await json("PATCH", "/library/settings", { quality: 90, remoteKey: "secret" });
    expect([status, settingsSchema.parse(body).values]).toMatchObject([
      200,
      { quality: 90, remoteKey: true },
    ]);
    expect(events).toEqual([{ type: "settings" }]);
    expect(await stored()).toEqual({ quality: 90, remoteKey: "secret" });
    await json("PATCH", "/library/settings", { quality: null, remoteKey: "" });
    expect(await stored()).toEqual({});
  });

  it.each(["qualty", "toString", "constructor"])("that there are not are refused: %s", async (key) => {
    const { ask } = await start();
    expect((await ask("PATCH", "/library/settings", { [key]: "x" })).status).toBe(400);
    await expect(stored()).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("that only the next start reads are named until then", async () => {
    const { json } = await start();
    const restartAfter = async (change: object) =>
      settingsSchema.parse((await json("PATCH", "/library/settings", change)).body).restart;
    expect(await restartAfter({ workers: 3, quality: 80 })).toEqual(["workers"]);
    expect(settingsSchema.parse((await json("GET", "/library/settings")).body).restart).toEqual(["workers"]);
    expect(await restartAfter({ workers: null })).toEqual([]);
  });

  it("that the environment sets cannot be changed here", async () => {
    const { json } = await start({ AUTOCHROME_DEVICE: "cpu" });
    expect(settingsSchema.parse((await json("GET", "/library/settings")).body).fixed).toEqual(["device"]);
    expect(await json("PATCH", "/library/settings", { device: "auto", quality: 80 })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("device") } },
    });
    await expect(stored()).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("that name files or places are changed at the engine's computer only", async () => {
    const { json } = await start({}, false);
    for (const change of [
      { kubeconfig: "/tmp/x" },
      { gpuLibraries: "/tmp" },
      { clusterStore: "https://evil.example" },
    ]) {
      expect(await json("PATCH", "/library/settings", change)).toMatchObject({ status: 403 });
    }
    expect((await json("PATCH", "/library/settings", { quality: 90 })).status).toBe(200);
    expect(await stored()).toEqual({ quality: 90 });
  });
});

describe("what the window remembers", () => {
  it("is merged key by key; null forgets", async () => {
    const { json } = await start();
    const at = "/library/window";
    expect((await json("GET", at)).body).toEqual({});
    await json("PATCH", at, { language: "zh-CN", keys: { accept: ["a"] } });
    expect((await json("PATCH", at, { theme: "dark", language: null })).body).toEqual({
      theme: "dark",
      keys: { accept: ["a"] },
    });
    expect(JSON.parse(await readFile(join(folder, "window.json"), "utf8"))).toEqual({
      theme: "dark",
      keys: { accept: ["a"] },
    });
  });

  it("keeps what several windows change at once", async () => {
    const { json } = await start();
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => json("PATCH", "/library/window", { [`k${i}`]: i })),
    );
    expect(Object.keys((await json("GET", "/library/window")).body as object)).toHaveLength(20);
  });

  it("is small, and survives a damaged file", async () => {
    const { json } = await start();
    await json("PATCH", "/library/window", { a: 1 });
    const large = await json("PATCH", "/library/window", { b: "字".repeat(40_000) });
    expect(large).toMatchObject({ status: 413, body: { error: { code: "too-large" } } });
    expect((await json("GET", "/library/window")).body).toEqual({ a: 1 });
    expect((await json("PATCH", "/library/window", [1])).status).toBe(400);
    await writeFile(join(folder, "window.json"), "{ half");
    expect((await json("PATCH", "/library/window", { c: 2 })).body).toEqual({ c: 2 });
  });
});
