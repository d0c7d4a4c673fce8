// The engine's end of the inference process: starts it, feeds it one photo after another, restarts it after a crash.
//
// Owns: the child process and the order of requests. Must never: run the network in this process.
import { type ChildProcess, fork } from "node:child_process";
import { AutochromeError, type Logger } from "../kernel/index.ts";
import type { Failure, Provider, Reply, Request } from "./messages.ts";

export interface InferenceOptions {
  readonly modelPath: string;
  readonly modelSha256: string;
  readonly provider: Provider;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
}

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

/** What a call is rejected with that was in the process when another one ended it; it simply runs again. */
const INNOCENT = Symbol("innocent");

/** Two requests at a time: one runs, the next already lies in the process. */
const AHEAD = 2;

interface Call {
  readonly grey: Float32Array;
  readonly width: number;
  readonly height: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (inferred: Inferred) => void;
  readonly reject: (reason: unknown) => void;
}

export function createInference(options: InferenceOptions): Inference {
  const waiting: Call[] = [];
  let worker: Promise<Worker> | undefined;
  let inside = 0;
  let closed = false;

  function start(): Promise<Worker> {
    const starting = startWorker(options, () => {
      if (worker === starting) worker = undefined;
    });
    worker = starting;
    starting.catch(() => {
      if (worker === starting) worker = undefined;
    });
    return starting;
  }

  function pump(): void {
    while (inside < AHEAD && waiting.length > 0) {
      const call = waiting.shift()!;
      inside++;
      void serve(call).finally(() => {
        inside--;
        pump();
      });
    }
  }

  async function serve(call: Call): Promise<void> {
    const { signal } = call;
    let running: Worker | undefined;
    const abort = () => running?.kill();
    try {
      running = await (worker ?? start());
      signal?.throwIfAborted();
      signal?.addEventListener("abort", abort, { once: true });
      const reply = await running.ask({
        kind: "run",
        grey: call.grey,
        width: call.width,
        height: call.height,
      });
      if (reply.kind !== "chroma") throw new Error(`unexpected reply ${reply.kind}`);
      call.resolve({ data: reply.data, ms: reply.ms });
    } catch (thrown) {
      if (signal?.aborted === true) call.reject(signal.reason);
      else if (thrown === INNOCENT) waiting.unshift(call);
      else call.reject(thrown);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  return {
    run: (grey, width, height, signal) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error("inference is closed"));
        if (signal?.aborted === true) return reject(signal.reason);
        waiting.push({ grey, width, height, signal, resolve, reject });
        pump();
      }),
    async warm() {
      await (worker ?? start());
    },
    close() {
      closed = true;
      worker?.then(
        (running) => running.kill(),
        () => undefined,
      );
    },
  };
}

interface Worker {
  ask(request: DistributiveOmit<Request, "id">): Promise<Reply>;
  kill(): void;
}
type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

async function startWorker(options: InferenceOptions, onExit: () => void): Promise<Worker> {
  const child: ChildProcess = fork(new URL("./process.ts", import.meta.url), [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
  });
  const pending = new Map<number, { resolve: (reply: Reply) => void; reject: (reason: unknown) => void }>();
  let next = 0;
  let words = "";
  let killed = false;
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-2000);
  });
  child.on("message", (reply: Reply) => {
    const call = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.kind === "error") call?.reject(explain(reply.failure, reply.detail, options.provider));
    else call?.resolve(reply);
  });
  const gone = (why: string): void => {
    onExit();
    if (!killed) options.log.error({ why, words }, "the inference process ended");
    // Requests are served in order, so that only the first can have brought the process down.
    let guilty = !killed;
    for (const call of pending.values()) {
      call.reject(guilty ? crashed(why, words) : INNOCENT);
      guilty = false;
    }
    pending.clear();
  };
  child.on("error", (error) => gone(error.message));
  child.on("exit", (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`));

  const worker: Worker = {
    ask: (request) =>
      new Promise((resolve, reject) => {
        const id = next++;
        pending.set(id, { resolve, reject });
        child.send({ ...request, id } as Request, (error) => {
          if (error === null || !pending.delete(id)) return;
          reject(crashed(error.message, words));
        });
      }),
    kill() {
      killed = true;
      child.kill("SIGKILL");
    },
  };
  try {
    await worker.ask({
      kind: "load",
      modelPath: options.modelPath,
      sha256: options.modelSha256,
      provider: options.provider,
      threads: options.threads,
    });
  } catch (error) {
    worker.kill();
    throw error;
  }
  return worker;
}

function crashed(why: string, words: string): AutochromeError {
  return new AutochromeError(
    "inference-failed",
    "The colouring process ended unexpectedly.",
    "Try this photo again; if it happens again, try a smaller model size.",
    { detail: `${why} ${words}`.trim() },
  );
}

function explain(failure: Failure, detail: string, provider: Provider): AutochromeError {
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
