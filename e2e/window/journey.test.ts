// An album in the window, from black and white to a decision: real Chromium, real engine, real library, both languages.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashesBelow, type Running, run, start } from "../cli.ts";
import { findChromium } from "./bundle.ts";

const BUNDLE = fileURLToPath(new URL("../../renderer/dist/index.html", import.meta.url));
const SAMPLES = fileURLToPath(new URL("../../main/demo/samples", import.meta.url));
const path = findChromium();
const missing =
  path === undefined
    ? "there is no Chromium"
    : existsSync(BUNDLE)
      ? undefined
      : "`npm run build` has not been run";
const LONG = { timeout: 60_000 };

describe.skipIf(missing)(`the window${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let engine: Running;
  let browser: Browser;
  let address: string;

  const settings = () => ({
    AUTOCHROME_LIBRARY: join(folder, "library"),
    AUTOCHROME_CONFIG: join(folder, "config.json"),
    XDG_CONFIG_HOME: join(folder, "config"),
    AUTOCHROME_MODEL_SIZE: "64",
  });
  async function startEngine(port = "0"): Promise<string> {
    engine = start(["serve", "--port", port], settings());
    return String((await engine.lineWith(({ listening }) => typeof listening === "string")).listening);
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-window-"));
    await run(["import", SAMPLES], settings());
    address = await startEngine();
    browser = await chromium.launch({ executablePath: path!, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
    engine?.child.kill("SIGKILL");
    await engine?.ended;
    await rm(folder, { recursive: true, force: true });
  });

  async function open(locale: string): Promise<{ page: Page; errors: string[] }> {
    const context = await browser.newContext({ locale, viewport: { width: 1280, height: 720 } });
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(address);
    return { page, errors };
  }
  async function expectAccessible(page: Page): Promise<void> {
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
  }

  test("colour by key, watch, decide by keys, take it back; originals stay as they are", async () => {
    const before = await hashesBelow(SAMPLES);
    const { page, errors } = await open("en-GB");
    await page.getByRole("heading", { name: "All photos" }).waitFor(LONG);
    await expectAccessible(page);

    await page.keyboard.press("c");
    await page.getByRole("heading", { name: "Colour 7 photos" }).waitFor(LONG);
    await expectAccessible(page);
    await page.getByLabel("In which way").selectOption("quick");
    await page.getByRole("dialog").getByRole("button", { name: "Colour" }).click();
    await page.keyboard.press("Control+3");
    await page.getByText("Finished").waitFor(LONG);
    await page.getByRole("button", { name: "Photos" }).click();
    await expect.poll(() => page.getByRole("listitem").filter({ hasText: "Done" }).count(), LONG).toBe(7);
    await expectAccessible(page);

    await page.keyboard.press("Control+1");
    await page.getByRole("heading", { name: "All photos" }).waitFor(LONG);
    await page.keyboard.press("Control+2");
    await page.getByText("1 of 7").waitFor(LONG);
    await expectAccessible(page);
    const first = await page.getByRole("heading", { level: 1 }).textContent();
    await page.keyboard.press("4");
    await page.getByText("★★★★").waitFor(LONG);
    await page.keyboard.press("a");
    await page.getByText("2 of 7").waitFor(LONG); // goes on by itself
    await page.keyboard.press("x");
    await page.getByText("3 of 7").waitFor(LONG);
    await page.keyboard.press("ArrowLeft");
    await page.getByText("Rejected").waitFor(LONG);
    await page.keyboard.press("Control+z");
    await page.getByText(/Undone/).waitFor(LONG);
    await page.getByText("Undecided").waitFor(LONG);
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => page.getByRole("heading", { level: 1 }).textContent(), LONG).toBe(first);
    await page.getByText("Accepted").waitFor(LONG);

    expect(await hashesBelow(SAMPLES)).toEqual(before);
    expect(errors).toEqual([]);
  });

  test("speaks Chinese to those who do, dark for those who like it", async () => {
    const { page, errors } = await open("zh-CN");
    await page.getByRole("navigation", { name: "主要页面" }).waitFor(LONG);
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(() => page.evaluate(`document.documentElement.dataset.theme`)).toBe("dark");
    await expectAccessible(page);
    await page.keyboard.press("Control+k");
    await page.getByPlaceholder("您想做什么？").fill("任务");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "任务" }).waitFor(LONG);
    await expectAccessible(page);
    expect(errors).toEqual([]);
  });

  test("recovers when the engine was killed and is there again", async () => {
    const { page } = await open("en-GB");
    await page.getByRole("heading", { name: "All photos" }).waitFor(LONG);
    engine.child.kill("SIGKILL");
    await engine.ended;
    await page.getByText(/The engine does not answer/).waitFor(LONG);
    await startEngine(new URL(address).port);
    await page.getByText(/The engine does not answer/).waitFor({ ...LONG, state: "hidden" });
    await page.keyboard.press("Control+3");
    await page.getByText("Finished").waitFor(LONG);
  });
});
