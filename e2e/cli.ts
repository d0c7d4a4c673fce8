// Runs the real command line as its users do: another process, real files. For the tests of this folder.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ENTRY = fileURLToPath(new URL("../main/cli/autochrome.ts", import.meta.url));

/** A line of machine output; tests look into it with matchers. */
export type Line = Record<string, unknown>;

export interface Ended {
  readonly code: number | null;
  readonly lines: readonly Line[];
  readonly summary: Line;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What Ctrl-C in a terminal does: the signal reaches the command and everything that it started. */
  interrupt(): void;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line that the test accepts. */
  lineWith(accept: (line: Line) => boolean): Promise<Line>;
}

/**
 * Starts a command; `--json` is added. Settings of the machine that runs the tests stay out.
 * @param stdin open: the test holds it, else it has ended
 */
export function start(
  args: readonly string[],
  environment: Record<string, string> = {},
  stdin: "open" | "ended" = "ended",
): Running {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("AUTOCHROME_")),
  );
  const child = spawn(process.execPath, [ENTRY, ...args, "--json"], {
    // On the CPU, so that results are the same bytes wherever the tests run.
    env: {
      ...clean,
      AUTOCHROME_CONFIG: "/nonexistent/config.json",
      AUTOCHROME_DEVICE: "cpu",
      ...environment,
    },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true, // a process group of its own, as a terminal gives it
  });
  if (stdin === "ended") child.stdin.end();
  const lines: Line[] = [];
  const waiting: { accept: (line: Line) => boolean; resolve: (line: Line) => void }[] = [];
  let stdout = "";
  let stderr = "";
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const line = JSON.parse(part) as Line;
      lines.push(line);
      for (const entry of waiting) if (entry.accept(line)) entry.resolve(line);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, lines, stdout, stderr, summary: (lines.at(-1)?.summary as Line | undefined) ?? {} }),
    );
  });
  return {
    child,
    interrupt() {
      process.kill(-child.pid!, "SIGINT");
    },
    ended,
    lineWith: (accept) =>
      Promise.race([
        new Promise<Line>((resolve) => {
          const found = lines.find(accept);
          if (found === undefined) waiting.push({ accept, resolve });
          else resolve(found);
        }),
        ended.then(({ code, stderr: words }) => {
          const found = lines.find(accept);
          if (found !== undefined) return found;
          throw new Error(`the command ended (${code}) without the line: ${words}`);
        }),
      ]),
  };
}

export function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return start(args, environment).ended;
}

/** sha256 of every file below a folder, by its path relative to it. */
export async function hashesBelow(folder: string): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    hashes.set(
      relative(folder, path),
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    );
  }
  return hashes;
}
