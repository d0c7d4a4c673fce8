import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLogger } from "../../kernel/index.ts";
import { embeddedModel } from "../../modelstore/index.ts";
import type { Provider } from "../messages.ts";
import { chooseAmong, chooseDevice, forgetDevices } from "./choice.ts";
import { type Behaviour, makeFakeRuntimes } from "./fake-runtime.ts";

let folder: string;
let cacheFolder: string;
let fake: Awaited<ReturnType<typeof makeFakeRuntimes>>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-choice-"));
  cacheFolder = join(folder, "cache");
  fake = await makeFakeRuntimes(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const CPU = { ms: 150 };
const FAST = { ms: 10 };
/** Faster than the CPU, but hardly. */
const HARDLY = { ms: 130 };

/** Chooses among a CPU and devices that behave like this. @returns what was chosen and what was tried for it */
async function choose(
  devices: Partial<Record<Provider, Behaviour | "lacking">>,
  wish: "auto" | Provider = "auto",
  key = "key",
) {
  const tried: Provider[] = [];
  const others = Object.entries(devices).map(([device, behaviour]) => ({
    device: device as Provider,
    title: device,
    ...(behaviour === "lacking"
      ? { lacks: { why: "It is not on this computer.", next: "Buy one." } }
      : { runtime: fake(behaviour) }),
  }));
  const cpu = { device: "cpu", title: "CPU", runtime: fake(CPU) } as const;
  const chosen = await chooseAmong(
    { cpu, others, key },
    {
      model: embeddedModel(),
      threads: 1,
      log: silentLogger(),
      cacheFolder,
      wish,
      onProbe: (device) => tried.push(device),
    },
  );
  return { chosen, tried };
}

it("takes the fastest device, and remembers it", async () => {
  const devices = { webgpu: { ms: 40 }, cuda: FAST };
  const first = await choose(devices);
  expect(first.chosen).toMatchObject({ provider: "cuda", runtime: fake(FAST) });
  expect(first.tried).toEqual(["webgpu", "cuda", "cpu"]);
  expect(first.chosen.reports.map(({ device }) => device).sort()).toEqual(["cpu", "cuda", "webgpu"]);
  const second = await choose(devices);
  expect(second.chosen.provider).toBe("cuda");
  expect(second.tried).toEqual([]);
});

it("takes the CPU unless a device is clearly faster, works, and has the same colours", async () => {
  expect((await choose({ webgpu: HARDLY }, "auto", "a")).chosen.provider).toBe("cpu");
  expect((await choose({ webgpu: { ...FAST, off: 9 } }, "auto", "b")).chosen.provider).toBe("cpu");
  expect((await choose({ webgpu: { fault: "segfault" }, cuda: FAST }, "auto", "c")).chosen.provider).toBe(
    "cuda",
  );
});

it("never takes TensorRT by itself", async () => {
  const { chosen, tried } = await choose({ tensorrt: FAST, webgpu: HARDLY });
  expect(chosen.provider).toBe("cpu");
  expect(tried).not.toContain("tensorrt");
  expect((await choose({ tensorrt: FAST }, "tensorrt")).chosen.provider).toBe("tensorrt");
});

it("tries nothing where only the CPU can do it, or where the CPU is asked for", async () => {
  expect(await choose({ cuda: "lacking" })).toMatchObject({ chosen: { provider: "cpu" }, tried: [] });
  expect(await choose({ webgpu: FAST }, "cpu")).toMatchObject({ chosen: { provider: "cpu" }, tried: [] });
});

it("never falls back from a device that is asked for", async () => {
  await expect(choose({ cuda: "lacking", webgpu: FAST }, "cuda")).rejects.toMatchObject({
    code: "device-unavailable",
    message: "It is not on this computer.",
    next: expect.stringContaining("Buy one."),
  });
  await expect(choose({ cuda: { fault: "refuse" } }, "cuda")).rejects.toMatchObject({
    code: "device-unavailable",
    detail: expect.stringContaining("the provider refused"),
  });
  // Slow is what was asked for.
  expect((await choose({ webgpu: HARDLY }, "webgpu", "slow")).chosen.provider).toBe("webgpu");
});

it("tries a device that was asked for again when it failed: it may have been mended", async () => {
  await choose({ cuda: { fault: "refuse" } });
  expect((await choose({ cuda: { fault: "refuse" } })).tried).toEqual([]);
  const mended = await choose({ cuda: FAST }, "cuda");
  expect(mended).toMatchObject({ chosen: { provider: "cuda" }, tried: ["cuda", "cpu"] });
  expect((await choose({ cuda: FAST }, "cuda")).tried).toEqual([]);
  expect((await choose({ cuda: FAST })).chosen.provider).toBe("cuda");
});

it("tries anew when anything changed, was forgotten, or the memory is damaged", async () => {
  const again = async () => (await choose({ webgpu: FAST })).tried.length;
  expect(await again()).toBe(2);
  expect((await choose({ webgpu: FAST }, "auto", "another driver")).tried).toHaveLength(2);
  expect(await again()).toBe(0);
  await forgetDevices(cacheFolder);
  await forgetDevices(cacheFolder);
  expect(await again()).toBe(2);
  for (const damage of ["{", "", '{"format":1,"entries":[{"key":"key","reports":[{"device":"abacus"}]}]}']) {
    await writeFile(join(cacheFolder, "devices.json"), damage);
    expect(await again()).toBe(2);
  }
});

it("asks again after a day whether what failed still fails", async () => {
  await choose({ webgpu: { fault: "refuse" } });
  const file = join(cacheFolder, "devices.json");
  const text = await readFile(file, "utf8");
  const old = new Date(Date.now() - 25 * 3_600_000).toISOString();
  await writeFile(file, text.replaceAll(/"triedAt":"[^"]*"/g, `"triedAt":"${old}"`));
  expect(await choose({ webgpu: FAST })).toMatchObject({
    chosen: { provider: "webgpu" },
    tried: ["webgpu", "cpu"],
  });
});

it("needs no cache that can be written", async () => {
  await mkdir(folder, { recursive: true });
  await writeFile(cacheFolder, "in the way");
  expect((await choose({ webgpu: FAST })).chosen.provider).toBe("webgpu");
  expect((await choose({ webgpu: FAST })).tried).toHaveLength(2);
});

it("does not offer what belongs to another platform", async () => {
  const foreign = process.platform === "win32" ? "coreml" : "dml";
  await expect(
    chooseDevice({
      model: embeddedModel(),
      threads: 1,
      log: silentLogger(),
      cacheFolder,
      wish: foreign,
    }),
  ).rejects.toMatchObject({
    code: "device-unavailable",
    message: expect.stringMatching(/exists on .* only/),
  });
});
