// The library's window in a real browser, on the real engine: photos come in, are found, chosen, put into albums, described.
// SCREENSHOTS names a folder for pictures of it.
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Running, start } from "../cli.ts";
import { buildWindow, findChromium, useBundle } from "./bundle.ts";

const SAMPLES = fileURLToPath(new URL("../../main/demo/samples/", import.meta.url));
const executablePath = findChromium();
const PHOTOS = 7;
/** Machines that run tests are busy. */
const LONG = { timeout: 30_000 };

describe.skipIf(executablePath === undefined)("the library (needs a Chromium)", () => {
  let folder: string;
  let photos: string;
  let engine: Running;
  let url: string;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-library-")));
    photos = join(folder, "photos");
    await mkdir(photos);
    await cp(SAMPLES, photos, { recursive: true, filter: (path) => !/\.(md|json)$/.test(path) });
    await writeFile(join(photos, "broken.jpg"), "no photo at all");
    engine = start(["serve", "--host", "127.0.0.1", "--port", "0"], {
      AUTOCHROME_LIBRARY: join(folder, "library"),
      AUTOCHROME_CONFIG: join(folder, "config.json"),
    });
    const [line, bundle] = await Promise.all([
      engine.lineWith(({ listening }) => typeof listening === "string"),
      buildWindow(folder),
    ]);
    url = String(line.listening);
    await fetch(`${url}/library/window`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ isSettled: true, language: "en", theme: "light" }),
    });
    browser = await chromium.launch({
      executablePath: executablePath ?? "",
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
    await useBundle(context, bundle);
    page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`${url}/#/library`);
  });
  afterAll(async () => {
    await browser?.close();
    engine?.child.kill("SIGTERM");
    await engine?.ended;
    await rm(folder, { recursive: true, force: true });
  });

  const grid = () => page.getByRole("listbox", { name: "Photos", exact: true });
  const cells = () => grid().getByRole("option");
  const status = () => page.locator(".lib-total").innerText();
  const total = (text: string) => expect.poll(status, LONG).toBe(text);
  const link = (name: RegExp) =>
    page.getByRole("navigation", { name: "Library" }).getByRole("link", { name });
  async function seriousFaults(): Promise<string[]> {
    const { violations } = await new AxeBuilder({ page }).analyze();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id} ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  }
  async function picture(name: string): Promise<void> {
    const to = process.env.SCREENSHOTS;
    if (to !== undefined) await page.screenshot({ path: join(to, `library-${name}.png`) });
  }

  it("says what to do while it is empty, imports a folder, and says what was skipped and why", async () => {
    await page.getByRole("button", { name: "Import photos" }).click();
    const dialog = page.getByRole("dialog", { name: "Import photos" });
    await dialog.getByLabel("From this folder, with all folders in it").fill(photos);
    await page.keyboard.press("Enter");
    await dialog.getByText(`${PHOTOS + 1} photos right in this folder`).waitFor();
    await picture("import");
    await dialog.getByRole("button", { name: "Import", exact: true }).click();
    await total(`${PHOTOS} photos`);
    await page.getByRole("button", { name: "See why" }).click();
    const report = page.getByRole("dialog", { name: "What was skipped" });
    expect(await report.getByRole("listitem").allInnerTexts()).toEqual([
      expect.stringMatching(/^broken\.jpg\n.{10,}\n.{5,}/),
    ]);
    await report.getByRole("button", { name: "Close" }).click();
    await expect.poll(() => cells().count(), LONG).toBe(PHOTOS);
  });

  it("is walked through and chosen from by keys, and says so to those who hear it", async () => {
    await grid().focus();
    const active = async () =>
      page.locator(`#${await grid().getAttribute("aria-activedescendant")}`).getAttribute("aria-label");
    const names = await cells().evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
    expect(names.every((name) => (name ?? "").length > 3 && name !== "Photo, loading")).toBe(true);
    await page.keyboard.press("Home");
    await total("1 selected");
    expect(await active()).toBe(names[0]);
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    await total("3 selected");
    await page.keyboard.press("Control+ArrowRight");
    await page.keyboard.press("Control+ArrowRight");
    expect(await active()).toBe(names[4]);
    await page.keyboard.press("Space");
    await total("4 selected");
    expect(await cells().evaluateAll((all) => all.map((one) => one.getAttribute("aria-selected")))).toEqual(
      names.map((_, at) => String(at < 3 || at === 4)),
    );
    await page.keyboard.press("Control+a");
    await total(`${PHOTOS} selected`);
    await page.keyboard.press("Escape");
    await total(`${PHOTOS} photos`);
  });

  it("is chosen from by clicks and by a rectangle", async () => {
    await cells().nth(1).click();
    await cells()
      .nth(3)
      .click({ modifiers: ["Shift"] });
    await total("3 selected");
    await cells()
      .nth(2)
      .click({ modifiers: ["Control"] });
    await total("2 selected");
    const frame = (await grid().boundingBox())!;
    await page.mouse.move(frame.x + 3, frame.y + frame.height - 5);
    await page.mouse.down();
    await page.mouse.move(frame.x + 400, frame.y + 90, { steps: 4 });
    await page.mouse.up();
    expect(await status()).toMatch(/^[1-7] selected$/);
    expect(await cells().first().getAttribute("aria-selected")).toBe("true");
  });

  it("puts photos into albums by keys, and takes that back", async () => {
    await cells().nth(0).click();
    await cells()
      .nth(1)
      .click({ modifiers: ["Control"] });
    await page.keyboard.press("b");
    await page.getByText("Type a name to make the first album.").waitFor();
    expect(await seriousFaults()).toEqual([]);
    await page.keyboard.type("Summer 1936");
    await page.keyboard.press("Enter");
    await link(/^Summer 1936 2$/).waitFor();
    await page.getByText("2 photos added to “Summer 1936”.").waitFor(); // only then it can be undone
    await page.keyboard.press("Control+z");
    await expect.poll(() => link(/^Summer 1936/).count(), LONG).toBe(0);
    await page.keyboard.press("Control+Shift+z");
    await link(/^Summer 1936 2$/).click();
    await total("2 photos");
    await cells().nth(0).click();
    await page.keyboard.press("Backspace");
    await expect.poll(() => cells().count(), LONG).toBe(1);
    await page.keyboard.press("Control+z");
    await expect.poll(() => cells().count(), LONG).toBe(2);
  });

  it("takes photos that are dragged onto an album, renames and deletes it, and brings it back", async () => {
    await link(/^All photos/).click();
    await total(`${PHOTOS} photos`);
    await cells()
      .nth(4)
      .dragTo(link(/^Summer 1936/));
    await link(/^Summer 1936 3$/).waitFor();
    await page.getByRole("button", { name: "What to do with “Summer 1936”" }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByLabel("Name of the album").fill("<b>Lake</b>");
    await page.keyboard.press("Enter");
    await link(/^<b>Lake<\/b> 3$/).waitFor();
    await page.getByRole("button", { name: "What to do with “<b>Lake</b>”" }).click();
    await page.getByRole("menuitem", { name: "Delete album" }).click();
    await page.getByText("“<b>Lake</b>” deleted.").waitFor();
    await expect.poll(() => link(/Lake/).count(), LONG).toBe(0);
    await page.keyboard.press("Control+z");
    await link(/^<b>Lake<\/b> 3$/).waitFor();
  });

  it("changes what is known of a photo, keeps it, and takes it back", async () => {
    await cells().nth(0).click();
    await page.keyboard.press("i");
    const details = page.getByRole("complementary", { name: "Details" });
    const title = details.getByLabel("Title");
    await title.fill('Grandmother <img src=x onerror="alert(1)"> at the window');
    await title.press("Enter");
    await details.getByLabel("Year").fill("1936");
    await details.getByLabel("Month").selectOption("2");
    await details.getByLabel("Day").selectOption(""); // not known any more
    await details.getByLabel("People").fill("Anna, فاطمة");
    await details.getByLabel("People").press("Enter");
    await details.getByLabel("Caption").fill("x".repeat(10_000));
    await details.getByRole("button", { name: "4 stars" }).click();
    await page
      .getByRole("option", { name: /^February 1936, Grandmother <img .* at the window, .*4 stars$/ })
      .waitFor();
    await expect.poll(() => page.locator(".lib-heading").allInnerTexts(), LONG).toContain("1936");
    await picture("details");
    await page.reload();
    await page.getByRole("option", { name: /^February 1936, Grandmother/ }).click();
    expect(await details.getByRole("list", { name: "People" }).innerText()).toBe("Anna\nفاطمة");
    expect((await details.getByLabel("Caption").inputValue()).length).toBe(10_000);
    await details.getByLabel("Year").fill("");
    await details.getByText("This is no date.").waitFor();
    await details.getByLabel("Year").fill("1940");
    await details.getByLabel("Title").click();
    await page.getByRole("option", { name: /^February 1940/ }).waitFor();
    await grid().focus();
    await page.keyboard.press("Control+z");
    await page.getByRole("option", { name: /^February 1936/ }).waitFor();
  });

  it("finds as one types, suggests filters, and says when there is nothing", async () => {
    await page.keyboard.press("Control+f");
    await page.keyboard.type("grandm");
    await total("1 photo");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("ye");
    await page.getByRole("option", { name: /^Taken in a year or between two/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.keyboard.type("1930..1939");
    await total("1 photo");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("nobodyhasthisword");
    await page.getByRole("heading", { name: "Nothing found" }).waitFor();
    await page.getByRole("main").getByRole("button", { name: "Clear the search" }).last().click();
    await total(`${PHOTOS} photos`);
  });

  it("is where it was when one comes back from a photo", async () => {
    await page.setViewportSize({ width: 1000, height: 420 });
    for (let time = 0; time < 4; time++) await page.keyboard.press("+");
    await grid().evaluate((one) => one.scrollTo(0, 500));
    await page.waitForTimeout(300);
    const before = await grid().evaluate((one) => one.scrollTop);
    expect(before).toBeGreaterThan(100);
    const seen = cells().nth(3);
    const id = await seen.getAttribute("id");
    await seen.dispatchEvent("dblclick");
    await expect
      .poll(() => page.evaluate(() => location.hash), LONG)
      .toBe(`#/review/${id?.replace("photo-", "")}`);
    await page.goBack();
    await grid().waitFor();
    await expect.poll(() => grid().evaluate((one) => one.scrollTop), LONG).toBe(before);
    await page.keyboard.press("Escape");
    for (let time = 0; time < 4; time++) await page.keyboard.press("-");
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it("takes what is dropped on the window", async () => {
    const file = await page.evaluateHandle(async () => {
      const canvas = new OffscreenCanvas(300, 200);
      const brush = canvas.getContext("2d");
      brush?.fillRect(20, 20, 100, 100);
      const transfer = new DataTransfer();
      transfer.items.add(new File([await canvas.convertToBlob()], "dropped.png", { type: "image/png" }));
      return transfer;
    });
    await page.dispatchEvent("body", "dragenter", { dataTransfer: file });
    await page.getByText("Drop to import").waitFor();
    await page.dispatchEvent("body", "drop", { dataTransfer: file });
    await total(`${PHOTOS + 1} photos`);
    await page.getByRole("option", { name: /dropped\.png/ }).click();
    await page.keyboard.press("Delete");
    await page.getByRole("button", { name: "Remove from library" }).last().click();
    await total(`${PHOTOS} photos`);
  });

  it("has no serious fault for assistive technology, in light and dark, in English and Chinese", async () => {
    await cells().nth(0).click();
    for (const [theme, language] of [
      ["light", "en"],
      ["dark", "zh-CN"],
    ] as const) {
      await page.evaluate(
        ([one, other]) =>
          fetch("/library/window", {
            method: "PATCH",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ theme: one, language: other }),
          }),
        [theme, language],
      );
      await page.reload();
      await page.locator(".lib-cell img").first().waitFor();
      await page.locator(".lib-cell").first().click();
      await page.locator(".lib-details .lib-facts").waitFor();
      await picture(`${theme}-${language}`);
      for (const what of ["room", "Control+i", "Control+e", "b", "s"]) {
        if (what !== "room") {
          await page.locator(".lib-grid").focus();
          await page.keyboard.press(what);
          await page.getByRole("dialog").waitFor();
        }
        expect(await seriousFaults(), what).toEqual([]);
        if (what !== "room") await picture(`${theme}-${language}-${what}`);
        await page.keyboard.press("Escape");
        await expect.poll(() => page.getByRole("dialog").count(), LONG).toBe(0);
        await page.locator(".lib-cell").first().click();
      }
      expect(await page.locator("body").innerText()).not.toMatch(/\b(library|actions|frame)\.[a-z]/i);
    }
    expect(problems).toEqual([]);
  });
});
