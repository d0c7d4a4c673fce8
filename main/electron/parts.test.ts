// The shell's small parts: links, menu, the window's place, the packages' configuration.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { browserCommand, findElectron } from "../start.ts";
import { linkIn, pathsIn, placeOfLink } from "./links.ts";
import { acceleratorOf, menuTemplate } from "./menu.ts";
import { openSecrets } from "./secrets.ts";
import { keepPlace, placeFrom } from "./window-place.ts";

describe("links", () => {
  test("only places of ours come of them, whatever they are", () => {
    expect(placeOfLink("autochrome://photo/01abc")).toBe("#/review/01abc");
    expect(placeOfLink("autochrome://work")).toBe("#/work");
    const odd = [
      "autochrome://photo/a/b",
      "autochrome://photo/<b>",
      "autochrome://evil",
      "https://photo/1",
      "autochrome:",
      "",
    ];
    for (const link of odd) expect(placeOfLink(link), link).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (text) => {
        const place = placeOfLink(`autochrome://${text}`);
        if (place !== undefined) expect(place).toMatch(/^#\/(review\/[0-9a-z]{1,40}|library|work)$/);
      }),
    );
  });
  test("switches, relative words and what is not there are no files", () => {
    const words = ["--x=/a", "/a", "b", "autochrome://work", "/gone"];
    expect(pathsIn(words, (path) => path === "/a")).toEqual(["/a"]);
    expect(linkIn(words)).toBe("autochrome://work");
  });
});

test("the menu has the window's actions by group, and runs them by id", () => {
  const ran: string[] = [];
  const actions = [
    { id: "import", label: "Import", group: "Library", key: "Ctrl+I", isPossible: true },
    { id: "review.accept", label: "Accept", group: "Review", key: "A", isPossible: false },
  ];
  const template = menuTemplate(actions, "Autochrome", false, (id) => ran.push(id));
  expect(template.map(({ label, role }) => label ?? role)).toEqual([
    "Library",
    "Review",
    "editMenu",
    "viewMenu",
    "windowMenu",
  ]);
  const [library, review] = template as unknown as {
    submenu: { click(): void; enabled: boolean; accelerator: string }[];
  }[];
  library?.submenu[0]?.click();
  expect(ran).toEqual(["import"]);
  expect(library?.submenu[0]?.accelerator).toBe("CommandOrControl+I");
  expect(review?.submenu[0]?.enabled).toBe(false);
  expect(acceleratorOf("Ctrl+Shift+ArrowLeft")).toBe("CommandOrControl+Shift+Left");
});

test("the window comes back where it was, unless nobody could reach it there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-place-"));
  const file = join(folder, "window.json");
  const screens = [{ x: 0, y: 0, width: 1920, height: 1080 }];
  expect(placeFrom(file, screens)).toEqual({ width: 1440, height: 900 });
  await keepPlace(file, { x: 100, y: 50, width: 1000, height: 700, isMaximized: true });
  expect(placeFrom(file, screens)).toMatchObject({ x: 100, y: 50, isMaximized: true });
  await keepPlace(file, { x: 2500, y: 50, width: 1000, height: 700, isMaximized: false });
  expect(placeFrom(file, screens)).toEqual({ width: 1000, height: 700, isMaximized: false });
  await writeFile(file, "{");
  expect(placeFrom(file, screens)).toEqual({ width: 1440, height: 900 });
  await rm(folder, { recursive: true });
});

test("it is told when the system keeps secrets badly, and nothing is stored where it keeps none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-secrets-"));
  const storage = (backend: "basic_text" | "kwallet5", isThere: boolean) => ({
    isEncryptionAvailable: () => isThere,
    getSelectedStorageBackend: () => backend,
    encryptString: (text: string) => Buffer.from(text),
    decryptString: (bytes: Buffer) => bytes.toString(),
  });
  const file = join(folder, "secrets.json");
  expect(openSecrets(file, storage("kwallet5", true), "linux").facts().isStrong).toBe(true);
  expect(openSecrets(file, storage("basic_text", true), "linux").facts().isStrong).toBe(false);
  await expect(
    openSecrets(file, storage("kwallet5", false), "linux").set("remoteKey", "x"),
  ).rejects.toThrow();
  await rm(folder, { recursive: true });
});

test("without a display or without its program there is a reason, and a browser", async () => {
  expect(findElectron("/nonexistent", {}, "linux")).toEqual({ missing: "There is no display here" });
  expect(findElectron("/nonexistent", { DISPLAY: ":0" }, "linux").missing).toMatch(/could not be fetched/);
  expect(browserCommand("http://127.0.0.1:1", "win32")).toEqual([
    "cmd",
    "/c",
    "start",
    "",
    "http://127.0.0.1:1",
  ]);
});

describe("packages", () => {
  test("electron-builder.yml passes electron-builder's schema, and a wrong one does not", async () => {
    const text = await readFile(new URL("../../electron-builder.yml", import.meta.url), "utf8");
    const require = createRequire(import.meta.url);
    const builder = createRequire(require.resolve("electron-builder"));
    const { validateConfiguration } = builder("app-builder-lib/out/util/config/config.js");
    const { DebugLogger } = builder("builder-util");
    const validate = (config: unknown) => validateConfiguration(config, new DebugLogger(false));
    const config: unknown = parse(text);
    await expect(validate(config)).resolves.toBeUndefined();
    await expect(validate({ ...(config as object), asarr: true })).rejects.toThrow(/asarr/);
    expect(config).toMatchObject({
      electronFuses: {
        ...{
          runAsNode: false,
          enableNodeOptionsEnvironmentVariable: false,
          enableNodeCliInspectArguments: false,
        },
        ...{
          onlyLoadAppFromAsar: true,
          grantFileProtocolExtraPrivileges: false,
          enableCookieEncryption: true,
        },
      },
    });
  });
});
