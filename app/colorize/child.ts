// The engine's end of an inference process: starts it, feeds it one request after another, restarts it after a crash.
//
// Owns: the child process and the order of requests. Must never: run the network in this process.
import { type ChildProcess, fork } from "node:child_process";
import type { AutochromeError, Logger } from "../kernel/index.ts";
import type { Failure, LoadedReply, Provider, Reply, Request } from "./messages.ts";

export interface InferenceOptions {
  readonly modelPath: string;
  readonly modelSha256: string;
  readonly provider: Provider;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
}

/** What goes wrong, in words for what the network is used for. "crashed": the process ended by itself. */
export type Explain = (failure: Failure | "crashed", detail: string) => AutochromeError;

export interface InferenceProcess {
  /**
   * Requests queue up. Aborting one that waits drops it; aborting the one that runs kills the process, and the next
   * request starts a new one.
   * @throws AutochromeError, as explained
   */
  ask(request: WithoutId<Request>, signal?: AbortSignal): Promise<Reply>;
  /** Loads the model now instead of at the first request. */
  warm(): Promise<LoadedReply>;
  close(): void;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** What a call is rejected with that was in the process when another one ended it; it simply runs again. */
const INNOCENT = Symbol("innocent");

/** Two requests at a time: one runs, the next already lies in the process. */
const AHEAD = 2;

interface Call {
  readonly request: WithoutId<Request>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (reason: unknown) => void;
}

export function createInferenceProcess(options: InferenceOptions, explain: Explain): InferenceProcess {
  const waiting: Call[] = [];
  let worker: Promise<Worker> | undefined;
  let inside = 0;
  let closed = false;

  function start(): Promise<Worker> {
    const starting = startWorker(options, explain, () => {
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
      call.resolve(await running.ask(call.request));
    } catch (thrown) {
      if (signal?.aborted === true) call.reject(signal.reason);
      else if (thrown === INNOCENT) waiting.unshift(call);
      else call.reject(thrown);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  return {
    ask: (request, signal) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error("inference is closed"));
        if (signal?.aborted === true) return reject(signal.reason);
        waiting.push({ request, signal, resolve, reject });
        pump();
      }),
    warm: async () => (await (worker ?? start())).loaded,
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
  readonly loaded: LoadedReply;
  ask(request: WithoutId<Request>): Promise<Reply>;
  kill(): void;
}

async function startWorker(options: InferenceOptions, explain: Explain, onExit: () => void): Promise<Worker> {
  const child: ChildProcess = fork(new URL("./process.ts", import.meta.url), [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
  });
  const pending = new Map<number, { resolve: (reply: Reply) => void; reject: (reason: unknown) => void }>();
  let next = 0;
  let words = "";
  let killed = false;
  const crashed = (why: string) => explain("crashed", `${why} ${words}`.trim());
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-2000);
  });
  child.on("message", (reply: Reply) => {
    const call = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.kind === "error") call?.reject(explain(reply.failure, reply.detail));
    else call?.resolve(reply);
  });
  const gone = (why: string): void => {
    onExit();
    if (!killed) options.log.error({ why, words }, "the inference process ended");
    // Requests are served in order, so that only the first can have brought the process down.
    let guilty = !killed;
    for (const call of pending.values()) {
      call.reject(guilty ? crashed(why) : INNOCENT);
      guilty = false;
    }
    pending.clear();
  };
  child.on("error", (error) => gone(error.message));
  child.on("exit", (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`));

  const ask = (request: WithoutId<Request>): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const id = next++;
      pending.set(id, { resolve, reject });
      child.send({ ...request, id } as Request, (error) => {
        if (error === null || !pending.delete(id)) return;
        reject(crashed(error.message));
      });
    });
  const kill = () => {
    killed = true;
    child.kill("SIGKILL");
  };
  try {
    const loaded = await ask({
      kind: "load",
      modelPath: options.modelPath,
      sha256: options.modelSha256,
      provider: options.provider,
      threads: options.threads,
    });
    if (loaded.kind !== "loaded") throw new Error(`unexpected reply ${loaded.kind}`);
    return { loaded, ask, kill };
  } catch (error) {
    kill();
    throw error;
  }
}
