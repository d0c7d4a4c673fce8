// NVIDIA's GPUs as their driver knows them. Owns: asking nvidia-smi and putting its troubles into words. Must never: wait
// long for it, or believe a line that it does not understand.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";

/** What is wrong, in one plain sentence, and what can be done. */
export interface Trouble {
  readonly why: string;
  readonly next: string;
  /** The raw words of whatever failed. */
  readonly detail?: string;
}

const MISSING = /^\[?(n\/a|not supported|unknown error|insufficient permissions|gpu requires reset)\]?$/i;
/** A number that some cards and permissions leave out. */
const maybeNumber = z.preprocess(
  (value) => (typeof value === "string" && MISSING.test(value) ? undefined : value),
  z.coerce.number().nonnegative().optional(),
);

const gpuSchema = z.object({
  index: z.coerce.number().int().nonnegative(),
  name: z.string().min(1).max(200),
  driver: z.string().regex(/^\d+(\.\d+)+$/),
  /** MiB. */
  memoryMiB: maybeNumber,
  freeMiB: maybeNumber,
  /** "8.9"; old drivers do not tell. */
  capability: z.string().max(20).optional(),
  uuid: z.string().max(100),
});
export type Gpu = Readonly<z.infer<typeof gpuSchema>>;

export interface Gpus {
  readonly gpus: readonly Gpu[];
  /** Why there is none. */
  readonly trouble?: Trouble;
}

/** A sleeping card needs seconds to wake up; a driver that hangs never answers. */
const PATIENCE_MS = 20_000;
const COLUMNS = ["driver_version", "memory.total", "memory.free", "uuid", "compute_cap"];
const run = promisify(execFile);

/** Asks nvidia-smi. Never throws; where there can be no NVIDIA GPU, nothing is asked. */
export async function findGpus(): Promise<Gpus> {
  if (process.platform !== "linux" && process.platform !== "win32") return { gpus: [] };
  let answer = await ask(COLUMNS);
  if ("trouble" in answer && /compute_cap/.test(answer.trouble.detail ?? "")) {
    answer = await ask(COLUMNS.slice(0, -1)); // drivers before 2021 do not know the column
  }
  if ("trouble" in answer) return { gpus: [], trouble: answer.trouble };
  const gpus = parseGpus(answer.text);
  return gpus.length > 0 ? { gpus } : { gpus, trouble: explain(answer.text) };
}

/** Lines of "index, name, driver, total, free, uuid[, capability]"; lines that are not like that are left out. */
export function parseGpus(text: string): Gpu[] {
  return text.split("\n").flatMap((line) => {
    // Names could hold commas: what is before and behind them cannot.
    const parts = /^\s*(\d+),\s*(.+?),\s*([^,]*),\s*([^,]*),\s*([^,]*),\s*(GPU-[^,]*)(?:,\s*([^,]*))?$/.exec(
      line.trim(),
    );
    if (parts === null) return [];
    const [, index, name, driver, memoryMiB, freeMiB, uuid, capability] = parts;
    const parsed = gpuSchema.safeParse({ index, name, driver, memoryMiB, freeMiB, uuid, capability });
    return parsed.success ? [parsed.data] : [];
  });
}

/** The GPU that is used, where that can be told: one, or several of a kind. Else the choice is the driver's. */
export function theGpu(gpus: readonly Gpu[]): Gpu | undefined {
  const [first, ...others] = gpus;
  return others.every((gpu) => gpu.name === first?.name && gpu.memoryMiB === first.memoryMiB)
    ? first
    : undefined;
}

async function ask(columns: readonly string[]): Promise<{ text: string } | { trouble: Trouble }> {
  try {
    const query = `--query-gpu=index,name,${columns.join(",")}`;
    const { stdout } = await run("nvidia-smi", [query, "--format=csv,noheader,nounits"], {
      signal: AbortSignal.timeout(PATIENCE_MS),
      killSignal: "SIGKILL",
      windowsHide: true,
    });
    return { text: stdout };
  } catch (thrown) {
    return { trouble: explain(wordsOf(thrown), thrown) };
  }
}

function explain(words: string, thrown?: unknown): Trouble {
  const detail = words.trim().slice(0, 1000);
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  const reinstall = "Restart the computer; if that does not help, install NVIDIA's driver again.";
  if (code === "ENOENT") {
    return {
      why: "No NVIDIA GPU was found: nvidia-smi, which comes with NVIDIA's driver, is not there.",
      next: "If there is an NVIDIA GPU, install its driver.",
    };
  }
  if (thrown instanceof Error && (thrown.name === "AbortError" || code === "ABORT_ERR")) {
    return {
      why: `NVIDIA's driver did not answer within ${PATIENCE_MS / 1000} seconds.`,
      next: reinstall,
    };
  }
  if (/version mismatch/i.test(words)) {
    return {
      why: "NVIDIA's driver was updated while it was running: its parts do not fit each other.",
      next: "Restart the computer.",
      detail,
    };
  }
  if (/no devices were found/i.test(words)) {
    return {
      why: "NVIDIA's driver is installed, but finds no GPU.",
      next: "Check that the GPU is there; in a container or virtual machine it has to be passed through.",
      detail,
    };
  }
  if (
    /couldn't communicate with the nvidia driver|failed to initialize nvml|driver not loaded/i.test(words)
  ) {
    return { why: "NVIDIA's driver is installed, but does not run.", next: reinstall, detail };
  }
  if (/is lost|fallen off the bus|unable to determine the device handle/i.test(words)) {
    return { why: "The NVIDIA GPU does not respond any more.", next: "Restart the computer.", detail };
  }
  return { why: "NVIDIA's driver gave an answer that was not understood.", next: reinstall, detail };
}

/** nvidia-smi complains on stdout. */
function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const outputs = [
    "stdout" in thrown ? String(thrown.stdout) : "",
    "stderr" in thrown ? String(thrown.stderr) : "",
  ];
  return outputs.join("\n").trim() || thrown.message;
}
