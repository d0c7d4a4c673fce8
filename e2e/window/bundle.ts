// What tests of the window need before they begin: its bundle, and a browser.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext } from "playwright";
import { build } from "vite";

/** Builds the window. @param folder a temporary one @returns the folder that is to be served */
export async function buildWindow(folder: string): Promise<string> {
  const outDir = join(folder, "window");
  await build({
    configFile: fileURLToPath(new URL("../../renderer/vite.config.ts", import.meta.url)),
    logLevel: "error",
    build: { outDir },
  });
  return outDir;
}

/** A Chromium of this machine. */
export function findChromium(): string | undefined {
  return ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
}

/** Gives a context's pages this bundle, while everything else comes from where the page is: the real engine. */
export async function useBundle(context: BrowserContext, bundle: string): Promise<void> {
  await context.route(
    ({ pathname }) => pathname === "/" || pathname.startsWith("/assets/") || pathname === "/icon.svg",
    (route) => {
      const { pathname } = new URL(route.request().url());
      return route.fulfill({ path: join(bundle, pathname === "/" ? "index.html" : pathname) });
    },
  );
}
