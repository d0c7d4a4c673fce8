// What can run the network on this computer, and what can't and why.
// Owns: which providers exist where, and the judgement of a try. Must never: report a provider as working that did not give
// the same colours as the CPU.
import { arch, cpus, platform } from "node:os";
import { z } from "zod";
import { AutochromeError, type Logger } from "../../kernel/index.ts";
import type { Model } from "../../modelstore/index.ts";
import type { Provider, Runtime } from "../messages.ts";
import { attempt, type Outcome } from "./attempt.ts";
import { type Gpu, type Gpus, type Trouble, theGpu } from "./gpu.ts";
import { gpuRuntime } from "./runtime.ts";
import { explainFailure, nameOf } from "./words.ts";

export const PROVIDERS = ["cpu", "webgpu", "cuda", "tensorrt", "dml", "coreml"] as const satisfies Provider[];

export const reportSchema = z.object({
  device: z.enum(PROVIDERS),
  title: z.string(),
  works: z.boolean(),
  /** ISO time, UTC; absent where something is lacking, so that there was no use in trying. */
  triedAt: z.iso.datetime().optional(),
  /** Best of three runs of the network on a square of PROBE_SIDE pixels, in milliseconds. */
  ms: z.number().optional(),
  /** The GPU's memory where it is known, otherwise the most that the try-out took. */
  memoryMiB: z.number().optional(),
  gpu: z
    .object({ name: z.string(), driver: z.string(), memoryMiB: z.number().optional() })
    .readonly()
    .optional(),
  /** Why it does not work: one plain sentence. */
  why: z.string().optional(),
  /** What can be done about it. */
  next: z.string().optional(),
  /** The raw words of runtime and driver. */
  detail: z.string().optional(),
});
export type DeviceReport = Readonly<z.infer<typeof reportSchema>>;

/** A provider on this computer, before it is tried. */
export interface Candidate {
  readonly device: Provider;
  readonly title: string;
  readonly runtime?: Runtime | undefined;
  readonly gpu?: Gpu | undefined;
  /** Why there is no use in trying it. */
  readonly lacks?: Trouble | undefined;
}

export interface ProbeOptions {
  readonly model: Model;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
  /** Called before a provider is tried. */
  readonly onProbe?: ((device: Provider) => void) | undefined;
  /** In milliseconds; one that takes longer is stopped. */
  readonly limitMs?: number;
}

/** Lab units; different arithmetic is allowed, different colours are not. */
const TOLERANCE = 2;
const LIMIT_MS = 120_000;
/** It prepares a network for minutes before it runs it the first time. */
const TENSORRT_LIMIT_MS = 900_000;

/** Every provider there is, with what it needs. */
export async function findCandidates(
  { gpus, trouble }: Gpus,
  options: { readonly gpuLibraries?: string | undefined; readonly cacheFolder: string },
): Promise<{ readonly cpu: Candidate; readonly others: readonly Candidate[] }> {
  const gpu = theGpu(gpus);
  const here = (device: Provider, found?: Pick<Candidate, "gpu" | "runtime" | "lacks">): Candidate => ({
    device,
    title: titleOf(device, found?.gpu),
    ...found,
  });
  const onlyOn = (device: Provider, place: string): Candidate =>
    here(device, {
      lacks: { why: `${nameOf(device)} exists on ${place} only.`, next: "Nothing to do here." },
    });
  const nvidia = async (device: "cuda" | "tensorrt"): Promise<Candidate> => {
    if (platform() !== "linux" || arch() !== "x64") return onlyOn(device, "Linux (x64)");
    const runtime = await gpuRuntime(device, options);
    if ("module" in runtime) return here(device, { gpu, runtime });
    // Without a GPU the libraries are of no use.
    const lacks = options.gpuLibraries === undefined && trouble !== undefined ? trouble : runtime;
    return here(device, { gpu, lacks });
  };
  return {
    cpu: here("cpu"),
    others: [
      here("webgpu", { gpu }), // NVIDIA's where there is one: the runtime asks for high performance
      await nvidia("cuda"),
      await nvidia("tensorrt"),
      platform() === "win32" ? here("dml", { gpu }) : onlyOn("dml", "Windows"),
      platform() === "darwin" ? here("coreml") : onlyOn("coreml", "macOS"),
    ],
  };
}

