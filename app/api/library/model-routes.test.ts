import { once } from "node:events";
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { silentLogger } from "../../kernel/index.ts";
import { jobSchema, modelSchema, startedSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";
import { createEventBus } from "./events.ts";
import { createJobs, jobRoutes } from "./jobs.ts";
import { modelRoutes } from "./model-routes.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";
import { settingsDoors } from "./testing-doors.ts";

const ORANGE = fileURLToPath(new URL("../../colorize/testdata/orange.onnx", import.meta.url));
const RGB = fileURLToPath(new URL("../../colorize/testdata/rgb.onnx", import.meta.url));

let folder: string;
let open: TestDesk | undefined;
let jobs: Desk["jobs"];
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-model-routes-"));
});
afterEach(async () => {
  await jobs.close();
  await open?.close();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function start(change: Partial<Desk> = {}, environment: Record<string, string> = {}) {
  jobs = createJobs({ events: createEventBus(), log: silentLogger() });
  open = await createTestDesk(
    (routes, desk) => {
      modelRoutes(routes, desk);
      jobRoutes(routes, desk);
    },
    { doors: settingsDoors(folder, environment), jobs, ...change },
  );
  return open;
}

const list = async ({ json }: TestDesk) =>
  z.object({ models: z.array(modelSchema) }).parse((await json("GET", "/library/models")).body).models;
const find = async (desk: TestDesk, id: string) => (await list(desk)).find((model) => model.id === id);

describe("models", () => {
  it("are those that are here, then those that can be had; checkpoints are none", async () => {
    const models = await list(await start());
    expect(models[0]).toMatchObject({
      id: "autochrome-small",
      isInstalled: true,
      isDefault: true,
      canPull: false,
      licence: "Apache-2.0",
      words: { zh: expect.stringContaining("上色") },
    });
    const ids = models.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id.includes("checkpoint"))).toEqual([]);
    expect(models.find(({ id }) => id === "ddcolor-modelscope")).toMatchObject({
      isInstalled: false,
      bytes: 911_801_965,
      canPull: true,
      input: "64–2048 (512)",
    });
    expect(models.find(({ id }) => id.endsWith("instant-high"))).toMatchObject({
      canPull: false,
      input: "512 × 512",
    });
  });

  it("are taken in from a file, chosen, and removed, after which the embedded one is in use", async () => {
    const desk = await start();
    const path = join(folder, "Mine.onnx");
    await copyFile(ORANGE, path);
    const took = await desk.json("POST", "/library/models", { path });
    expect(took).toEqual({ status: 200, body: { id: "mine" } });
    expect(await find(desk, "mine")).toMatchObject({ isInstalled: true, isDefault: false, bytes: 215 });
    expect((await desk.ask("POST", "/library/models/mine/default")).status).toBe(204);
    expect(await find(desk, "mine")).toMatchObject({ isDefault: true });
    expect((await desk.ask("DELETE", "/library/models/mine")).status).toBe(204);
    expect(await find(desk, "mine")).toBeUndefined();
    expect(await find(desk, "autochrome-small")).toMatchObject({ isDefault: true });
    expect(await readdir(folder)).toContain("Mine.onnx");
    expect(desk.events).toEqual([{ type: "settings" }, { type: "settings" }, { type: "settings" }]);
  });

  it.each([
    ["what is no model", join("..", "nothing.txt"), "usage"],
    ["a network that does something else", RGB, "model-unfit"],
    ["what is not there", "/nowhere/at/all.onnx", "not-found"],
  ])("are not: %s", async (_, path, code) => {
    const { json } = await start();
    const { status, body } = await json("POST", "/library/models", { path });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body).toMatchObject({ error: { code, next: expect.stringMatching(/\w/) } });
  });

  it("are not taken from paths that somebody at another computer names", async () => {
    const { json } = await start({ isLocal: false });
    expect(await json("POST", "/library/models", { path: ORANGE })).toMatchObject({ status: 403 });
  });

  it("stay what they are: the embedded one is not removed, an unknown one not chosen or fetched", async () => {
    const { json } = await start();
    expect((await json("DELETE", "/library/models/autochrome-small")).status).toBe(400);
    for (const [method, path] of [
      ["POST", "/library/models/nobody/default"],
      ["POST", "/library/models/nobody/pull"],
      ["DELETE", "/library/models/nobody"],
    ] as const) {
      expect([path, await json(method, path)]).toMatchObject([path, { status: 404 }]);
    }
  });

  it("are not chosen where the one to use is given by the environment", async () => {
    const { json } = await start({}, { AUTOCHROME_MODEL: "autochrome-small" });
    const { status, body } = await json("POST", "/library/models/autochrome-small/default");
    expect([status, body]).toMatchObject([400, { error: { code: "usage" } }]);
  });
});

describe("fetching", () => {
  it("tells how far it is, happens once at a time, and can be stopped", async () => {
    vi.stubEnv("NO_PROXY", "127.0.0.1");
    vi.stubEnv("no_proxy", "127.0.0.1");
    let requests = 0;
    server = createServer((_, response) => {
      requests++;
      response.writeHead(200, { "Content-Length": "911801965" });
      const drops = setInterval(() => response.write(Buffer.alloc(1000)), 50);
      response.on("close", () => clearInterval(drops));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await writeFile(
      join(folder, "config.json"),
      JSON.stringify({ modelMirrors: [`http://127.0.0.1:${port}`] }),
    );
    const { json, ask } = await start();
    const pull = async () => {
      const { status, body } = await json("POST", "/library/models/ddcolor-modelscope/pull");
      expect(status).toBe(202);
      return startedSchema.parse(body).job;
    };
    const facts = async () => {
      const { body } = await json("GET", "/library/jobs");
      return z.object({ jobs: z.array(jobSchema) }).parse(body).jobs;
    };
    const job = await pull();
    await expect.poll(async () => (await facts())[0]?.done, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await facts()).toMatchObject([{ id: job, kind: "pull", state: "running", total: 911_801_965 }]);
    expect(await pull()).toBe(job);
    expect((await ask("DELETE", `/library/jobs/${job}`)).status).toBe(204);
    await expect.poll(async () => (await facts())[0]?.state, { timeout: 20_000 }).toBe("stopped");
    expect(requests).toBe(1);
    expect(await pull()).not.toBe(job);
  });
});
