// What can run the network on this computer: every execution provider tried for real, each in a process of its own.
// Must never: report a provider as working that did not give the same colours as the CPU.
import { arch, cpus, platform } from "node:os";
import { silentLogger, toErrorRecord } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import { createInference } from "./inference.ts";
import type { Provider } from "./messages.ts";

export interface ProbeResult {
  readonly device: Provider;
  readonly title: string;
  readonly works: boolean;
  /** Best of three runs of the network on a square of PROBE_SIDE pixels, in milliseconds. */
  readonly ms?: number;
  readonly why?: string;
  readonly detail?: string;
}

export const PROBE_SIDE = 256;
/** Lab units; different arithmetic is allowed, different colours are not. */
const TOLERANCE = 2;
const TIMEOUT = 120_000;

/** Tries the CPU, then everything else that the bundled runtime has on this platform. */
export async function probeDevices(model: Model, threads: number): Promise<ProbeResult[]> {
  const grey = Float32Array.from(
    { length: PROBE_SIDE * PROBE_SIDE },
    (_, i) => 0.5 + 0.45 * Math.sin((i % PROBE_SIDE) / 17) * Math.cos(i / PROBE_SIDE / 23),
  );
  const results: ProbeResult[] = [];
  let reference: Float32Array | undefined;
  for (const device of await candidates()) {
    const probed = await probe(device, model, threads, grey);
    if ("data" in probed) {
      reference ??= probed.data;
      const difference = largestDifference(reference, probed.data);
      results.push(
        difference <= TOLERANCE
          ? { device, title: titleOf(device), works: true, ms: probed.ms }
          : {
              device,
              title: titleOf(device),
              works: false,
              why: "It runs, but gives other colours than the CPU.",
              detail: `largest difference ${difference.toFixed(1)} Lab units`,
            },
      );
    } else results.push({ device, title: titleOf(device), works: false, ...probed });
  }
  return results;
}

async function probe(
  device: Provider,
  model: Model,
  threads: number,
  grey: Float32Array,
): Promise<{ data: Float32Array; ms: number } | { why: string; detail?: string }> {
  const inference = createInference({
    modelPath: model.path,
    modelSha256: model.sha256,
    provider: device,
    threads,
    log: silentLogger(),
  });
  try {
    let best = Number.POSITIVE_INFINITY;
    let data = new Float32Array();
    for (let run = 0; run < 3; run++) {
      const inferred = await inference.run(grey, PROBE_SIDE, PROBE_SIDE, AbortSignal.timeout(TIMEOUT));
      best = Math.min(best, inferred.ms);
      data = new Float32Array(inferred.data);
    }
    return { data, ms: Math.round(best) };
  } catch (thrown) {
    const record = toErrorRecord(thrown, device);
    return { why: record.message, ...(record.detail === undefined ? {} : { detail: record.detail }) };
  } finally {
    inference.close();
  }
}

async function candidates(): Promise<Provider[]> {
  const { listSupportedBackends } = await import("onnxruntime-node"); // heavy, and otherwise not in this process
  const known: readonly Provider[] = ["cpu", "cuda", "tensorrt", "dml", "coreml", "webgpu"];
  const bundled = new Set(listSupportedBackends().map((backend) => backend.name));
  return known.filter((provider) => provider === "cpu" || bundled.has(provider));
}

function titleOf(device: Provider): string {
  switch (device) {
    case "cpu":
      return `CPU (${cpus()[0]?.model.trim() ?? arch()}, ${cpus().length} cores)`;
    case "cuda":
      return "NVIDIA GPU through CUDA";
    case "tensorrt":
      return "NVIDIA GPU through TensorRT";
    case "dml":
      return "GPU through DirectML";
    case "coreml":
      return "Apple Core ML";
    case "webgpu":
      return `GPU through WebGPU (${platform()})`;
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
