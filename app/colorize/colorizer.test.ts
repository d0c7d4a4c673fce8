import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashFile, silentLogger } from "../kernel/index.ts";
import { embeddedModel, type Model, openModelStore } from "../modelstore/index.ts";
import { type ColorizerOptions, type Coloured, createColorizer } from "./colorizer.ts";
import { makeFakeRuntimes } from "./devices/fake-runtime.ts";
import { largestSide, memoryNeeded } from "./memory.ts";
import type { Provider } from "./messages.ts";

let folder: string;
let orange: Model;
const open: { unload(): void }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-colorizer-"));
  const file = fileURLToPath(new URL("./testdata/orange.onnx", import.meta.url));
  const { path: _, ...rest } = embeddedModel();
  orange = await openModelStore(folder).add(file, {
    ...rest,
    id: "orange",
    sha256: await hashFile(file),
    size: 215,
    origin: "orange.onnx",
  });
});
afterEach(async () => {
  for (const colorizer of open.splice(0)) colorizer.unload();
  await rm(folder, { recursive: true });
});

function colorizer(change: Partial<ColorizerOptions> = {}) {
  const made = createColorizer({
    chooseDevice: async () => ({ provider: "cpu" }),
    threads: 1,
    log: silentLogger(),
    ...change,
  });
  open.push(made);
  return made;
}

const size = { width: 64, height: 96 };
const see = async () => new Float32Array(64 * 96).fill(0.5);
/** A provider that this platform has not. */
const NOWHERE: Provider = process.platform === "darwin" ? "dml" : "coreml";
const nowhere = async () => ({ provider: NOWHERE });

