import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changeConfig, environmentName, environmentSettings, isSetting, loadConfig } from "./index.ts";

let folder: string;
let environment: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-config-"));
  environment = { AUTOCHROME_CONFIG: join(folder, "config.json") };
});
afterEach(() => rm(folder, { recursive: true }));

test("defaults < file < environment < what the caller passes", async () => {
  expect(loadConfig(environment).quality).toBe(100);
  await changeConfig({ quality: 90, workers: 3 }, environment);
  expect(loadConfig(environment)).toMatchObject({ quality: 90, workers: 3 });
  environment.AUTOCHROME_QUALITY = "80";
  expect(loadConfig(environment)).toMatchObject({ quality: 80, workers: 3 });
  expect(loadConfig(environment, { quality: 70 })).toMatchObject({ quality: 70 });
});

test("each key has an environment name", () => {
  expect(environmentName("maxMegapixels")).toBe("AUTOCHROME_MAX_MEGAPIXELS");
});

test("several words are an array in the file and separated by commas in the environment", async () => {
  expect(loadConfig(environment).cors).toEqual([]);
  await changeConfig({ cors: ["https://a.example"] }, environment);
  expect(loadConfig(environment).cors).toEqual(["https://a.example"]);
  environment.AUTOCHROME_CORS = "https://b.example, https://c.example,";
  expect(loadConfig(environment).cors).toEqual(["https://b.example", "https://c.example"]);
});

test("a key is long, a port is one", () => {
  expect(() => loadConfig(environment, { apiKey: "short" })).toThrow(/apiKey.*16 characters/);
  environment.AUTOCHROME_PORT = "70000";
  expect(() => loadConfig(environment)).toThrow(/port/);
});

test("a wrong setting is named with the place to correct it", async () => {
  environment.AUTOCHROME_QUALITY = "loud";
  expect(() => loadConfig(environment)).toThrow(/quality/);
  await writeFile(join(folder, "config.json"), "{ not json");
  expect(() => loadConfig(environment)).toThrow(/not valid JSON/);
  await writeFile(join(folder, "config.json"), '{"qualty": 3}');
  delete environment.AUTOCHROME_QUALITY;
  expect(() => loadConfig(environment)).toThrow(/qualty/);
});

test("a change leaves all other settings as they are", async () => {
  await changeConfig({ quality: 90, model: "some" }, environment);
  await changeConfig({ quality: 80, model: undefined }, environment);
  expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual({ quality: 80 });
  await expect(changeConfig({ quality: 1000 }, environment)).rejects.toThrow(/quality/);
  expect(loadConfig(environment).quality).toBe(80);
});

test("a change makes the settings folder", async () => {
  environment.AUTOCHROME_CONFIG = join(folder, "deep", "er", "config.json");
  await changeConfig({ quality: 70 }, environment);
  expect(loadConfig(environment).quality).toBe(70);
});

test("values may come as texts; what is written is what they mean", async () => {
  await changeConfig({ workers: "3", suggest: "yes", modelMirrors: "https://a/, https://b/" }, environment);
  expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual({
    workers: 3,
    suggest: true,
    modelMirrors: ["https://a/", "https://b/"],
  });
});

test("a setting that there is not is refused, also one that every object has", async () => {
  for (const key of ["qualty", "toString", "__proto__"]) {
    const change = Object.fromEntries([[key, 1]]);
    await expect(changeConfig(change, environment)).rejects.toMatchObject({ code: "usage" });
  }
  expect(isSetting("constructor")).toBe(false);
});

test("changes at the same time are all kept", async () => {
  await Promise.all([
    changeConfig({ workers: 2 }, environment),
    changeConfig({ quality: 0 }, environment).catch(() => undefined),
    changeConfig({ inferenceThreads: 3 }, environment),
    changeConfig({ quality: 85 }, environment),
  ]);
  expect(loadConfig(environment)).toMatchObject({ workers: 2, inferenceThreads: 3, quality: 85 });
});

test.skipIf(process.platform === "win32")("the file is its owner's only: keys may stand in it", async () => {
  await changeConfig({ remoteKey: "a key" }, environment);
  expect((await stat(join(folder, "config.json"))).mode & 0o777).toBe(0o600);
});

test("what the environment sets is told; empty variables set nothing", () => {
  environment.AUTOCHROME_QUALITY = "80";
  environment.AUTOCHROME_PORT = "";
  expect(environmentSettings(environment)).toEqual(["quality"]);
});
