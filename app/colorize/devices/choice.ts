// Which device runs the network here: the fastest that works, remembered until something changes.
// Owns: the file devices.json in the cache folder. Must never: fall back where a device was asked for by name.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AutochromeError, VERSION, writeFileAtomically } from "../../kernel/index.ts";
import type { Provider, Runtime } from "../messages.ts";
import { findGpus, type Gpus } from "./gpu.ts";
import {
  type Candidate,
  type DeviceReport,
  findCandidates,
  type ProbeOptions,
  probeCandidates,
  reportSchema,
} from "./probe.ts";
import { listLibraries, ONNX_RUNTIME_VERSION } from "./runtime.ts";

export interface DevicesOptions extends ProbeOptions {
  /** The user's folder of CUDA's libraries; see the setting of this name. */
  readonly gpuLibraries?: string | undefined;
  readonly cacheFolder: string;
}

export interface ChosenDevice {
  readonly provider: Provider;
  readonly title: string;
  /** The GPU's memory, where it is known. */
  readonly memoryMiB?: number;
  /** What the inference process has to be started with. */
  readonly runtime?: Runtime;
  /** Of the devices that were tried for this choice, now or earlier. */
  readonly reports: readonly DeviceReport[];
}

/** A GPU takes memory and wakes fans: it has to be so many times faster than the CPU. */
const WORTH_IT = 1.5;
/** Models and libraries change; what was found with others long ago is of no use. */
const REMEMBERED = 16;
/** What failed may have been mended since, or had no memory because another program ran. */
const FAILURES_REMEMBERED_MS = 24 * 3_600_000;

const memorySchema = z.object({
  format: z.literal(1),
  /** The latest last. */
  entries: z.array(z.object({ key: z.string(), reports: z.array(reportSchema) })),
});
type Entries = z.infer<typeof memorySchema>["entries"];

/**
 * Tries everything on this computer that could run the network, and remembers what came of it.
 * @param options only: this device alone, and the CPU to compare it with
 * @returns a report for each provider there is, the CPU first
 * @throws AutochromeError "model-missing", "model-damaged"
 */
export async function probeDevices(
  options: DevicesOptions & { readonly only?: Provider },
): Promise<DeviceReport[]> {
  const { cpu, others, key } = await lookAround(options);
  const { only } = options;
  const wanted = others.filter(({ device }) => only === undefined || device === only);
  const reports = await probeCandidates(cpu, wanted, { ...options, always: "cpu" });
  await remember(options.cacheFolder, key, reports);
  return only === undefined ? reports : reports.filter(({ device }) => device === only);
}

/**
 * Chooses what runs the network. "auto" takes the fastest device that works; a GPU has to be clearly faster than the CPU.
 * TensorRT is never chosen by itself: it prepares a network for minutes for each size of picture.
 * Only what is not remembered is tried; on the CPU alone, nothing.
 * @throws AutochromeError "device-unavailable" where the device that was asked for does not work; "model-missing",
 *   "model-damaged"
 */
export async function chooseDevice(
  options: DevicesOptions & { readonly wish: "auto" | Provider },
): Promise<ChosenDevice> {
  return chooseAmong(await lookAround(options), options);
}

/** Forgets which devices work, so that the next choice tries them again. For when one fails at work. */
export async function forgetDevices(cacheFolder: string): Promise<void> {
  await rm(memoryFile(cacheFolder), { force: true });
}

/** {@link chooseDevice}, where it is known what there is. */
export async function chooseAmong(
  { cpu, others, key }: Surroundings,
  options: ProbeOptions & { readonly wish: "auto" | Provider; readonly cacheFolder: string },
): Promise<ChosenDevice> {
  const { wish, cacheFolder } = options;
  if (wish === "cpu") return chosen(cpu, []);
  const wanted = others.filter(({ device }) => (wish === "auto" ? device !== "tensorrt" : device === wish));
  const remembered = await recall(cacheFolder, key);
  // One that was asked for by name is tried again when it failed: its user may have mended something since.
  const isKnown = ({ device }: Candidate) =>
    remembered.some((report) => report.device === device && (wish === "auto" || report.works));
  const known = wanted.filter(isKnown);
  const fresh = await probeCandidates(
    cpu,
    wanted.filter((candidate) => !known.includes(candidate)),
    options,
  );
  await remember(cacheFolder, key, fresh);
  const reports = merge(remembered, fresh);
  if (wish === "auto") return chosen(fastest(wanted, reports) ?? cpu, reports);

  const [candidate] = wanted;
  const report = reports.find(({ device }) => device === wish);
  if (candidate !== undefined && report?.works === true) return chosen(candidate, reports);
  throw new AutochromeError(
    "device-unavailable",
    report?.why ?? `There is no device ${wish}.`,
    `${report?.next ?? ""} Or use the device auto; \`autochrome devices\` shows what works here.`.trim(),
    report?.detail === undefined ? undefined : { detail: report.detail },
  );
}

