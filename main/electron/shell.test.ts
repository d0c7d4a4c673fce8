// The shell against a fake electron, and a real child process in the engine's place.
import { EventEmitter } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asks } from "./contract.ts";
import { type FakeElectron, fakeElectron } from "./fake-electron.ts";
import { startShell } from "./shell.ts";

/** Says that it listens, and ends as an engine does: when its input ends, or as it is told by its first word. */
const ENGINE = `
const [how = "well"] = process.argv.slice(2);
if (how === "never") { console.error("no library here"); process.exit(3); }
console.log(JSON.stringify({ listening: "http://127.0.0.1:4321" }));
console.error("key " + process.env.AUTOCHROME_API_KEY + " secret " + (process.env.AUTOCHROME_REMOTE_KEY ?? "none"));
process.stdin.resume().on("end", () => process.exit(0));
`;

let folder: string;
let crashPage: string;
let fake: FakeElectron;
const updater = () =>
  Object.assign(new EventEmitter(), {
    autoDownload: false,
    autoInstallOnAppQuit: true,
    looks: 0,
    async checkForUpdates() {
      this.looks++;
      return null;
    },
    quitAndInstall() {},
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-shell-"));
  crashPage = pathToFileURL(join(folder, "crash.html")).href;
  await writeFile(join(folder, "engine.mjs"), ENGINE);
});
afterEach(async () => {
  fake.app.emit("before-quit", { preventDefault() {} });
  await expect.poll(() => fake.app.quits, { timeout: 20_000 }).toBeGreaterThan(0);
  await rm(folder, { recursive: true, force: true });
});

function start(options: { how?: string; argv?: string[]; updates?: "off"; hasLock?: boolean } = {}) {
  fake = fakeElectron(folder, { hasLock: options.hasLock ?? true, folders: ["/scans"] });
  const updates = updater();
  const isFirst = startShell({
    electron: fake.electron,
    updater: updates,
    engine: {
      command: process.execPath,
      args: [join(folder, "engine.mjs"), ...(options.how === undefined ? [] : [options.how])],
      cwd: folder,
    },
    preload: "/preload.cjs",
    crashPage,
    updates: options.updates,
    argv: options.argv ?? [],
  });
  return { isFirst, updates };
}
const loaded = () => fake.window().loaded;
async function up(): Promise<string> {
  await expect.poll(() => loaded().length, { timeout: 20_000 }).toBeGreaterThan(0);
  return loaded().at(-1) ?? "";
}

describe("security", () => {
  test("every page is in the sandbox, isolated, without Node, and web security is on", async () => {
    start();
    await up();
    expect(fake.app.isSandboxed).toBe(true);
    expect(fake.window().options.webPreferences).toMatchObject({
      ...{
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        webSecurity: true,
        webviewTag: false,
      },
    });
  });

  test("a page cannot leave the engine, open windows or put views inside", async () => {
    start();
    await up();
    const { webContents } = fake.window();
    const tries = (name: string, url: string) => {
      let isPrevented = false;
      webContents.emit(name, { url, preventDefault: () => (isPrevented = true) });
      return isPrevented;
    };
    for (const name of ["will-navigate", "will-redirect"]) {
      expect(tries(name, "http://127.0.0.1:4321/#/work")).toBe(false);
      expect(tries(name, crashPage)).toBe(false);
      for (const url of [
        ...["https://evil.example", "http://127.0.0.1:9999/", "http://127.0.0.1:4321.evil.example/"],
        ...["file:///etc/passwd", "data:text/html,x", "javascript:alert(1)", "http://localhost:4321/"],
      ]) {
        expect(tries(name, url), url).toBe(true);
      }
    }
    expect(tries("will-attach-webview", "")).toBe(true);
    expect(webContents.openHandler?.({ url: "https://evil.example" })).toEqual({ action: "deny" });
    expect(webContents.openHandler?.({ url: "https://github.com/x" })).toEqual({ action: "deny" });
    expect(webContents.openHandler?.({ url: "https://user@github.com/" })).toEqual({ action: "deny" });
    expect(webContents.openHandler?.({ url: "http://github.com/x" })).toEqual({ action: "deny" });
    expect(fake.opened).toEqual(["https://github.com/x"]);
  });

  test("permissions are denied but for full screen and copying", async () => {
    start();
    await up();
    const answers: boolean[] = [];
    for (const permission of [
      "media",
      "geolocation",
      "notifications",
      "fullscreen",
      "clipboard-sanitized-write",
    ]) {
      fake.permissions.request?.({}, permission, (allowed) => answers.push(allowed));
      expect(fake.permissions.check?.({}, permission)).toBe(answers.at(-1));
    }
    expect(answers).toEqual([false, false, false, true, true]);
    expect(fake.permissions.device?.()).toBe(false);
  });

  test("only the window's own main frame on our pages is answered, and only what is named, as it is named", async () => {
    start();
    await up();
    expect([...fake.channels].sort()).toEqual(Object.keys(asks).sort());
    await expect(fake.ask("chooseFolders")).resolves.toEqual(["/scans"]);
    const { webContents } = fake.window();
    const strangers = [
      { senderFrame: null, sender: webContents },
      { senderFrame: { url: "http://127.0.0.1:4321/" }, sender: webContents }, // a frame inside
      { senderFrame: webContents.mainFrame, sender: {} },
    ];
    for (const event of strangers) {
      await expect(fake.askFrom(event, "chooseFolders")).rejects.toThrow(/not from our window/);
    }
    webContents.mainFrame.url = "https://evil.example/";
    await expect(fake.ask("chooseFolders")).rejects.toThrow(/not from our window/);
    webContents.mainFrame.url = "http://127.0.0.1:4321/";
    for (const args of [[], [1], ["a", "b"], [{ toString: () => "/x" }]]) {
      await expect(fake.ask("showItem", ...args)).rejects.toThrow(/not as it must be/);
    }
    await expect(fake.ask("setSecret", "../x", "y")).rejects.toThrow(/not as it must be/);
  });
});

