// Builds the Go programs that tests need, once for each state of their sources, into a cache outside the
// repository (AUTOCHROME_CLUSTER_CACHE, else .cache/autochrome/cluster of the user). Compiling takes minutes, so
// tests ask first whether a program is there already. Never writes into the repository.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** A program: a folder of sources beside this file, or a module's program at an exact version. */
export type GoProgram =
  | { readonly name: string; readonly folder: string; readonly linkerFlags?: readonly string[] }
  | { readonly name: string; readonly module: string };

/** Where a program lies, or why it is not there, in a sentence. */
export type Found =
  | { readonly path: string; readonly missing?: undefined }
  | { readonly missing: string; readonly path?: undefined };

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 60 * 60 * 1000;

/** A program that was built before, or why there is none. Never builds. */
export function findProgram(program: GoProgram): Found {
  const path = pathOf(program);
  if (existsSync(path)) return { path };
  return {
    missing: `${program.name} is not built yet. Set AUTOCHROME_CLUSTER_TESTS=1 to build it (needs Go, takes minutes).`,
  };
}

/** The program, built now if need be. Without Go, or where the build fails, says so. */
export async function buildProgram(program: GoProgram): Promise<Found> {
  const found = findProgram(program);
  if (found.path !== undefined) return found;
  if (process.platform === "win32") return { missing: `${program.name} runs on Linux and macOS only.` };
  try {
    await run("go", ["version"]);
  } catch {
    return { missing: `${program.name} cannot be built: Go (1.26 or newer) is not installed.` };
  }
  const path = pathOf(program);
  // Built beside its place and then put there, so that a build that broke off leaves nothing that looks whole.
  const part = `${path}.${process.pid}.part`;
  await mkdir(join(path, ".."), { recursive: true });
  try {
    await goBuild(program, part);
    await rename("folder" in program ? part : join(part, program.name), path);
    return { path };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { missing: `${program.name} could not be built: ${words}` };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/** The program if it is there, or built when AUTOCHROME_CLUSTER_TESTS=1 asks for it. */
export function findOrBuild(program: GoProgram): Found | Promise<Found> {
  return process.env.AUTOCHROME_CLUSTER_TESTS === "1" ? buildProgram(program) : findProgram(program);
}

async function goBuild(program: GoProgram, target: string): Promise<void> {
  const linkerFlags = ["-s", "-w", ...("folder" in program ? (program.linkerFlags ?? []) : [])];
  const common = ["-trimpath", "-buildvcs=false", `-ldflags=${linkerFlags.join(" ")}`];
  const environment = { ...process.env, CGO_ENABLED: "0" };
  const options = { timeout: BUILD_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 };
  if ("folder" in program) {
    const cwd = fileURLToPath(new URL(program.folder, import.meta.url));
    const words = ["-n", "19", "go", "build", ...common, "-o", target, "."];
    await run("nice", words, { ...options, cwd, env: environment });
  } else {
    const words = ["-n", "19", "go", "install", ...common, program.module];
    await run("nice", words, { ...options, env: { ...environment, GOBIN: target } });
  }
}

function pathOf(program: GoProgram): string {
  const cache =
    process.env.AUTOCHROME_CLUSTER_CACHE ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "autochrome", "cluster");
  return join(cache, `${program.name}-${keyOf(program)}`, program.name);
}

function keyOf(program: GoProgram): string {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\0`);
  if ("module" in program) return hash.update(program.module).digest("hex").slice(0, 16);
  const folder = fileURLToPath(new URL(program.folder, import.meta.url));
  hash.update(`${program.linkerFlags?.join(" ")}\0`);
  for (const name of readdirSync(folder).sort()) {
    if (!/\.(go|mod|sum)$/.test(name)) continue;
    hash.update(`${name}\0`).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex").slice(0, 16);
}
