import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../kernel/index.ts";
import { embeddedModel } from "../../modelstore/index.ts";
import { probeDevices } from "./choice.ts";
import { type Behaviour, makeFakeRuntimes } from "./fake-runtime.ts";
import { probeCandidates } from "./probe.ts";
import { explainFailure } from "./words.ts";

let folder: string;
let fake: (behaviour?: Behaviour) => { module: string; environment: Readonly<Record<string, string>> };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-probe-"));
  fake = await makeFakeRuntimes(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const options = { model: embeddedModel(), threads: 1, log: silentLogger() };
/** One sentence that a person can read. */
const SENTENCE = /^[A-Z][^\n]{10,250}\.$/;

/** What becomes of a GPU that behaves like this, beside a CPU that does its work. */
async function probeGpu(behaviour: Behaviour, limitMs = 30_000) {
  const [cpu, gpu] = [
    { device: "cpu", title: "CPU", runtime: fake({}) },
    { device: "webgpu", title: "A GPU", runtime: fake(behaviour) },
  ] as const;
  const reports = await probeCandidates(cpu, [gpu], { ...options, limitMs });
  const report = reports.at(-1);
  if (report === undefined) throw new Error("no report");
  return { report, reports };
}

describe("a try", () => {
  it("works when the colours are the CPU's, nearly", async () => {
    const { reports } = await probeGpu({ off: 1.5, ms: 30 });
    expect(reports.map(({ device, works }) => [device, works])).toEqual([
      ["cpu", true],
      ["webgpu", true],
    ]);
    expect(reports[1]?.ms).toBeGreaterThanOrEqual(30);
    if (process.platform === "linux") expect(reports[0]?.memoryMiB).toBeGreaterThan(10);
  });

  it.each<[string, Behaviour, RegExp, RegExp]>([
    ["other colours", { off: 3 }, /other colours than the CPU/, /3\.0 Lab/],
    ["values that are no numbers", { fault: "nan" }, /no numbers/, /NaN/],
    ["a refusal", { fault: "refuse" }, /cannot be started on WebGPU/, /the provider refused/],
    ["a segmentation fault", { fault: "segfault", words: "last words" }, /crashed \(SIGSEGV\)/, /last words/],
    ["an end without a word", { fault: "exit" }, /crashed/, /exit code 3/],
  ])("that ends in %s is told in a sentence, with a next step", async (_, behaviour, why, detail) => {
    const { report } = await probeGpu(behaviour);
    expect(report.works).toBe(false);
    expect(report.why).toMatch(SENTENCE);
    expect(report.why).toMatch(why);
    expect(report.next).toMatch(SENTENCE);
    expect(report.detail).toMatch(detail);
  });

  it.each(["hang-load", "hang-run"] as const)("that does not end (%s) is ended", async (fault) => {
    const { report } = await probeGpu({ fault }, 3000);
    expect(report).toMatchObject({ works: false, why: expect.stringContaining("was stopped") });
  });

  it("may fill pages: a screen of it is kept, without colours", async () => {
    const words = `\u001b[31m${"a driver complains at length\n".repeat(2000)}`;
    const { report } = await probeGpu({ fault: "refuse", words });
    expect(report.why).toMatch(SENTENCE);
    expect(report.detail?.length).toBeLessThanOrEqual(3000);
    expect(report.detail).not.toContain("\u001b");
    expect(report.detail).toContain("a driver complains");
  });

  it("needs the CPU only when there is something to compare", async () => {
    const { reports } = await probeGpu({ fault: "refuse" });
    expect(reports).toHaveLength(1);
  });

  it("tells nobody about it: onnxruntime keeps no number for this computer", async () => {
    const home = join(folder, "home");
    await mkdir(home);
    const cpu = {
      device: "cpu",
      title: "CPU",
      runtime: {
        module: import.meta.resolve("onnxruntime-node"),
        environment: { XDG_CACHE_HOME: home, HOME: home, CI: "" },
      },
    } as const;
    const [report] = await probeCandidates(cpu, [], { ...options, always: "cpu" });
    expect(report).toMatchObject({ works: true });
    expect(await readdir(home)).toEqual([]);
  });

  it("says that the model is damaged, or gone, and not that devices do not work", async () => {
    const cpu = { device: "cpu", title: "CPU", runtime: fake() } as const;
    const probe = (changes: object) =>
      probeCandidates(cpu, [], { ...options, always: "cpu", model: { ...options.model, ...changes } });
    await expect(probe({ sha256: "0".repeat(64) })).rejects.toMatchObject({ code: "model-damaged" });
    await expect(probe({ path: join(folder, "none.onnx") })).rejects.toMatchObject({ code: "model-missing" });
  });
});

describe("raw words of runtimes", () => {
  // As onnxruntime 1.30 wrote them.
  const library = (name: string) =>
    `Failed to load library /x/libonnxruntime_providers_cuda.so with error: ${name}: cannot open shared object file: No such file or directory`;
  it.each([
    ["cuda", library("libcublasLt.so.13"), "The libraries of CUDA 13 are not found: libcublasLt.so.13."],
    ["cuda", library("libcurand.so.10"), "The libraries of CUDA are not found: libcurand.so.10."],
    ["cuda", library("libcudnn.so.9"), "cuDNN 9 is not found: libcudnn.so.9."],
    ["cuda", library("libcuda.so.1"), "NVIDIA's driver is not installed: libcuda.so.1 was not found."],
    ["tensorrt", library("libnvinfer.so.10"), "TensorRT 10 is not found: libnvinfer.so.10."],
    [
      "cuda",
      "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1",
      "NVIDIA's driver is too old for the CUDA libraries, or is not running.",
    ],
    ["cuda", "CUDA failure 100: no CUDA-capable device is detected", "CUDA found no NVIDIA GPU."],
    [
      "webgpu",
      "Failed to get a WebGPU adapter: No supported adapters\nWarning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file",
      "WebGPU needs Vulkan, and its loader libvulkan.so.1 is not installed.",
    ],
    [
      "webgpu",
      "Failed to get a WebGPU adapter: No supported adapters",
      "WebGPU found no GPU that it can use.",
    ],
    [
      "webgpu",
      "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for Conv(11)",
      "WebGPU does not know an operation of this model.",
    ],
  ] as const)("of %s become a plain sentence: %s", (device, detail, sentence) => {
    const { why, next, detail: kept } = explainFailure(device, "unloadable", detail);
    expect(why).toBe(sentence);
    expect(next).toMatch(SENTENCE);
    expect(kept).toBe(detail);
  });
});

describe("this computer", () => {
  it("has something to say about every device", async () => {
    const reports = await probeDevices({ ...options, cacheFolder: join(folder, "cache") });
    expect(reports.map(({ device }) => device)).toEqual([
      "cpu",
      "webgpu",
      "cuda",
      "tensorrt",
      "dml",
      "coreml",
    ]);
    expect(reports[0]).toMatchObject({ works: true, ms: expect.any(Number) });
    for (const report of reports) {
      if (report.works) expect(report.ms).toBeGreaterThan(0);
      else {
        expect(report.why).toMatch(SENTENCE);
        expect(report.next).toMatch(SENTENCE);
      }
    }
  }, 300_000);
});
