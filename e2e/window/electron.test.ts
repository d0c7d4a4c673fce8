// The real shell: Electron itself, its window, the real engine. Skipped, and says why, where Electron's program or a display
// is missing.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { _electron } from "playwright";
import { describe, expect, test } from "vitest";
import { findElectron } from "../../main/start.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const electron = findElectron(join(ROOT, "node_modules", "electron"));
const isBuilt =
  existsSync(join(ROOT, "main/electron/dist/main.js")) && existsSync(join(ROOT, "renderer/dist"));
const missing = electron.missing ?? (isBuilt ? undefined : "`npm run build` has not been run");

describe.skipIf(missing)(`the desktop app${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test("opens its window on the engine, without Node in the page, and ends with it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "autochrome-electron-"));
    const app = await _electron.launch({
      executablePath: "path" in electron ? electron.path : "",
      args: [ROOT, `--user-data-dir=${join(folder, "data")}`],
      env: {
        ...process.env,
        AUTOCHROME_CONFIG: join(folder, "config.json"),
        AUTOCHROME_LIBRARY: join(folder, "library"),
        AUTOCHROME_DEVICE: "cpu",
      },
    });
    try {
      const page = await app.firstWindow();
      await page.waitForSelector("nav", { timeout: 60_000 });
      expect(new URL(page.url()).search).toBe(""); // the key is not in the address any more
      expect(
        await page.evaluate(() => [
          typeof Reflect.get(globalThis, "require"),
          typeof Reflect.get(globalThis, "process"),
        ]),
      ).toEqual(["undefined", "undefined"]);
      expect(await page.evaluate(() => Object.keys(Reflect.get(globalThis, "autochrome")))).toContain(
        "chooseFolders",
      );
      await page.evaluate(`location.href = "https://example.com/"`);
      expect(page.url()).toMatch(/^http:\/\/127\.0\.0\.1:/);
    } finally {
      await app.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
