// One try of the network on one provider, in a process that is thrown away: drivers crash, hang, and write pages.
// Owns: that process and its end. Must never: wait for ever, or judge what came of it.
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Model } from "../../modelstore/index.ts";
import type { Failure, Provider, Reply, Request, Runtime } from "../messages.ts";

/** Side of the square that the network is tried with, unless it takes another size only. */
export const PROBE_SIDE = 256;
/** A slow one is not run three times. */
const SLOW_MS = 10_000;
/** What the driver wrote is read for so long after the end. */
const LAST_WORDS_MS = 1000;

export interface Attempt {
  readonly device: Provider;
  readonly model: Model;
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly runtime?: Runtime | undefined;
  /** It is over by then. */
  readonly limitMs: number;
}

/** "crashed": the process ended by itself. "hung": it had to be ended. */
export type Failing = Failure | "crashed" | "hung";

export type Outcome =
  | {
      readonly ok: true;
      /** Plane a, then plane b. */
      readonly chroma: Float32Array;
      /** Best of at most three runs. */
      readonly ms: number;
      /** Most memory that the process had, where the system tells. */
      readonly memoryMiB: number | undefined;
    }
  | { readonly ok: false; readonly failing: Failing; readonly detail: string };

/** What goes wrong is in the outcome. */
export async function attempt(options: Attempt): Promise<Outcome> {
  const { runtime } = options;
  const child = fork(
    new URL("../process.ts", import.meta.url),
    runtime === undefined ? [] : [runtime.module],
    {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      execArgv: [],
      env: { ...process.env, ...runtime?.environment },
    },
  );
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-8000);
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const gone = new Promise<Outcome>((resolve) => {
    child.once("error", (error) => resolve({ ok: false, failing: "crashed", detail: error.message }));
    child.once("exit", (code, signal) =>
      resolve({ ok: false, failing: "crashed", detail: signal ?? `exit code ${code}` }),
    );
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => {
      resolve({ ok: false, failing: "hung", detail: `no answer within ${options.limitMs / 1000} s` });
    }, options.limitMs);
  });
  const replies = new Map<number, (reply: Reply) => void>();
  child.on("message", (reply: Reply) => replies.get(reply.id)?.(reply));
  const ask = (request: Request) =>
    new Promise<Reply>((resolve) => {
      replies.set(request.id, resolve);
      child.send(request, () => undefined); // where it cannot be sent, the process is gone
    });

  try {
    const outcome = await Promise.race([tryOut(options, ask, () => child.pid), gone, late]);
    child.kill("SIGKILL");
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
    return outcome.ok ? outcome : { ...outcome, detail: tidy(`${outcome.detail}\n${words}`) };
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    if (child.connected) child.disconnect();
    child.unref(); // one that hangs in its driver does not even die
  }
}

async function tryOut(
  { device, model, threads }: Attempt,
  ask: (request: Request) => Promise<Reply>,
  pid: () => number | undefined,
): Promise<Outcome> {
  const loaded = await ask({
    kind: "load",
    id: 0,
    modelPath: model.path,
    sha256: model.sha256,
    provider: device,
    threads,
  });
  if (loaded.kind === "error") return { ok: false, failing: loaded.failure, detail: loaded.detail };
  const { width, height } = model.input.fixed ?? { width: PROBE_SIDE, height: PROBE_SIDE };
  const greys = [testPicture(width, height)];
  const started = performance.now();
  let ms = Number.POSITIVE_INFINITY;
  let chroma = new Float32Array();
  for (let id = 1; id <= 3 && performance.now() - started < SLOW_MS; id++) {
    const reply = await ask({ kind: "run", id, greys, width, height });
    if (reply.kind === "error") return { ok: false, failing: reply.failure, detail: reply.detail };
    if (reply.kind !== "chroma") throw new Error(`unexpected reply ${reply.kind}`);
    ms = Math.min(ms, reply.ms);
    chroma = new Float32Array(reply.data[0] ?? []);
  }
  return { ok: true, chroma, ms: Math.round(ms), memoryMiB: await peakMemory(pid()) };
}

/** Soft waves: every grey, edges in all directions. */
function testPicture(width: number, height: number): Float32Array {
  return Float32Array.from(
    { length: width * height },
    (_, i) => 0.5 + 0.45 * Math.sin((i % width) / 17) * Math.cos(i / width / 23),
  );
}

/** Linux tells a process's largest resident memory; not so that of others elsewhere. */
async function peakMemory(pid: number | undefined): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kib = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Math.round(Number(kib) / 1024);
}

/** Raw words without colours of terminals and empty lines, and not more than a screen of them. */
function tidy(words: string): string {
  return words
    .replaceAll(/\u001b\[[0-9;]*m/g, "")
    .replaceAll(/\s*\n\s*/g, "\n")
    .trim()
    .slice(0, 3000);
}
