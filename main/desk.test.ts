import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Desk } from "../app/api/index.ts";
import { importPhotos, listPhotos } from "../app/catalogue/index.ts";
import { silentLogger } from "../app/kernel/index.ts";
import { readPreset } from "../app/workflow/index.ts";
import { createEngine, type Engine } from "./cli/engine.ts";
import { openDesk } from "./desk.ts";

const SAMPLE = new URL("./demo/samples/grace-hopper.jpg", import.meta.url).pathname;

let folder: string;
let engine: Engine;
let desk: Desk & { close(): Promise<void> };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-desk-"));
  for (const name of Object.keys(process.env))
    if (name.startsWith("AUTOCHROME_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AUTOCHROME_CONFIG", join(folder, "config.json"));
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  vi.stubEnv("XDG_DATA_HOME", join(folder, "data"));
  vi.stubEnv("KUBECONFIG", join(folder, "kubeconfig"));
  vi.stubEnv("AUTOCHROME_EFFORT", "polite");
});
afterEach(async () => {
  await desk?.close();
  await engine?.close();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

async function open(isLocal = true): Promise<Desk> {
  engine = createEngine({ library: join(folder, "library") });
  desk = await openDesk({ engine, log: silentLogger(), isLocal, given: ["library"] });
  return desk;
}
const stored = async () => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
const named = ({ plan }: { plan: { variants: readonly { name: string }[] } }) =>
  plan.variants.map(({ name }) => name);

describe("plans", () => {
  it("are made of presets, of the plain one by settings, and of saved workflows by their names", async () => {
    const { doors, library } = await open();
    expect(named(await doors.planFor({ workflow: "portrait" }))).toEqual(["portrait"]);
    const plain = await doors.planFor({ workflow: "quick", modelSizes: [100, 256], colorFactor: 0.5 });
    expect(plain.said).toEqual([expect.stringContaining("100 was rounded to 96")]);
    expect(named(plain)).toEqual(["96", "256"]);
    await mkdir(join(library.folder, "workflows"));
    await writeFile(
      join(library.folder, "workflows", "祖父母.json"),
      JSON.stringify(await readPreset("portrait")),
    );
    expect(named(await doors.planFor({ workflow: "祖父母" }))).toEqual(["祖父母"]);
  });

  it("never take a path", async () => {
    const { doors } = await open();
    const path = join(folder, "outside.json");
    await writeFile(path, JSON.stringify(await readPreset("quick")));
    for (const workflow of [path, "../outside", "../../outside.json", "./outside.json", "nobody", ""]) {
      await expect(doors.planFor({ workflow })).rejects.toMatchObject({ code: "not-found" });
    }
    await expect(doors.planFor({ workflow: "quick", models: ["nobody"] })).rejects.toMatchObject({
      code: "model-missing",
    });
  });

  it("with auto give each photo the preset that suits it", async () => {
    const { doors, library, surroundings } = await open();
    await importPhotos(library, [SAMPLE], { workers: surroundings.workers });
    const [photo] = listPhotos(library, { limit: 1 }).photos;
    const answer = await doors.planFor({ workflow: "auto" });
    if (photo === undefined) throw new Error("the photo was not imported");
    const chosen = await answer.choose?.(photo, new AbortController().signal);
    expect(chosen?.map((variant) => named(answer)[variant])).toEqual(["portrait"]);
  });
});

describe("settings", () => {
  it("hold from then on: models in plans, places, devices; and stay in the file", async () => {
    const { doors, surroundings } = await open();
    expect(doors.fixedSettings()).toEqual(["effort", "library"]);
    expect(doors.settingsFile()).toBe(join(folder, "config.json"));
    await doors.changeSettings({ modelSize: 320, device: "cpu" });
    expect(doors.config()).toMatchObject({ modelSize: 320, device: "cpu", effort: "polite" });
    expect(await stored()).toEqual({ modelSize: 320, device: "cpu" });
    const { plan } = await doors.planFor({ workflow: "quick" });
    expect(JSON.stringify(plan)).toContain('"model_size":320');
    await surroundings.colorizer.warm(surroundings.models.find("autochrome-small"));
    expect(surroundings.colorizer.device).toBe("cpu");
    await doors.changeSettings({ modelSize: null, device: null });
    expect(surroundings.colorizer.device).toBe("auto");
    expect([doors.config().modelSize, doors.config().device]).toEqual([undefined, "auto"]);
    expect(await stored()).toEqual({});
    await expect(doors.changeSettings({ quality: 1000 })).rejects.toMatchObject({ code: "usage" });
  });

  it("of places make new ones; what could not be set up before is tried again", async () => {
    const { doors } = await open();
    const hear = vi.fn();
    await expect(doors.executorFor("cluster", hear)).rejects.toMatchObject({
      message: expect.stringContaining("which image"),
    });
    await doors.changeSettings({ clusterImage: "example/autochrome:1" });
    await expect(doors.executorFor("cluster", hear)).rejects.toMatchObject({
      message: expect.stringContaining("There is no kubeconfig"),
    });
    const server = "http://127.0.0.1:9";
    const first = await doors.executorFor(server, hear);
    expect(await doors.executorFor(server, hear)).toBe(first);
    await doors.changeSettings({ remoteKey: "another key" });
    expect(await doors.executorFor(server, hear)).not.toBe(first);
    expect(await doors.executorFor("local", hear)).toBe(engine.executor());
  });
});

describe("places", () => {
  it("are the known ones, and servers only for whoever sits at this computer", async () => {
    const say = vi.fn();
    let { doors } = await open();
    const { plan } = await doors.planFor({ workflow: "quick" });
    expect(await doors.placeFor("local", plan, 1, say)).toBe("local");
    expect(await doors.placeFor("http://studio:8188", plan, 1, say)).toBe("http://studio:8188");
    for (const on of ["elsewhere", "file:///etc/passwd", ""]) {
      await expect(doors.placeFor(on, plan, 1, say)).rejects.toMatchObject({ code: "usage" });
    }
    await desk.close();
    await engine.close();
    ({ doors } = await open(false));
    await expect(doors.placeFor("http://studio:8188", plan, 1, say)).rejects.toMatchObject({ code: "usage" });
    expect(await doors.placeFor("mixed", plan, 1, say)).toBe("mixed");
  });

  it("tell what batches there wait for to whoever asked last", async () => {
    const { doors } = await open();
    const first = vi.fn();
    const last = vi.fn();
    const nobody = "http://127.0.0.1:9";
    await doors.executorFor(nobody, first);
    const executor = await doors.executorFor(nobody, last);
    const [variant] = (await doors.planFor({ workflow: "quick" })).plan.variants;
    if (variant === undefined) throw new Error("there is a variant");
    await expect(executor.prepare(variant.graph, { networks: true })).rejects.toThrow(/\w/);
    expect(first).not.toHaveBeenCalled();
    expect(last.mock.calls.flat().join(" ")).toMatch(/Waiting\./);
  });
});

describe("this computer", () => {
  it("is looked at once, and anew on request; the one in use is marked by the settings", async () => {
    const { doors } = await open();
    const devices = await doors.devices(false);
    expect(devices.find(({ device }) => device === "cpu")).toMatchObject({
      works: true,
      sentence: expect.stringMatching(/ms for/),
    });
    expect(devices.filter(({ isUsed }) => isUsed)).toHaveLength(1);
    expect(await doors.devices(false)).toEqual(devices);
    const lacking = devices.find(({ works, next }) => !works && next !== undefined);
    expect(lacking?.sentence).toMatch(/\.$/);
    await doors.changeSettings({ device: lacking?.device ?? "coreml" });
    expect((await doors.devices(false)).filter(({ isUsed }) => isUsed)).toEqual([]);
    expect((await doors.devices(true)).map(({ device }) => device)).toEqual(
      devices.map(({ device }) => device),
    );
  });

  it("has a report without the home folder in it", async () => {
    vi.stubEnv("HOME", folder);
    const { doors } = await open();
    const text = await doors.health();
    expect(text).toMatch(/^✓ program: Autochrome/);
    expect(text).toMatch(/✓ library: ~\/library, /);
    expect(text).not.toContain(folder);
  });

  it("says in one red line that there is no cluster; with a kubeconfig it knows the contexts", async () => {
    const { doors } = await open();
    expect(await doors.contexts()).toEqual({ contexts: [], current: undefined });
    expect(await doors.checkCluster()).toMatchObject([
      { about: "kubeconfig", ok: false, next: expect.any(String) },
    ]);
    await writeFile(
      join(folder, "kubeconfig"),
      JSON.stringify({
        "current-context": "studio",
        contexts: [
          { name: "studio", context: { cluster: "studio" } },
          { name: "lab", context: { cluster: "lab" } },
        ],
        clusters: [{ name: "studio", cluster: { server: "https://127.0.0.1:9" } }],
      }),
    );
    expect(await doors.contexts()).toEqual({ contexts: ["studio", "lab"], current: "studio" });
    await doors.changeSettings({ kubeContext: "lab" });
    expect((await doors.contexts()).current).toBe("lab");
  });
});
