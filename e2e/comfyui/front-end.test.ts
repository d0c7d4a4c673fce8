// ComfyUI's official front end against our service, in a real browser: it loads, knows our nodes, opens a preset from a
// file, runs it, shows progress and the result.
//
// The front end is not in npm. Unpack the package comfyui-frontend-package from PyPI and name its folder `static`:
// COMFYUI_FRONT_END=…/comfyui_frontend_package/static. SCREENSHOTS names a folder for pictures of it.
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Serving, serve } from "./service.ts";

const FRONT_END = process.env.COMFYUI_FRONT_END;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);
const PHOTO = fileURLToPath(new URL("../../main/demo/samples/grace-hopper.jpg", import.meta.url));
const LAYOUT = fileURLToPath(new URL("../../workflows/DDColor人物黑白修复.ui.json", import.meta.url));
const why =
  FRONT_END === undefined
    ? "COMFYUI_FRONT_END does not name the front end's folder"
    : CHROMIUM === undefined
      ? "there is no Chromium"
      : undefined;

describe.skipIf(why !== undefined)(`the official front end${why === undefined ? "" : ` (${why})`}`, () => {
  let folder: string;
  let server: Serving;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-front-end-"));
    server = await serve(folder, ["--front-end", FRONT_END ?? ""]);
    await server.upload("input.jpg", await readFile(PHOTO));
    browser = await chromium.launch({
      executablePath: CHROMIUM ?? "",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-gl=swiftshader"],
    });
    page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
    page.on("response", (response) => {
      if (response.status() >= 400 && !isExpected(response.url())) {
        problems.push(`${response.status()} ${response.url()}`);
      }
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function picture(name: string): Promise<void> {
    const to = process.env.SCREENSHOTS;
    if (to !== undefined) await page.screenshot({ path: join(to, `${name}.png`) });
  }

  /** What ComfyUI itself answers with 404 on a fresh machine. */
  const isExpected = (url: string) => /\/api\/userdata[?/]|\/templates\/index[^/]*\.json/.test(url);

  it("loads, and knows our nodes", async () => {
    await page.goto(`http://${server.host}/`, { waitUntil: "load" });
    await page.waitForFunction(() => "app" in globalThis && "LiteGraph" in globalThis, undefined, {
      timeout: 60_000,
    });
    await page.waitForFunction(
      () => {
        const { LiteGraph } = globalThis as unknown as {
          LiteGraph: { registered_node_types: Record<string, unknown> };
        };
        return "DDColor-ddcolorize" in LiteGraph.registered_node_types;
      },
      undefined,
      { timeout: 60_000 },
    );
    await picture("1-loaded");
  });

  const nodeTypes = () =>
    page.evaluate(() => {
      const { app } = globalThis as unknown as { app: { graph: { nodes: { type: string }[] } } };
      return app.graph.nodes.map((node) => node.type);
    });

  it("offers the presets as templates, and opens one", async () => {
    await page.getByText("portrait", { exact: true }).click({ timeout: 60_000 });
    await expect.poll(nodeTypes, { timeout: 30_000 }).toContain("DDColor-ddcolorize");
    await expect.poll(() => page.title(), { timeout: 30_000 }).toContain("portrait");
    await picture("2-template");
  });

  it("opens a preset from a file", async () => {
    // By its content: without a UTF-8 locale the browser does not find a file of this name.
    const file = { name: basename(LAYOUT), mimeType: "application/json", buffer: await readFile(LAYOUT) };
    await page.setInputFiles("#comfy-file-input", file);
    await expect.poll(() => page.title(), { timeout: 30_000 }).toContain("DDColor");
    expect(await nodeTypes()).toContain("AutochromeLightDenoise");
    await picture("3-preset");
  });

  it("runs it, and shows the result", async () => {
    await page.getByTestId("queue-button").first().click();
    await expect
      .poll(async () => (await readdir(join(folder, "service", "output")).catch(() => [])).length, {
        timeout: 90_000,
      })
      .toBe(1);
    await page.waitForFunction(
      () => {
        const { app } = globalThis as unknown as {
          app: { graph: { nodes: { type: string; imgs?: unknown[] }[] } };
        };
        return app.graph.nodes.some((node) => node.type === "SaveImage" && (node.imgs?.length ?? 0) > 0);
      },
      undefined,
      { timeout: 30_000 },
    );
    await picture("4-result");
  });

  it("had nothing to complain about", () => {
    expect(problems).toEqual([]);
  });
});
