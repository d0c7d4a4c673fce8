// The engine's end of an inference process: starts it, feeds it one request after another, restarts it after a crash.
//
// Owns: the child process and the order of requests. Must never: run the network in this process.
import { type ChildProcess, fork } from "node:child_process";
import { setPriority } from "node:os";
import type { AutochromeError, Logger } from "../kernel/index.ts";
import type { Failure, LoadedReply, Provider, Reply, Request, Runtime } from "./messages.ts";

export interface InferenceProcessOptions {
  readonly modelPath: string;
  readonly modelSha256: string;
  readonly provider: Provider;
  readonly runtime?: Runtime;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  /** Added to the process's niceness, 0–19; 0 unless said otherwise. */
  readonly niceness?: number;
  /** How long the process waits for more work before it ends and its memory goes back; half a minute unless said otherwise. */
  readonly idleMs?: number;
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
/** As long as pixel workers wait. */
const IDLE_MS = 30_000;

interface Call {
  readonly request: WithoutId<Request>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (reason: unknown) => void;
}

export function createInferenceProcess(options: InferenceProcessOptions, explain: Explain): InferenceProcess {
  const waiting: Call[] = [];
  let worker: Promise<Worker> | undefined;
  let inside = 0;
  let closed = false;
  let idle: NodeJS.Timeout | undefined;
  /** Ends the process that runs, also while it loads: a driver may hang there. */
  let end: () => void = () => undefined;

  /** Ends the process after a while without work. */
  function rest(): void {
    clearTimeout(idle);
    if (inside === 0 && waiting.length === 0)
      idle = setTimeout(() => end(), options.idleMs ?? IDLE_MS).unref();
  }

  function start(): Promise<Worker> {
    const { loading: starting, kill } = startWorker(options, explain, () => {
      if (worker === starting) worker = undefined;
    });
    end = kill;
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
      clearTimeout(idle);
      void serve(call).finally(() => {
        inside--;
        pump();
        rest();
      });
    }
  }

  async function serve(call: Call): Promise<void> {
    const { signal } = call;
    const given = Promise.withResolvers<never>();
    given.promise.catch(() => undefined);
    let running: Worker | undefined;
    const onAbort = () => {
      running?.kill(); // one that still loads goes on loading for others
      given.reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      running = await Promise.race([worker ?? start(), given.promise]);
      call.resolve(await running.ask(call.request));
    } catch (thrown) {
      if (signal?.aborted === true) call.reject(signal.reason);
      else if (thrown === INNOCENT) waiting.unshift(call);
      else call.reject(thrown);
    } finally {
      signal?.removeEventListener("abort", onAbort);
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
    async warm() {
      const { loaded } = await (worker ?? start());
      rest();
      return loaded;
    },
    close() {
      closed = true;
      clearTimeout(idle);
      end();
    },
  };
}

/** For so long the last words of a process are waited for that could not load a model. */
const LAST_WORDS_MS = 1000;

interface Worker {
  readonly loaded: LoadedReply;
  ask(request: WithoutId<Request>): Promise<Reply>;
  kill(): void;
}

function startWorker(
  options: InferenceProcessOptions,
  explain: Explain,
  onExit: () => void,
): { readonly loading: Promise<Worker>; kill(): void } {
  const runtime = options.runtime === undefined ? [] : [options.runtime.module];
  const child: ChildProcess = fork(new URL("./process.ts", import.meta.url), runtime, {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
    env: { ...process.env, ...options.runtime?.environment },
  });
  const { niceness = 0 } = options;
  if (niceness > 0 && child.pid !== undefined) {
    try {
      setPriority(child.pid, niceness);
    } catch {
      // it ended at once, which is told below
    }
  }
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
    if (reply.kind !== "error") return call?.resolve(reply);
    const { failure, detail } = reply;
    if (failure !== "unloadable") return call?.reject(explain(failure, detail));
    // Which library is missing the runtime says on stderr alone.
    kill();
    const patience = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref());
    void Promise.race([silence, patience]).then(() =>
      call?.reject(explain(failure, `${detail}\n${words}`.trim())),
    );
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
  const silence = new Promise<void>((resolve) => child.once("close", () => resolve()));
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
  const load = async (): Promise<Worker> => {
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
  };
  return { loading: load(), kill };
}
