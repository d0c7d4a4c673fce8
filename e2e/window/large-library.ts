// biome-ignore-all lint/suspicious/noConsole: run by hand
// The library with 100,000 photos, measured in a real browser: first paint, scrolling at full speed, search as one types.
// Run by hand: node e2e/window/large-library.ts [photos]. Prints a table; numbers are of this machine, so none is asserted.
//
// What counts: tasks of the page's main thread over 50 ms, from the browser's own tracing; and how long a place in sight
// shows neither picture nor placeholder, looked at in every frame.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright";
import { z } from "zod";
import { buildWindow, findChromium } from "./bundle.ts";
import { startStandIn } from "./stand-in.ts";

const count = Number(process.argv[2] ?? 100_000);
const LONG_MS = 50;

const traceSchema = z.object({
  traceEvents: z.array(
    z.object({
      name: z.string(),
      ph: z.string(),
      pid: z.number(),
      tid: z.number(),
      ts: z.number(),
      dur: z.number().optional(),
      /** Of the thread itself: what it worked, without waiting for a core that others had. */
      tdur: z.number().optional(),
      args: z.object({ name: z.string().optional() }).loose().optional(),
    }),
  ),
});

interface Seen {
  readonly frames: number;
  readonly slowestFrameMs: number;
  readonly tiles: number;
  readonly longestBlankMs: number;
  readonly blanksOver100: number;
  readonly uncoveredFrames: number;
}

interface Task {
  readonly ms: number;
  /** Less than `ms` where the machine was busy with something else. */
  readonly cpuMs: number;
}

/** Tasks of the main threads of pages. */
async function tasksIn(file: string): Promise<Task[]> {
  const { traceEvents } = traceSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const mains = new Set(
    traceEvents.flatMap(({ name, args, pid, tid }) =>
      name === "thread_name" && args?.name === "CrRendererMain" ? [`${pid} ${tid}`] : [],
    ),
  );
  return traceEvents.flatMap(({ name, pid, tid, dur = 0, tdur = dur }) =>
    name === "RunTask" && mains.has(`${pid} ${tid}`) ? [{ ms: dur / 1000, cpuMs: tdur / 1000 }] : [],
  );
}

/** Looks at every frame while the grid is moved. @param pixelsPerFrame of scrolling; the way is the whole library */
function watch(page: Page, pixelsPerFrame: number, frames: number): Promise<Seen> {
  return page.evaluate(
    async ([step = 0, most = 0]) => {
      const grid = document.querySelector(".lib-grid")!;
      const blankSince = new Map<string, number>();
      const seen = {
        frames: 0,
        slowestFrameMs: 0,
        tiles: 0,
        longestBlankMs: 0,
        blanksOver100: 0,
        uncoveredFrames: 0,
      };
      const known = new Set<string>();
      let last = performance.now();
      for (let frame = 0; frame < most; frame++) {
        if (frame < most - 30) grid.scrollTop += step; // the last frames stand still
        const now = await new Promise<number>((resolve) =>
          requestAnimationFrame(() => resolve(performance.now())),
        );
        seen.frames++;
        seen.slowestFrameMs = Math.max(seen.slowestFrameMs, now - last);
        last = now;
        const frame_ = grid.getBoundingClientRect();
        let top = Number.POSITIVE_INFINITY;
        let bottom = 0;
        const blank = new Set<string>();
        for (const row of grid.querySelectorAll(".lib-row, .lib-heading")) {
          const box = row.getBoundingClientRect();
          top = Math.min(top, box.top);
          bottom = Math.max(bottom, box.bottom);
          if (box.bottom < frame_.top || box.top > frame_.bottom) continue;
          for (const cell of row.querySelectorAll<HTMLElement>(".lib-cell")) {
            known.add(cell.id);
            const picture = cell.querySelector("img");
            if (picture?.complete === true || cell.style.backgroundColor !== "") continue;
            blank.add(cell.id);
          }
        }
        const isEnd = grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 40;
        if (top > frame_.top + 40 || (bottom < frame_.bottom - 8 && !isEnd)) seen.uncoveredFrames++;
        for (const id of blank) if (!blankSince.has(id)) blankSince.set(id, now);
        for (const [id, since] of blankSince) {
          const passed = now - since;
          seen.longestBlankMs = Math.max(seen.longestBlankMs, passed);
          if (blank.has(id)) continue;
          if (passed > 100) seen.blanksOver100++;
          blankSince.delete(id);
        }
      }
      return { ...seen, tiles: known.size };
    },
    [pixelsPerFrame, frames],
  );
}

