// The engine as a child of the shell: started on a free port with a secret of its own, watched, started again.
//
// Owns: the process, its secret, its last words. Must never: outlive the shell, or start again for ever.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { z } from "zod";

export interface EngineOptions {
  /** The program: Node of our own, and what it runs. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Environment besides the shell's own; asked anew for every start. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** It answers at this address. `key` is good for this start only. */
  readonly onUp: (address: string, key: string) => void;
  /** It ended and is not started again by itself. */
  readonly onDown: (why: string, log: string) => void;
  /** Milliseconds that it may take until it answers. */
  readonly startMs?: number;
}

export interface Engine {
  /** Starts it, or starts it again. */
  start(): void;
  /** Ends it in order; after ten seconds it is made to end. */
  stop(): Promise<void>;
  /** Its last lines. */
  log(): string;
}

const START_MS = 60_000;
const STOP_MS = 10_000;
/** So many ends within this time, and it is not tried again by itself. */
const MOST_ENDS = 3;
const WITHIN_MS = 60_000;
const LINES = 400;

const readySchema = z.object({ listening: z.url({ protocol: /^http$/, hostname: /^127\.0\.0\.1$/ }) });

export function createEngine(options: EngineOptions): Engine {
  const { command, args, cwd, environment, onUp, onDown, startMs = START_MS } = options;
  const lines: string[] = [];
  let child: ChildProcess | undefined;
  let ends: number[] = [];
  let isStopping = false;

  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > LINES) lines.shift();
  };

  function start(): void {
    if (child !== undefined) return;
    isStopping = false;
    const key = randomBytes(32).toString("base64url");
    const own = spawn(command, [...args], {
      cwd,
      env: { ...process.env, ...environment(), AUTOCHROME_API_KEY: key },
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    child = own;
    const late = setTimeout(() => {
      keep(`It did not answer within ${startMs / 1000} seconds.`);
      own.kill("SIGKILL");
    }, startMs);
    own.stdin?.on("error", () => undefined); // it ended first
    createInterface({ input: own.stderr! }).on("line", keep);
    createInterface({ input: own.stdout! }).on("line", (line) => {
      const ready = readyOf(line);
      if (ready === undefined) return keep(line);
      clearTimeout(late);
      onUp(ready, key);
    });
    const over = (why: string) => {
      if (child !== own) return;
      child = undefined;
      clearTimeout(late);
      if (isStopping) return;
      keep(why);
      const now = Date.now();
      ends = [...ends.filter((at) => now - at < WITHIN_MS), now];
      if (ends.length < MOST_ENDS) return start();
      ends = [];
      onDown(why, lines.join("\n"));
    };
    own.on("error", (error) => over(`It could not be started: ${error.message}`));
    own.on("exit", (code, signal) => over(`It ended (${signal ?? code}).`));
  }

  async function stop(): Promise<void> {
    isStopping = true;
    const own = child;
    if (own === undefined) return;
    const gone = new Promise((resolve) => own.once("exit", resolve));
    own.stdin?.end(); // it ends when nobody holds its input any more
    const timer = setTimeout(() => own.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  return { start, stop, log: () => lines.join("\n") };
}

function readyOf(line: string): string | undefined {
  try {
    return readySchema.safeParse(JSON.parse(line)).data?.listening;
  } catch {
    return undefined;
  }
}
