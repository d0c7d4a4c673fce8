// The network that gives chroma, as the engine sees it. Must never: run the network in this process.
import { AutochromeError } from "../kernel/index.ts";
import { createInferenceProcess, type InferenceOptions } from "./child.ts";
import type { Failure, Provider } from "./messages.ts";

export type { InferenceOptions } from "./child.ts";

/** One plane of grey in, two planes of chroma out. */
export interface Inferred {
  /** Plane a, then plane b, in Lab units. */
  readonly data: Float32Array;
  /** What the network alone took. */
  readonly ms: number;
}

export interface Inference {
  /**
   * Runs the network; calls queue up. Aborting a call that waits drops it; aborting the one that runs kills the process,
   * and the next call starts a new one.
   * @param grey one plane, sRGB 0–1, width × height; both multiples of 32
   * @throws AutochromeError "inference-failed", "out-of-memory", "model-damaged", "device-unavailable"
   */
  run(grey: Float32Array, width: number, height: number, signal?: AbortSignal): Promise<Inferred>;
  /** Loads the model now instead of at the first run. */
  warm(): Promise<void>;
  close(): void;
}

export function createInference(options: InferenceOptions): Inference {
  const child = createInferenceProcess(options, (failure, detail) =>
    explain(failure, detail, options.provider),
  );
  return {
    async run(grey, width, height, signal) {
      const reply = await child.ask({ kind: "run", grey, width, height }, signal);
      if (reply.kind !== "chroma") throw new Error(`unexpected reply ${reply.kind}`);
      return { data: reply.data, ms: reply.ms };
    },
    async warm() {
      await child.warm();
    },
    close: child.close,
  };
}

function explain(failure: Failure | "crashed", detail: string, provider: Provider): AutochromeError {
  switch (failure) {
    case "damaged":
      return new AutochromeError(
        "model-damaged",
        "The model file is damaged: its digest is not the one in the manifest.",
        "Run `autochrome models verify`, then install Autochrome again.",
        { detail },
      );
    case "unloadable":
      return new AutochromeError(
        "device-unavailable",
        `The network cannot be started on ${provider}.`,
        "Run `autochrome devices` to see what works here.",
        { detail },
      );
    case "out-of-memory":
      return new AutochromeError(
        "out-of-memory",
        "There is not enough memory for the network at this size.",
        "Choose a smaller model size, or close other programs.",
        { detail },
      );
    case "crashed":
      return new AutochromeError(
        "inference-failed",
        "The colouring process ended unexpectedly.",
        "Try this photo again; if it happens again, try a smaller model size.",
        { detail },
      );
    case "not-finite":
    case "misshapen":
    case "failed":
      return new AutochromeError(
        "inference-failed",
        "The network did not give usable colours for this photo.",
        "Try another model size.",
        { detail },
      );
  }
}
