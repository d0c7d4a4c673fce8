// `npm start`: the app in its window. Where Electron's program cannot be had, or there is no display, the same window in the
// browser. Must never: fail because of Electron.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const ROOT = join(import.meta.dirname, "..");
const say = (text: string) => process.stderr.write(`${text}\n`);

/** Where Electron's program is, or why there is none, in a sentence. */
export function findElectron(
  folder: string,
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): { readonly path: string; readonly missing?: undefined } | { readonly missing: string } {
  if (platform === "linux" && !environment.DISPLAY && !environment.WAYLAND_DISPLAY) {
    return { missing: "There is no display here" };
  }
  const pathFile = join(folder, "path.txt");
  const name = existsSync(pathFile) ? readFileSync(pathFile, "utf8") : undefined;
  const path = name === undefined ? undefined : join(folder, "dist", name);
  if (path !== undefined && existsSync(path)) return { path };
  return { missing: "Electron's program is not here and could not be fetched" };
}

/** Electron's package has no install step of its own: its program is fetched the first time. */
function fetchElectron(folder: string): void {
  if (!existsSync(join(folder, "install.js"))) return;
  say("Fetching Electron, once …");
  spawnSync(process.execPath, [join(folder, "install.js")], { cwd: ROOT, stdio: "ignore", timeout: 300_000 });
}

/** The command that opens an address in the browser of this system. */
export function browserCommand(address: string, platform: NodeJS.Platform): readonly [string, ...string[]] {
  if (platform === "darwin") return ["open", address];
  if (platform === "win32") return ["cmd", "/c", "start", "", address];
  return ["xdg-open", address];
}

function serve(why: string): void {
  say(`${why}, so Autochrome opens in your browser.`);
  const engine = spawn(process.execPath, [join(ROOT, "main/cli/autochrome.ts"), "serve", "--json"], {
    stdio: ["inherit", "pipe", "inherit"],
  });
  createInterface({ input: engine.stdout }).once("line", (line) => {
    const answer: unknown = JSON.parse(line);
    const address =
      typeof answer === "object" && answer !== null ? Reflect.get(answer, "listening") : undefined;
    if (typeof address !== "string") return;
    say(`Open ${address} if it does not open by itself. Ctrl-C ends it.`);
    const [command, ...words] = browserCommand(address, process.platform);
    spawn(command, words, { stdio: "ignore", detached: true })
      .on("error", () => undefined)
      .unref();
  });
  engine.on("exit", (code) => process.exit(code ?? 1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => engine.kill(signal));
}

if (import.meta.main) {
  const folder = join(ROOT, "node_modules", "electron");
  const build = spawnSync("npm", ["run", "-s", "build"], {
    cwd: ROOT,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
  const isBrowserWished = process.argv.includes("--browser");
  if (
    !isBrowserWished &&
    "missing" in findElectron(folder) &&
    !/display/.test(findElectron(folder).missing ?? "")
  ) {
    fetchElectron(folder);
  }
  const found = isBrowserWished ? { missing: "You asked for it" } : findElectron(folder);
  if (found.missing !== undefined) serve(found.missing);
  else {
    const app = spawn(found.path, [ROOT], { stdio: "inherit" });
    app.on("error", () => serve("Electron does not start"));
    app.on("exit", (code) => process.exit(code ?? 1));
  }
}
