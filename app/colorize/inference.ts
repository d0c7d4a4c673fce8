// The network that gives chroma, as the engine sees it: pictures of one size that wait together go through it together.
//
// Owns: batches, and their getting smaller where memory does not suffice. Must never: run the network in this process.
import { AutochromeError } from "../kernel/index.ts";
import { createInferenceProcess, type InferenceProcessOptions } from "./child.ts";
import type { Failure, LoadedReply, Provider } from "./messages.ts";

export interface InferenceOptions extends InferenceProcessOptions {
  /**
   * Most pictures that go through the network at once; 1 unless said otherwise. More is faster on a GPU; on the CPU it is
   * not, and the last bits of a result would depend on what waited beside it.
   */
  readonly batch?: number;
}

/** One plane of grey in, two planes of chroma out. */
export interface Inferred {
  /** Plane a, then plane b, in Lab units. */
  readonly data: Float32Array;
  /** What the network alone took, in milliseconds; of a batch this picture's share. */
  readonly ms: number;
}

export interface Inference {
  /** Whether any call runs or waits. */
  readonly isBusy: boolean;
  /**
   * Runs the network; calls queue up. Aborting a call that waits drops it; aborting all that run kills the process, and the
   * next call starts a new one.
   * @param grey one plane, sRGB 0–1, width × height; both multiples of 32
   * @throws AutochromeError "inference-failed", "out-of-memory", "model-damaged", "device-unavailable"
   */
  run(grey: Float32Array, width: number, height: number, signal?: AbortSignal): Promise<Inferred>;
  /** Loads the model now instead of at the first run. @returns what it takes and gives */
  warm(): Promise<LoadedReply>;
  close(): void;
}

interface Call {
  readonly grey: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (inferred: Inferred) => void;
  readonly reject: (reason: unknown) => void;
}

/** Two groups at a time: one runs, the next already lies in the process. What comes meanwhile waits together. */
const AHEAD = 2;

export function createInference(options: InferenceOptions): Inference {
  const child = createInferenceProcess(options, (failure, detail) =>
    explain(failure, detail, options.provider),
  );
  const waiting: Call[] = [];
  let most = options.batch ?? 1;
  let inside = 0;

  function pump(): void {
    while (inside < AHEAD) {
      const group = nextGroup();
      if (group.length === 0) return;
      inside++;
      void serve(group).finally(() => {
        inside--;
        pump();
      });
    }
  }

  /** The call that waits longest, and others of its size. */
  function nextGroup(): Call[] {
    const group: Call[] = [];
    for (let place = 0; place < waiting.length && group.length < most; ) {
      const call = waiting[place]!;
      const [first = call] = group;
      if (call.signal?.aborted === true) {
        call.reject(call.signal.reason);
        waiting.splice(place, 1);
      } else if (call.width === first.width && call.height === first.height) {
        group.push(...waiting.splice(place, 1));
      } else place++;
    }
    return group;
  }

  async function serve(group: readonly Call[]): Promise<void> {
    const { width, height } = group[0]!;
    const stop = new AbortController();
    const onAbort = () => {
      for (const call of group) if (call.signal?.aborted === true) call.reject(call.signal.reason);
      if (group.every((call) => call.signal?.aborted === true)) stop.abort();
    };
    for (const call of group) call.signal?.addEventListener("abort", onAbort);
    try {
      const greys = group.map((call) => call.grey);
      const reply = await child.ask({ kind: "run", greys, width, height }, stop.signal);
      if (reply.kind !== "chroma") throw new Error(`unexpected reply ${reply.kind}`);
      for (const [place, call] of group.entries()) {
        call.resolve({ data: reply.data[place]!, ms: reply.ms / group.length });
      }
    } catch (thrown) {
      const wasTogether = group.length > 1 && !stop.signal.aborted;
      if (wasTogether && thrown instanceof AutochromeError && thrown.code !== "device-unavailable") {
        // Too much for the memory, or one of them spoils it for the others: smaller groups tell.
        if (thrown.code === "out-of-memory") most = Math.max(1, Math.floor(group.length / 2));
        else most = 1;
        waiting.unshift(...group);
      } else for (const call of group) call.reject(thrown);
    } finally {
      for (const call of group) call.signal?.removeEventListener("abort", onAbort);
    }
  }

  return {
    get isBusy() {
      return inside > 0 || waiting.length > 0;
    },
    run: (grey, width, height, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        waiting.push({ grey, width, height, signal, resolve, reject });
        pump();
      }),
    warm: child.warm,
    close: child.close,
  };
}

function explain(failure: Failure | "crashed", detail: string, provider: Provider): AutochromeError {
  switch (failure) {
    case "missing":
      return new AutochromeError(
        "model-missing",
        "The model's file is gone: it was removed, or its disk is not there.",
        "Fetch or import the model again, or choose another; see `autochrome models list`.",
        { detail },
      );
    case "damaged":
      return new AutochromeError(
        "model-damaged",
        "The model file is damaged: its digest is not the one of its record.",
        "Run `autochrome models verify`, then fetch or import the model again.",
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
        /SIGKILL/.test(detail)
          ? "The system ended the colouring process, probably because memory ran out."
          : "The colouring process ended unexpectedly.",
        "Try this photo again; if it happens again, try a smaller model size.",
        { detail },
      );
    case "misshapen":
    case "not-finite":
    case "failed":
      return new AutochromeError(
        "inference-failed",
        "The network did not give usable colours for this photo.",
        "Try another model size.",
        { detail },
      );
  }
}
