// The engine as the desktop's shell runs it: a key in the environment, a free port, an end when the shell ends.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Running, start } from "../cli.ts";

const KEY = "0123456789abcdef0123456789abcdef";
const ENTRY = fileURLToPath(new URL("../../main/cli/autochrome.ts", import.meta.url));
const BUNDLE = fileURLToPath(new URL("../../renderer/dist/index.html", import.meta.url));

let folder: string;
let running: Running | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-engine-"));
});
afterEach(async () => {
  running?.child.kill("SIGKILL");
  await running?.ended;
  running = undefined;
  await rm(folder, { recursive: true });
});

const FLAGS = ["serve", "--host", "127.0.0.1", "--port", "0", "--until-stdin-closes"];
const environment = () => ({
  AUTOCHROME_API_KEY: KEY,
  AUTOCHROME_LIBRARY: join(folder, "library"),
  AUTOCHROME_CONFIG: join(folder, "config.json"),
});

async function startEngine(): Promise<string> {
  running = start(FLAGS, environment(), "open");
  const line = await running.lineWith(({ listening }) => typeof listening === "string");
  return String(line.listening);
}

/** What the shell does once: the key becomes a cookie. */
async function signIn(url: string): Promise<{ readonly Cookie: string }> {
  const page = await fetch(`${url}/?token=${KEY}`);
  expect(await page.text()).toContain("url=/");
  return { Cookie: page.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

describe("the engine of a desktop", () => {
  it("listens on a free port of this computer, and lets nobody in who has not the key", async () => {
    const url = await startEngine();
    expect(new URL(url).hostname).toBe("127.0.0.1");
    expect(Number(new URL(url).port)).toBeGreaterThan(0);
    expect(running?.child.spawnargs.join(" ")).not.toContain(KEY);
    for (const path of ["/", "/library", "/library/settings", "/?token=wrong", "/prompt"]) {
      expect([path, (await fetch(url + path)).status]).toEqual([path, 401]);
    }
    const headers = await signIn(url);
    const page = await fetch(`${url}/`, { headers });
    expect(page.status).toBe(existsSync(BUNDLE) ? 200 : 503);
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'none';.* base-uri 'none'; frame-ancestors 'none'/,
    );
    expect(page.headers.get("content-security-policy")).not.toMatch(/script-src[^;]*unsafe/);
    const settings = await (await fetch(`${url}/library/settings`, { headers })).text();
    expect(JSON.parse(settings)).toMatchObject({ fixed: ["library", "device"] });
    expect(settings).not.toContain(KEY);
    const evil = { ...headers, Origin: "https://evil.example" };
    expect((await fetch(`${url}/library/window`, { headers: evil })).status).toBe(403);
  });

  it("tells its windows of changes by events, which come by the cookie", async () => {
    const url = await startEngine();
    const headers = await signIn(url);
    const events = await fetch(`${url}/library/events`, { headers });
    const text = events.body?.pipeThrough(new TextDecoderStream()).getReader();
    const change = { method: "PATCH", headers, body: JSON.stringify({ quality: 90 }) };
    expect((await fetch(`${url}/library/settings`, change)).status).toBe(200);
    let heard = "";
    while (!heard.includes('{"type":"settings"}')) heard += (await text?.read())?.value ?? "";
    expect(heard).toContain('data: {"type":"settings"}');
    // A window that listens does not keep the engine.
    running?.child.stdin?.end();
    expect(await running?.ended).toMatchObject({ code: 0, summary: { stopped: true } });
  });

  it("ends in order when its stdin closes, and when it is told to, though its stdin is open", async () => {
    await startEngine();
    running?.child.stdin?.end();
    expect(await running?.ended).toMatchObject({ code: 0, summary: { stopped: true } });
    await startEngine();
    running?.child.kill("SIGTERM");
    expect(await running?.ended).toMatchObject({ code: 0, summary: { stopped: true } });
  });

  it("does not outlive a shell that was killed", async () => {
    const shell = `
      const engine = require("node:child_process").spawn(process.execPath, ${JSON.stringify([ENTRY, ...FLAGS, "--json"])}, {
        stdio: ["pipe", "pipe", "ignore"],
      });
      engine.stdout.on("data", (text) => console.log(JSON.stringify({ engine: engine.pid, said: String(text) })));
    `;
    const child = spawn(process.execPath, ["-e", shell], {
      env: { ...process.env, ...environment(), AUTOCHROME_DEVICE: "cpu" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let engine = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const told: { engine: number; said: string } = JSON.parse(line);
      engine = told.engine;
      if (told.said.includes("listening")) break;
    }
    const lives = () => {
      try {
        return process.kill(engine, 0);
      } catch {
        return false;
      }
    };
    expect(lives()).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(lives, { timeout: 60_000 }).toBe(false);
  });
});