/**
 * Tries providers one after another.
 * @param cpu tried when one of the others ran, to compare with, or when it alone is wanted
 * @returns the CPU's report where it was tried, and then one for each of the others, in their order
 * @throws AutochromeError "model-missing", "model-damaged"
 */
export async function probeCandidates(
  cpu: Candidate,
  others: readonly Candidate[],
  options: ProbeOptions & { readonly always?: "cpu" },
): Promise<DeviceReport[]> {
  const outcomes = new Map<Provider, Outcome>();
  for (const candidate of others) {
    if (candidate.lacks === undefined) outcomes.set(candidate.device, await tryOne(candidate, options));
  }
  const someRan = [...outcomes.values()].some(({ ok }) => ok);
  const reference = someRan || options.always === "cpu" ? await tryOne(cpu, options) : undefined;
  return [
    ...(reference === undefined ? [] : [judge(cpu, reference, reference)]),
    ...others.map((candidate) => judge(candidate, outcomes.get(candidate.device), reference)),
  ];
}

async function tryOne({ device, runtime }: Candidate, options: ProbeOptions): Promise<Outcome> {
  const { model, threads, log, onProbe } = options;
  onProbe?.(device);
  log.info({ device }, "trying a device");
  const limitMs = options.limitMs ?? (device === "tensorrt" ? TENSORRT_LIMIT_MS : LIMIT_MS);
  const outcome = await attempt({ device, model, threads, runtime, limitMs });
  if (outcome.ok) {
    log.info({ device, ms: outcome.ms }, "the device ran the network");
    return outcome;
  }
  const { failing, detail } = outcome;
  log.info({ device, failing, detail }, "the device did not run the network");
  if (failing === "missing" || failing === "damaged") {
    throw new AutochromeError(
      failing === "missing" ? "model-missing" : "model-damaged",
      `The file of the model ${model.id} is ${failing === "missing" ? "not there" : "damaged"}.`,
      "Run `autochrome models verify`, then fetch the model again.",
      { detail },
    );
  }
  return outcome;
}

/** A report; the CPU's own outcome is what others are compared with. */
function judge(candidate: Candidate, outcome: Outcome | undefined, cpu: Outcome | undefined): DeviceReport {
  const { device, title, gpu, lacks } = candidate;
  const head = {
    device,
    title,
    ...(gpu === undefined
      ? {}
      : { gpu: { name: gpu.name, driver: gpu.driver, ...memory(gpu.memoryMiB) }, ...memory(gpu.memoryMiB) }),
  };
  if (lacks !== undefined) return { ...head, works: false, ...lacks };
  if (outcome === undefined) throw new Error(`${device} was not tried`);
  const triedAt = new Date().toISOString();
  const fails = (trouble: Trouble): DeviceReport => ({ ...head, works: false, triedAt, ...trouble });
  if (!outcome.ok) return fails(explainFailure(device, outcome.failing, outcome.detail));
  if (cpu?.ok !== true) {
    return fails({
      why: `${title} runs the network, but the CPU does not, so that its colours cannot be compared.`,
      next: "Run `autochrome models verify`.",
    });
  }
  const difference = largestDifference(cpu.chroma, outcome.chroma);
  if (difference > TOLERANCE) {
    return fails({
      why: `${title} gives other colours than the CPU.`,
      next: "Update the GPU's driver, or use another device.",
      detail: `largest difference ${difference.toFixed(1)} Lab units`,
    });
  }
  return { ...memory(outcome.memoryMiB), ...head, works: true, triedAt, ms: outcome.ms };
}

function memory(memoryMiB: number | undefined): { memoryMiB?: number } {
  return memoryMiB === undefined ? {} : { memoryMiB };
}

function titleOf(device: Provider, gpu: Gpu | undefined): string {
  if (device === "cpu") return `CPU (${cpus()[0]?.model.trim() || arch()}, ${cpus().length} cores)`;
  if (device === "coreml") return "Apple Core ML";
  const maker = device === "cuda" || device === "tensorrt" ? "NVIDIA GPU" : "GPU";
  return `${gpu?.name ?? maker} through ${nameOf(device)}`;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
