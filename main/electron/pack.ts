// Lays out what goes into a package beside the shell: the engine as plain files, its production packages, a Node of its own.
// For the platform it runs on. Owns: the folder build/engine. Must never: take along another platform's binaries.
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
/** What the engine is made of. */
const PARTS = [
  "app",
  "main/cli",
  "main/desk.ts",
  "main/surroundings.ts",
  "workflows",
  "models/manifest.json",
  "models/embedded",
  "models/subject",
  "renderer/dist",
  "LICENSE",
];
/** Only the shell or the window's bundle needs these. */
const NOT_THE_ENGINES = new Set([
  "@tanstack/react-query",
  "@tanstack/react-virtual",
  "@xyflow/react",
  "cmdk",
  "electron-updater",
  "i18next",
  "openseadragon",
  "radix-ui",
  "react",
  "react-dom",
  "react-i18next",
]);

const packageSchema = z.looseObject({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

/** @param target emptied first */
export async function packEngine(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const part of PARTS) {
    await cp(join(ROOT, part), join(target, part), {
      recursive: true,
      filter: (path) => !/\.test\.tsx?$|[\\/]testdata([\\/]|$)|[\\/]__pycache__([\\/]|$)/.test(path),
    });
  }
  const own = packageSchema.parse(JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")));
  const dependencies = Object.fromEntries(
    Object.entries(own.dependencies).filter(([name]) => !NOT_THE_ENGINES.has(name)),
  );
  const { devDependencies, scripts: _, allowScripts: __, ...about } = own;
  await writeFile(join(target, "package.json"), `${JSON.stringify({ ...about, dependencies }, null, 2)}\n`);
  // The lockfile decides the versions of everything below, too.
  await cp(join(ROOT, "package-lock.json"), join(target, "package-lock.json"));
  await cp(join(ROOT, ".npmrc"), join(target, ".npmrc"));
  const npm = platform() === "win32" ? "npm.cmd" : "npm";
  await run(npm, ["install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: target });
  await rm(join(target, "package-lock.json"));
  await keepOwnBinaries(target);
  await addNode(target, devDependencies.node ?? "");
}

/** onnxruntime-node and better-sqlite3 bring binaries for all platforms in one package. */
async function keepOwnBinaries(target: string): Promise<void> {
  const { readdir } = await import("node:fs/promises");
  const modules = join(target, "node_modules");
  const runtime = join(modules, "onnxruntime-node", "bin", "napi-v6");
  for (const os of await readdir(runtime)) {
    if (os !== platform()) await rm(join(runtime, os), { recursive: true });
  }
  for (const cpu of await readdir(join(runtime, platform()))) {
    if (cpu !== arch()) await rm(join(runtime, platform(), cpu), { recursive: true });
  }
  const prebuilds = join(modules, "better-sqlite3", "prebuilds");
  const isMusl = process.report.getReport();
  const libc = "glibcVersionRuntime" in headerOf(isMusl) ? "linux" : "linuxmusl";
  const wanted = platform() === "linux" ? `${libc}-${arch()}` : `${platform()}-${arch()}`;
  for (const name of await readdir(prebuilds)) {
    if (!name.includes(wanted)) await rm(join(prebuilds, name), { recursive: true });
  }
}

function headerOf(report: object): object {
  const header: unknown = Reflect.get(report, "header");
  return typeof header === "object" && header !== null ? header : {};
}

/** The Node that runs us is the one of the devDependency; a copy goes along. */
async function addNode(target: string, version: string): Promise<void> {
  if (process.versions.node !== version) {
    throw new Error(`Run this with Node ${version} (npm run package does), not ${process.versions.node}.`);
  }
  const name = platform() === "win32" ? "node.exe" : join("bin", "node");
  await mkdir(join(target, "node", "bin"), { recursive: true });
  await cp(process.execPath, join(target, "node", name));
}

if (import.meta.main) {
  const target = join(ROOT, "build", "engine");
  await packEngine(target);
  process.stdout.write(`${target}\n`);
}