describe("the colorizer", () => {
  it("answers what it knows without looking and without the network", async () => {
    const some = colorizer();
    let looks = 0;
    const seen = {
      ...size,
      see: async () => {
        looks++;
        return see();
      },
    };
    const first = await some.chroma(orange, seen, "a");
    expect(first).toMatchObject({ device: "cpu", notes: [] });
    expect(first.data[0]).toBeCloseTo(20.15);
    expect(await some.chroma(orange, seen, "a")).toEqual({ ...first, networkMs: 0 });
    expect([looks, some.counts]).toEqual([1, { runs: 1, known: 1 }]);
    await some.chroma(orange, seen, "b");
    await some.chroma(orange, seen, undefined);
    expect([looks, some.counts]).toEqual([3, { runs: 3, known: 1 }]);
  });

  it("goes on on the CPU when the device fails and that is allowed, and says so", async () => {
    let failures = 0;
    const some = colorizer({ chooseDevice: nowhere, mayFallBack: true, onDeviceFailed: () => failures++ });
    expect(some.device).toBe("auto");
    const first = await some.chroma(orange, { ...size, see }, "a");
    expect(first.device).toBe("cpu");
    expect(first.notes).toEqual([expect.stringMatching(`${NOWHERE} failed.*the CPU`)]);
    expect((await some.chroma(orange, { ...size, see }, "b")).notes).toEqual([]);
    expect([some.device, failures]).toEqual(["cpu", 1]);
  });

  it.each(["segfault", "error"] as const)(
    "goes on on the CPU when the GPU is taken away in mid-batch (%s), and each result says what made it",
    async (fault) => {
      const runtime = (await makeFakeRuntimes(folder))({ fault, goodRuns: 2 });
      const some = colorizer({
        chooseDevice: async () => ({ provider: "webgpu", runtime }),
        mayFallBack: true,
      });
      const sizes = [64, 96, 128, 160]; // of different sizes, so that they do not go together
      const results: Coloured[] = [];
      for (const width of sizes) {
        const seen = { width, height: 64, see: async () => new Float32Array(width * 64).fill(0.5) };
        results.push(await some.chroma(orange, seen, undefined));
      }
      expect(results.map(({ device }) => device)).toEqual(["webgpu", "webgpu", "cpu", "cpu"]);
      expect(results.map(({ notes }) => notes.length)).toEqual([0, 0, 1, 0]);
      expect(results[2]?.data[0]).toBeCloseTo(20.15);
    },
  );

  it("chooses its device anew when told, and not while nobody tells it", async () => {
    const choices: Provider[] = [NOWHERE, "cpu"];
    let asked = 0;
    let mayFallBack = false;
    const some = createColorizer({
      chooseDevice: async () => ({ provider: choices[asked++] ?? "cpu" }),
      get mayFallBack() {
        return mayFallBack;
      },
      threads: 1,
      log: silentLogger(),
    });
    open.push(some);
    const fails = () => expect(some.warm(orange)).rejects.toMatchObject({ code: "device-unavailable" });
    await fails();
    await fails();
    expect(asked).toBe(1);
    some.chooseAnew();
    expect(some.device).toBe("auto");
    expect((await some.chroma(orange, { ...size, see }, "a")).device).toBe("cpu");
    choices.push(NOWHERE);
    some.chooseAnew();
    mayFallBack = true;
    await some.warm(orange);
    expect([some.device, asked]).toEqual(["cpu", 3]);
  });

  it("takes the later of two choices, though the earlier one comes last", async () => {
    const first = Promise.withResolvers<{ provider: Provider }>();
    const answers = [first.promise, Promise.resolve({ provider: "cpu" as const })];
    const some = colorizer({ chooseDevice: () => answers.shift() ?? first.promise });
    const early = some.warm(orange);
    some.chooseAnew();
    await some.warm(orange);
    first.resolve({ provider: NOWHERE });
    await expect(early).rejects.toMatchObject({ code: "device-unavailable" });
    expect(some.device).toBe("cpu");
  });

  it("never goes on elsewhere when the device was asked for", async () => {
    const some = colorizer({ chooseDevice: nowhere });
    await expect(some.warm(orange)).rejects.toMatchObject({ code: "device-unavailable" });
    await expect(some.chroma(orange, { ...size, see }, "a")).rejects.toMatchObject({
      code: "device-unavailable",
    });
    expect(some.counts.runs).toBe(0);
  });

  it("asks again for a device when choosing failed", async () => {
    let asked = 0;
    const some = colorizer({
      chooseDevice: async () => {
        if (asked++ === 0) throw new Error("not now");
        return { provider: "cpu" };
      },
    });
    await expect(some.warm(orange)).rejects.toThrow("not now");
    await some.warm(orange);
    await some.warm(orange);
    expect(asked).toBe(2);
  });

  it("says when a model was removed while it was in use", async () => {
    const some = colorizer();
    await some.warm(orange);
    await openModelStore(folder).remove("orange");
    await some.chroma(orange, { ...size, see }, "a"); // it is in memory still
    some.unload();
    await expect(some.chroma(orange, { ...size, see }, "b")).rejects.toMatchObject({ code: "model-missing" });
  });

  it("refuses what does not fit into memory, and names a size that would", async () => {
    const some = colorizer({ chooseDevice: async () => ({ provider: "cpu", memoryMiB: 1024 }) });
    const large: Model = { ...orange, architecture: "ddcolor-large" };
    const [width, height] = [1024, 1024];
    await expect(some.chroma(large, { width, height, see }, "a")).rejects.toMatchObject({
      code: "out-of-memory",
      message: expect.stringMatching(/7\.5 GB.*1\.1 GB/),
      next: expect.stringMatching(/at most 352/),
    });
    expect(some.counts.runs).toBe(0);
  });
});

describe("the need of memory", () => {
  it("is kept by the size that is suggested, and by no larger one", () => {
    const architecture = fc.constantFrom<Model["architecture"]>(
      "autochrome-small",
      "ddcolor-tiny",
      "unknown",
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        fc.integer({ min: 1, max: 2e10 }),
        architecture,
        (bytes, available, kind) => {
          const model: Model = { ...embeddedModel(), size: bytes, architecture: kind };
          const side = largestSide(model, available);
          if (side > 0) expect(memoryNeeded(model, side * side)).toBeLessThanOrEqual(available);
          expect(memoryNeeded(model, (side + 32) ** 2)).toBeGreaterThan(available);
        },
      ),
    );
  });

  it("is about what was measured", () => {
    const tiny: Model = { ...embeddedModel(), size: 220e6, architecture: "ddcolor-tiny" };
    const large: Model = { ...embeddedModel(), size: 912e6, architecture: "ddcolor-large" };
    const measured: readonly (readonly [Model, number, number])[] = [
      [tiny, 512, 1.6e9],
      [tiny, 960, 4.2e9],
      [tiny, 1280, 8.2e9],
      [large, 512, 2.6e9],
      [large, 960, 8.2e9],
    ];
    for (const [model, side, bytes] of measured) {
      const needed = memoryNeeded(model, side * side);
      expect(needed / bytes).toBeGreaterThan(0.95);
      expect(needed / bytes).toBeLessThan(1.6);
    }
  });
});
