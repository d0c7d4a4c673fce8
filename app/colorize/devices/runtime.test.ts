import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Runtime } from "../messages.ts";
import { gpuRuntime, listLibraries, ONNX_RUNTIME_VERSION } from "./runtime.ts";

let root: string;
let gpuLibraries: string;
let cacheFolder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-runtime-"));
  gpuLibraries = join(root, "gpu");
  cacheFolder = join(root, "cache");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

/** A folder as pip makes it, of files that are libraries by name only. */
async function install(version: string): Promise<void> {
  const files = {
    "onnxruntime/capi/libonnxruntime_providers_shared.so": "shared",
    "onnxruntime/capi/libonnxruntime_providers_cuda.so": `${"x".repeat(5_000_000)}\0${version}\0y`,
    "nvidia/cu13/lib/libcudart.so.13": "cudart",
    "nvidia/cudnn/lib/libcudnn.so.9": "cudnn",
    "numpy/core/other.so": "not for us",
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(gpuLibraries, path, ".."), { recursive: true });
    await writeFile(join(gpuLibraries, path), content);
  }
}

async function runtime(): Promise<Runtime> {
  const made = await gpuRuntime("cuda", { gpuLibraries, cacheFolder });
  if (!("module" in made)) throw new Error(made.why);
  return made;
}

describe.runIf(process.platform === "linux" && process.arch === "x64")("libraries for CUDA", () => {
  it("are linked beside a second onnxruntime, which can be imported and runs", async () => {
    await install(ONNX_RUNTIME_VERSION);
    vi.stubEnv("LD_LIBRARY_PATH", "/before");
    const { module, environment } = await runtime();
    expect(module).toMatch(/^file:.*\/onnxruntime-node\/dist\/index\.js$/);
    const paths = environment.LD_LIBRARY_PATH?.split(":") ?? [];
    expect(paths[0]).toMatch(/onnxruntime-node\/bin\//); // no other libonnxruntime.so.1 comes before it
    expect(paths).toContain(join(gpuLibraries, "nvidia/cu13/lib"));
    expect(paths).toContain(join(gpuLibraries, "nvidia/cudnn/lib"));
    expect(paths.at(-1)).toBe("/before");
    expect(await readdir(paths[0] ?? "")).toContain("libonnxruntime_providers_cuda.so");
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--input-type=module",
      "-e",
      `const ort = await import(${JSON.stringify(module)}); console.log(ort.listSupportedBackends().map(({ name }) => name).join())`,
    ]);
    expect(stdout).toContain("cpu");
  });

  it("are prepared once, and anew when a file changes", async () => {
    await install(ONNX_RUNTIME_VERSION);
    const first = await runtime();
    expect(await runtime()).toEqual(first);
    const shared = join(gpuLibraries, "onnxruntime/capi/libonnxruntime_providers_shared.so");
    await utimes(shared, new Date(), new Date(Date.now() - 60_000));
    expect((await runtime()).module).not.toBe(first.module);
    const made = await readdir(join(cacheFolder, "runtimes"));
    expect(made.filter((name) => name.startsWith("."))).toEqual([]);
    expect(made).toHaveLength(2);
  });

  it("made by several at the same time are whole", async () => {
    await install(ONNX_RUNTIME_VERSION);
    const all = await Promise.all([runtime(), runtime(), runtime()]);
    expect(new Set(all.map(({ module }) => module)).size).toBe(1);
    expect((await stat(new URL(all[0]?.module ?? ""))).isFile()).toBe(true);
    expect(await readdir(join(cacheFolder, "runtimes"))).toHaveLength(1);
  });

  it("of another version of ONNX Runtime are refused", async () => {
    await install("1.2.3");
    expect(await gpuRuntime("cuda", { gpuLibraries, cacheFolder })).toMatchObject({
      why: expect.stringContaining(`are not those of ONNX Runtime ${ONNX_RUNTIME_VERSION}.`),
      next: expect.stringContaining(`onnxruntime-gpu[cuda,cudnn]==${ONNX_RUNTIME_VERSION}`),
    });
  });

  it("that are missing are named", async () => {
    await install(ONNX_RUNTIME_VERSION);
    expect(await gpuRuntime("tensorrt", { gpuLibraries, cacheFolder })).toMatchObject({
      why: expect.stringContaining("has no libonnxruntime_providers_tensorrt.so."),
    });
    expect(await gpuRuntime("cuda", { gpuLibraries: join(root, "nowhere"), cacheFolder })).toMatchObject({
      why: expect.stringContaining("has no libonnxruntime_providers_shared.so."),
    });
    expect(await listLibraries(join(root, "nowhere"))).toEqual([]);
  });

  it("say when the cache folder cannot be written", async () => {
    await install(ONNX_RUNTIME_VERSION);
    await writeFile(join(root, "file"), "");
    const made = await gpuRuntime("cuda", { gpuLibraries, cacheFolder: join(root, "file") });
    expect(made).toMatchObject({ why: expect.any(String), next: expect.any(String) });
  });
});
