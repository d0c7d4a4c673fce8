import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { silentLogger } from "../kernel/index.ts";
import { findModel } from "../modelstore/index.ts";
import { createInference, type Inference } from "./inference.ts";

const model = findModel("autochrome-small");
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
      code: "device-unavailable",
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