describe("the engine", () => {
  test("is started with a secret of its own, that the window shows once; the menu, progress and notices work", async () => {
    start();
    const address = await up();
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:4321\/\?token=[\w-]{43}$/);
    await fake.ask("setProgress", 0.25);
    expect(fake.window().progress).toBe(0.25);
    expect(fake.awake.size).toBe(1);
    await fake.ask("setProgress", null);
    expect(fake.window().progress).toBe(-1);
    expect(fake.awake.size).toBe(0);
    await fake.ask("notify", "Done", "12 photos");
    expect(fake.notices).toEqual([{ title: "Done", body: "12 photos" }]);
    await fake.ask("setActions", [
      { id: "colour", label: "Colour", group: "Photo", key: "C", isPossible: true },
    ]);
    const [photo] = (fake.menus.at(-1) as { label?: string; submenu: { click(): void }[] }[]).filter(
      ({ label }) => label === "Photo",
    );
    photo?.submenu[0]?.click();
    expect(fake.window().webContents.sent).toContainEqual(["runAction", "colour"]);
  });

  test("that ends again and again is not started for ever: the crash page has its last words, and a way on", async () => {
    start({ how: "never" });
    expect(await up()).toBe(crashPage);
    expect(await fake.ask("crash")).toMatchObject({
      log: expect.stringMatching(/no library here[\s\S]*ended \(3\)/),
    });
    await writeFile(join(folder, "engine.mjs"), ENGINE.replace('how === "never"', "false"));
    await fake.ask("restartEngine");
    await expect.poll(() => loaded().at(-1), { timeout: 20_000 }).toMatch(/\?token=/);
  });

  test("gets the settings' secrets, which the window can set but never read", async () => {
    start();
    await up();
    expect(await fake.ask("setSecret", "remoteKey", "s3cret")).toEqual({
      ...{ stored: ["remoteKey"], isStrong: true, backend: expect.any(String) },
    });
    expect(await readFile(join(folder, "secrets.json"), "utf8")).not.toContain("s3cret");
    await expect(fake.ask("setSecret", "device", "x")).rejects.toThrow(/no secret/);
    const before = loaded().length;
    await fake.ask("restartEngine");
    await expect.poll(() => loaded().length, { timeout: 20_000 }).toBeGreaterThan(before);
    expect(await fake.ask("setSecret", "remoteKey", null)).toMatchObject({ stored: [] });
  });
});

describe("opening", () => {
  test("a second start shows the first, with what it was opened with", async () => {
    start();
    await up();
    fake.app.emit("second-instance", {}, ["autochrome", "--flag", folder, "autochrome://photo/0abc"]);
    expect(fake.window().webContents.sent).toContainEqual(["openPaths", [folder]]);
    expect(fake.window().webContents.sent).toContainEqual(["goTo", "#/review/0abc"]);
    expect(fake.window().isShown).toBe(true);
  });

  test("a first start is told once the window is there", async () => {
    start({ argv: [folder, "autochrome://work"] });
    expect(await up()).toMatch(/#\/work$/);
    expect(fake.window().webContents.sent).toContainEqual(["openPaths", [folder]]);
  });

  test("without the lock nothing is started", () => {
    const { isFirst } = start({ hasLock: false });
    expect(isFirst).toBe(false);
    expect(fake.app.quits).toBe(1);
    expect(fake.channels).toEqual([]);
  });
});

test("updates: never looked for while they are off, the choice is kept, and an administrator's word stands", async () => {
  const { updates } = start({ updates: "off" });
  await up();
  expect(updates.looks).toBe(0);
  expect(await fake.ask("setUpdates", "on")).toMatchObject({ mode: "off" });
  expect(updates.looks).toBe(0);
  fake.app.emit("before-quit", { preventDefault() {} });

  const again = start();
  await up();
  expect(again.updates.looks).toBe(1);
  expect(await fake.ask("setUpdates", "off")).toMatchObject({ mode: "off", state: "idle" });
  await expect
    .poll(() => readFile(join(folder, "shell.json"), "utf8").catch(() => ""))
    .toBe('{"updates":"off"}');
});