/** The fastest GPU that is worth it. */
function fastest(gpus: readonly Candidate[], reports: readonly DeviceReport[]): Candidate | undefined {
  const msOf = (device: Provider) =>
    reports.find((report) => report.device === device && report.works)?.ms ?? Number.POSITIVE_INFINITY;
  return gpus
    .filter(({ device }) => Number.isFinite(msOf(device)) && msOf(device) * WORTH_IT <= msOf("cpu"))
    .sort((one, other) => msOf(one.device) - msOf(other.device))[0];
}

function chosen(candidate: Candidate, reports: readonly DeviceReport[]): ChosenDevice {
  const { device, title, runtime, gpu } = candidate;
  return {
    provider: device,
    title,
    ...(gpu?.memoryMiB === undefined ? {} : { memoryMiB: gpu.memoryMiB }),
    ...(runtime === undefined ? {} : { runtime }),
    reports,
  };
}

/** What there is on this computer, not yet tried. */
interface Surroundings {
  readonly cpu: Candidate;
  readonly others: readonly Candidate[];
  /** Stands for everything that decides what works and how fast. */
  readonly key: string;
}

async function lookAround(options: DevicesOptions): Promise<Surroundings> {
  const gpus = await findGpus();
  return { ...(await findCandidates(gpus, options)), key: await keyOf(gpus, options) };
}

/** Libraries and drivers are installed without telling us; these places change when that happens. */
const PLACES = [
  "/etc/ld.so.cache",
  "/usr/share/vulkan/icd.d",
  "/usr/local/share/vulkan/icd.d",
  "/etc/vulkan/icd.d",
];
const VARIABLES = ["LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "VK_ICD_FILENAMES", "VK_DRIVER_FILES"];

async function keyOf({ gpus, trouble }: Gpus, options: DevicesOptions): Promise<string> {
  const everything = [
    [VERSION, ONNX_RUNTIME_VERSION, process.versions.node, platform(), arch()],
    [options.model.sha256, options.threads],
    gpus.map(({ name, driver, memoryMiB, uuid }) => [name, driver, memoryMiB, uuid]),
    trouble?.why ?? "",
    options.gpuLibraries ?? "",
    await listLibraries(options.gpuLibraries),
    await Promise.all(PLACES.map(async (place) => (await stat(place).catch(() => undefined))?.mtimeMs ?? 0)),
    VARIABLES.map((name) => process.env[name] ?? ""),
  ];
  return createHash("sha256").update(JSON.stringify(everything)).digest("hex");
}

function merge(reports: readonly DeviceReport[], newer: readonly DeviceReport[]): DeviceReport[] {
  return [...reports.filter(({ device }) => !newer.some((other) => other.device === device)), ...newer];
}

function memoryFile(cacheFolder: string): string {
  return join(cacheFolder, "devices.json");
}

async function recall(cacheFolder: string, key: string): Promise<DeviceReport[]> {
  const reports = (await readEntries(cacheFolder)).find((entry) => entry.key === key)?.reports ?? [];
  return reports.filter(
    ({ works, triedAt = "" }) => works || Date.now() - Date.parse(triedAt) < FAILURES_REMEMBERED_MS,
  );
}

async function remember(cacheFolder: string, key: string, reports: readonly DeviceReport[]): Promise<void> {
  const tried = reports.filter(({ triedAt }) => triedAt !== undefined);
  if (tried.length === 0) return;
  const entries = await readEntries(cacheFolder);
  const before = entries.find((entry) => entry.key === key)?.reports ?? [];
  const others = entries.filter((entry) => entry.key !== key);
  const content = {
    format: 1,
    entries: [...others, { key, reports: merge(before, tried) }].slice(-REMEMBERED),
  };
  const file = memoryFile(cacheFolder);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFileAtomically(file, `${JSON.stringify(content)}\n`, { overwrite: true });
  } catch {
    // A cache that cannot be written costs time at the next start, and nothing else.
  }
}

/** None where the file is not there or damaged. */
async function readEntries(cacheFolder: string): Promise<Entries> {
  try {
    return memorySchema.parse(JSON.parse(await readFile(memoryFile(cacheFolder), "utf8"))).entries;
  } catch {
    return [];
  }
}
