import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { silentLogger } from "../kernel/index.ts";
import { embeddedModel } from "../modelstore/index.ts";
import { createInference, type Inference } from "./inference.ts";

const model = embeddedModel();
const open: Inference[] = [];
afterEach(() => {
  for (const inference of open.splice(0)) inference.close();
});

function inference(changes: Partial<Parameters<typeof createInference>[0]> = {}): Inference {
  const made = createInference({
    modelPath: model.path,
    modelSha256: model.sha256,
    provider: "cpu",
    threads: 2,
    log: silentLogger(),
    ...changes,
  });
  open.push(made);
  return made;
}

function ramp(width: number, height: number): Float32Array {
  return Float32Array.from(
    { length: width * height },
    (_, i) => ((i % width) / width + Math.floor(i / width) / height) / 2,
  );
}

/** Process numbers of our inference processes, from Linux's /proc. */
function children(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return (
          parent === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("colorize/process.ts")
        );
      } catch {
        return false; // it ended while we looked
      }
    })
    .map(Number);
}

describe("the inference process", () => {
  it("gives two finite planes for any size that is a multiple of 32", async () => {
    const network = inference();
    for (const [width, height] of [
      [64, 64],
      [96, 160],
      [256, 128],
    ] as const) {
      const { data } = await network.run(ramp(width, height), width, height);
      expect(data.length).toBe(2 * width * height);
      expect(data.every(Number.isFinite)).toBe(true);
    }
  });

  it("gives the same numbers every time, with any number of threads", async () => {
    const [one, two] = [inference({ threads: 1 }), inference({ threads: 2 })];
    const grey = ramp(128, 96);
    const first = (await one.run(grey, 128, 96)).data;
    expect((await one.run(grey, 128, 96)).data).toEqual(first);
    expect((await two.run(grey, 128, 96)).data).toEqual(first);
  });

  it("says when the model is not what the manifest says, or is not there", async () => {
    await expect(inference({ modelSha256: "0".repeat(64) }).run(ramp(64, 64), 64, 64)).rejects.toMatchObject({
      code: "model-damaged",
    });
    await expect(inference({ modelPath: "/nowhere.onnx" }).warm()).rejects.toMatchObject({
      code: "model-missing",
    });
  });

  it("says when the network cannot take the input, and goes on", async () => {
    const network = inference();
    await expect(network.run(ramp(65, 64), 65, 64)).rejects.toMatchObject({ code: "inference-failed" });
    expect((await network.run(ramp(64, 64), 64, 64)).data.length).toBe(2 * 64 * 64);
  });

  it.runIf(process.platform === "linux")(
    "survives the death of its process: one call fails, the others and the next do not",
    async () => {
      const network = inference();
      await network.warm();
      const calls = Array.from({ length: 4 }, () => network.run(ramp(512, 512), 512, 512));
      const settled = Promise.allSettled(calls);
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const pid of children()) process.kill(pid, "SIGKILL");
      const failed = (await settled).filter((call) => call.status === "rejected");
      expect(failed.length).toBe(1);
      expect(failed[0]).toMatchObject({ reason: { code: "inference-failed" } });
      await network.run(ramp(64, 64), 64, 64);
    },
  );

  it("stops a run by ending the process, without harm to the calls behind it", async () => {
    const network = inference();
    await network.warm();
    const abort = new AbortController();
    const stopped = network.run(ramp(1024, 1024), 1024, 1024, abort.signal);
    const behind = network.run(ramp(64, 64), 64, 64);
    setTimeout(() => abort.abort(), 20);
    await expect(stopped).rejects.toThrow(/abort/i);
    expect((await behind).data.length).toBe(2 * 64 * 64);
  });

  it("drops a call that is aborted before its turn", async () => {
    const network = inference();
    await expect(network.run(ramp(64, 64), 64, 64, AbortSignal.abort())).rejects.toThrow(/abort/i);
  });

  it.runIf(process.platform === "linux")("leaves no process behind when it is closed", async () => {
    const network = inference();
    await network.warm();
    expect(children().length).toBeGreaterThan(0);
    network.close();
    await expect.poll(children, { timeout: 10_000 }).toEqual([]);
  });
});

describe("pictures that wait together", () => {
  it("go through the network together, and come out as alone", async () => {
    const [alone, together] = [inference(), inference({ batch: 4 })];
    const greys = Array.from({ length: 7 }, (_, i) => ramp(64, 96).map((level) => level / (i + 1)));
    const expected: Float32Array[] = [];
    for (const grey of greys) expected.push((await alone.run(grey, 64, 96)).data);
    const found = await Promise.all(greys.map((grey) => together.run(grey, 64, 96)));
    for (const [place, { data }] of found.entries()) {
      const farthest = data.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - expected[place]![i]!)),
        0,
      );
      expect(farthest).toBeLessThan(0.05);
    }
  });

  it("may differ in size, and be aborted one by one", async () => {
    const network = inference({ batch: 4 });
    await network.warm();
    const abort = new AbortController();
    const calls = [64, 96, 64, 64, 96].map((side, place) =>
      network.run(ramp(side, side), side, side, place === 3 ? abort.signal : undefined),
    );
    abort.abort();
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    await expect.poll(() => network.isBusy).toBe(false);
  });

  it("do not spoil it for each other", async () => {
    const network = inference({ batch: 4 });
    const bad = ramp(64, 64).fill(Number.NaN);
    const settled = await Promise.allSettled([
      network.run(ramp(64, 64), 64, 64),
      network.run(ramp(64, 64), 64, 64),
      network.run(ramp(64, 64), 64, 64),
      network.run(bad, 64, 64),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  });
});

describe("a process without work", () => {
  it("ends, and the next call starts a new one", async () => {
    const network = inference({ idleMs: 20 });
    await network.run(ramp(64, 64), 64, 64);
    const [first] = children();
    await expect.poll(children).toEqual([]);
    await network.run(ramp(64, 64), 64, 64);
    expect(first).toBeDefined();
  });
});