const rows: Record<string, string | number>[] = [];
function report(what: string, tasks: readonly Task[], more: Record<string, string | number>): void {
  rows.push({
    what,
    "longest task": Math.round(Math.max(...tasks.map(({ ms }) => ms))),
    "> 50 ms": tasks.filter(({ ms }) => ms > LONG_MS).length,
    "longest of CPU": Math.round(Math.max(...tasks.map(({ cpuMs }) => cpuMs))),
    "> 50 ms of CPU": tasks.filter(({ cpuMs }) => cpuMs > LONG_MS).length,
    ...more,
  });
}

async function traced<Result>(browser: Browser, page: Page, folder: string, work: () => Promise<Result>) {
  const path = join(folder, "trace.json");
  await browser.startTracing(page, {
    path,
    categories: [
      "-*",
      "toplevel",
      "devtools.timeline",
      "disabled-by-default-devtools.timeline",
      "__metadata",
    ],
  });
  const result = await work().finally(() => browser.stopTracing());
  return { result, tasks: await tasksIn(path) };
}

const folder = await mkdtemp(join(tmpdir(), "autochrome-large-"));
const executablePath = findChromium();
if (executablePath === undefined) throw new Error("there is no Chromium");
const standIn = await startStandIn(await buildWindow(folder), count);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } });
  const first = await traced(browser, page, folder, async () => {
    const began = performance.now();
    await page.goto(`${standIn.address}/`);
    await page.waitForFunction(
      () => {
        const all = [...document.querySelectorAll<HTMLImageElement>(".lib-cell img")];
        return all.length > 5 && all.slice(0, 6).every((one) => one.complete);
      },
      undefined,
      { polling: "raf" },
    );
    return performance.now() - began;
  });
  report("open", first.tasks, { ms: Math.round(first.result) });

  const height = await page.evaluate(() => document.querySelector(".lib-rows")?.clientHeight ?? 0);
  for (const [what, step, frames] of [
    ["scroll, a screen a second", 18, 600],
    ["scroll, ten screens a second", 180, 600],
    ["scroll through all in 10 s", Math.ceil(height / 600), 630],
  ] as const) {
    await page.evaluate(() => document.querySelector(".lib-grid")!.scrollTo(0, 0));
    await page.waitForTimeout(500);
    const { result, tasks } = await traced(browser, page, folder, () => watch(page, step, frames));
    report(what, tasks, {
      frames: result.frames,
      "slowest frame ms": Math.round(result.slowestFrameMs),
      tiles: result.tiles,
      "longest blank ms": Math.round(result.longestBlankMs),
      "blanks > 100 ms": result.blanksOver100,
      "uncovered frames": result.uncoveredFrames,
    });
  }

  const typed = await traced(browser, page, folder, async () => {
    await page.locator("#library-search").pressSequentially("grace", { delay: 60 });
    const began = performance.now();
    await page.waitForFunction(
      () =>
        !/[1-9]\d\d,\d\d\d/.test(document.querySelector(".lib-total")?.textContent ?? "") &&
        document.querySelectorAll(".lib-cell").length > 0 &&
        location.hash.includes("grace"),
      undefined,
      { polling: "raf" },
    );
    return performance.now() - began;
  });
  report("search as one types", typed.tasks, { ms: Math.round(typed.result) });

  await page.locator("#library-search").fill("");
  await page.waitForTimeout(1500);
  const chosen = await traced(browser, page, folder, async () => {
    await page.locator(".lib-grid").focus();
    await page.keyboard.press("Control+a");
    await page.waitForSelector(".lib-chosen-bar");
  });
  report("select all", chosen.tasks, {});
  const resized = await traced(browser, page, folder, async () => {
    for (let width = 1900; width > 1500; width -= 40) {
      await page.setViewportSize({ width, height: 1080 });
      await page.waitForTimeout(60);
    }
  });
  report("resize the window", resized.tasks, {});
} finally {
  await browser.close();
  await standIn.close();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${count.toLocaleString("en")} photos`);
console.table(rows);
