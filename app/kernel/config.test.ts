import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { changeConfig, environmentName, loadConfig } from "./index.ts";

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
