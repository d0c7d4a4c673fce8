// All colouring networks of a process: the device that runs them, one inference process per model, and the chroma of
// pictures that were seen lately.
//
// Owns: the inference processes and their ending, the move to the CPU when a device fails, and the refusal of what does
// not fit into memory. Must never: see full-size pixels.
import { AutochromeError, type Logger } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import { createInference, type Inference } from "./inference.ts";
import { largestSide, memoryAvailable, memoryNeeded } from "./memory.ts";
import type { Provider, Runtime } from "./messages.ts";

/** What runs the networks. */
export interface Device {
  readonly provider: Provider;
  /** Of its own; undefined where it uses the computer's. */
  readonly memoryMiB?: number;
  /** What its inference processes need. */
  readonly runtime?: Runtime;
}

/** What the network sees of a picture. */
export interface Seen {
  /** Multiples of 32. */
  readonly width: number;
  readonly height: number;
  /** Makes the picture of it: one plane, sRGB 0–1. Only called where the answer is not known. */
  see(): Promise<Float32Array>;
}

/** What the network makes of a picture. */
export interface Coloured {
  /** Plane a, then plane b, in Lab units. */
  readonly data: Float32Array;
  /** Leaked colour was pulled back already: the answer was prepared for many looks. */
  readonly isClean?: boolean;
  /** What it saw. */
  readonly grey: Float32Array;
  /** What the network took, in milliseconds; 0 where its answer was known. */
  readonly networkMs: number;
  /** What ran it: a provider's name. */
  readonly device: string;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

export interface Colorizer {
  /** What runs the networks; "auto" before that is decided. */
  readonly device: Provider | "auto";
  /** How often a network was run, and how often its answer was known already. */
  readonly counts: { readonly runs: number; readonly known: number };
  /**
   * Runs the network, unless it has seen the same lately.
   * @param key identifies what the network sees; undefined: not to be remembered
   * @throws AutochromeError "out-of-memory" before or while it runs, "model-missing" when its file was removed,
   *   "model-damaged", "model-unfit", "device-unavailable", "inference-failed"; an abort rejects with the signal's reason
   */
  chroma(model: Model, seen: Seen, key: string | undefined, signal?: AbortSignal): Promise<Coloured>;
  /** Loads a model now. @throws AutochromeError as {@link chroma} */
  warm(model: Model): Promise<void>;
  /** Forgets all chroma. */
  forget(): void;
  /** Ends the processes and forgets all chroma; the next run starts anew. */
  unload(): void;
  /** Chooses the device anew when a network is next needed; what runs goes on where it is. */
  chooseAnew(): void;
}

export interface ColorizerOptions {
  /** Asked when a network is needed for the first time, and after `chooseAnew`. */
  readonly chooseDevice: () => Promise<Device>;
  /** Go on on the CPU when the device fails; `onDeviceFailed` hears of it. */
  readonly mayFallBack?: boolean;
  readonly onDeviceFailed?: () => void;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly niceness?: number;
  /** How long a network without work stays loaded. */
  readonly idleMs?: number;
  readonly log: Logger;
}

const CPU: Device = { provider: "cpu" };
/** Floats of chroma and of what was seen that are remembered: 96 MiB. */
const REMEMBERED = 24 * 1024 * 1024;
/** Pictures that go through a GPU at once. */
const BATCH = 4;
/** Networks that stay loaded beside each other. */
const LOADED = 2;

export function createColorizer(options: ColorizerOptions): Colorizer {
  const { threads, niceness, idleMs, log } = options;
  /** Youngest last. */
  const inferences = new Map<string, Inference>();
  const remembered = new Map<string, Coloured>();
  /** The largest input, in pixels, that each network has had: what worked is not refused. */
  const proven = new Map<string, number>();
  const counts = { runs: 0, known: 0 };
  let floats = 0;
  let choosing: Promise<Device> | undefined;
  let device: Device | undefined;

  async function currentDevice(): Promise<Device> {
    if (device !== undefined) return device;
    choosing ??= options.chooseDevice();
    const mine = choosing;
    try {
      const found = await mine;
      if (choosing === mine) device = found;
      return found;
    } finally {
      if (choosing === mine) choosing = undefined;
    }
  }

  function inferenceFor(model: Model, { provider, runtime }: Device): Inference {
    const key = `${model.sha256} ${provider}`;
    const inference =
      inferences.get(key) ??
      createInference({
        modelPath: model.path,
        modelSha256: model.sha256,
        provider,
        ...(runtime === undefined ? {} : { runtime }),
        threads,
        ...(niceness === undefined ? {} : { niceness }),
        ...(idleMs === undefined ? {} : { idleMs }),
        batch: provider === "cpu" || model.input.fixed !== undefined ? 1 : BATCH,
        log,
      });
    inferences.delete(key);
    inferences.set(key, inference);
    for (const [oldest, other] of inferences) {
      if (inferences.size <= LOADED || other.isBusy) break;
      other.close();
      inferences.delete(oldest);
    }
    return inference;
  }

  /** Does something on the device; where it fails and that is allowed, on the CPU from now on. */
  async function onDevice<Result>(
    work: (device: Device) => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly device: Device; readonly notes: readonly string[] }> {
    const chosen = await currentDevice();
    try {
      return { result: await work(chosen), device: chosen, notes: [] };
    } catch (thrown) {
      const isDevices =
        thrown instanceof AutochromeError && ["device-unavailable", "inference-failed"].includes(thrown.code);
      if (!isDevices || options.mayFallBack !== true || chosen.provider === "cpu") throw thrown;
      log.warn({ device: chosen.provider, err: thrown }, "the device failed; going on on the CPU");
      const result = await work(CPU); // where the CPU cannot do it either, the device is not to blame
      device = CPU;
      options.onDeviceFailed?.();
      return {
        result,
        device: CPU,
        notes: [`${chosen.provider} failed (${thrown.message}), so the CPU coloured this photo.`],
      };
    }
  }

  function remember(key: string, coloured: Coloured): void {
    const size = coloured.data.length + coloured.grey.length;
    if (size > REMEMBERED / 4 || remembered.has(key)) return;
    remembered.set(key, { ...coloured, networkMs: 0 });
    floats += size;
    for (const [oldest, { data, grey }] of remembered) {
      if (floats <= REMEMBERED) break;
      remembered.delete(oldest);
      floats -= data.length + grey.length;
    }
  }

  function forget(): void {
    remembered.clear();
    floats = 0;
  }

  return {
    get device() {
      return device?.provider ?? "auto";
    },
    counts,
    async chroma(model, { width, height, see }, key, signal) {
      const full = key === undefined ? undefined : `${model.sha256} ${width} ${height} ${key}`;
      const known = full === undefined ? undefined : remembered.get(full);
      if (full !== undefined && known !== undefined) {
        counts.known++;
        remembered.delete(full); // to the end of the queue
        remembered.set(full, known);
        return known;
      }
      const grey = await see();
      signal?.throwIfAborted();
      const pixels = width * height;
      const ran = await onDevice(async (on) => {
        const network = `${model.sha256} ${on.provider}`;
        if (pixels > (proven.get(network) ?? 0)) requireMemory(model, pixels, on);
        const inferred = await inferenceFor(model, on).run(grey, width, height, signal);
        proven.set(network, Math.max(pixels, proven.get(network) ?? 0));
        return inferred;
      });
      counts.runs++;
      const { data, ms } = ran.result;
      const coloured = {
        data,
        grey,
        networkMs: Math.round(ms),
        device: ran.device.provider,
        notes: ran.notes,
      };
      if (full !== undefined) remember(full, coloured);
      return coloured;
    },
    async warm(model) {
      await onDevice((on) => {
        if (!proven.has(`${model.sha256} ${on.provider}`)) requireMemory(model, 0, on);
        return inferenceFor(model, on).warm();
      });
    },
    forget,
    unload() {
      for (const inference of inferences.values()) inference.close();
      inferences.clear();
      forget();
    },
    chooseAnew() {
      device = undefined;
      choosing = undefined; // a choice that is being made is of before
    },
  };
}

/** @throws AutochromeError "out-of-memory" naming a size that would do */
function requireMemory(model: Model, pixels: number, device: Device): void {
  const available = device.memoryMiB === undefined ? memoryAvailable() : device.memoryMiB * 2 ** 20;
  const needed = memoryNeeded(model, pixels);
  if (needed <= available) return;
  const side = model.input.fixed === undefined ? largestSide(model, available) : 0;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new AutochromeError(
    "out-of-memory",
    `${model.title} needs about ${gb(needed)} of memory at this size, and ${gb(available)} can be had.`,
    side >= 64
      ? `Choose a model size of at most ${side}, or close other programs.`
      : "Choose a smaller model, or close other programs.",
  );
}
