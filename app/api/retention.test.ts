import { mkdir, mkdtemp, readdir, realpath, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLogger, temporaryBeside } from "../kernel/index.ts";
import { type Folders, openFolders } from "./folders.ts";
import { cleanFolders, type RetentionRules, startCleaning } from "./retention.ts";

let root: string;
let folders: Folders;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "autochrome-retention-")));
  folders = await openFolders(root);
});
afterEach(() => rm(root, { recursive: true }));

const NOW = Date.UTC(2026, 5, 1);
const DAY = 24 * 60 * 60 * 1000;
const never = { maxDays: 0, maxBytes: 0 };
const KEEP: RetentionRules = { input: never, output: never, temp: never };

async function put(path: string, ageDays: number, bytes = 100): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, Buffer.alloc(bytes));
  const time = new Date(NOW - ageDays * DAY);
  await utimes(full, time, time);
  return full;
}
async function files(): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}
const clean = (rules: Partial<RetentionRules>, graphs: readonly unknown[] = []) =>
  cleanFolders(folders, { ...KEEP, ...rules }, () => graphs, NOW);

it("removes by age, in each folder by its own rule", async () => {
  for (const type of ["input", "output", "temp"])
    for (const age of [1, 8, 40]) await put(`${type}/sub/${age}.png`, age);
  const cleaned = await clean({
    input: { maxDays: 30, maxBytes: 0 },
    output: { maxDays: 7, maxBytes: 0 },
  });
  expect(cleaned).toEqual({ files: 3, bytes: 300 });
  expect(await files()).toEqual([
    "input/sub/1.png",
    "input/sub/8.png",
    "output/sub/1.png",
    "temp/sub/1.png",
    "temp/sub/40.png",
    "temp/sub/8.png",
  ]);
});

it("removes the oldest above a size, and no more than it must", async () => {
  for (const age of [1, 2, 3, 4, 5]) await put(`output/${age}.png`, age, 1000);
  await clean({ output: { maxDays: 0, maxBytes: 3500 } });
  expect(await files()).toEqual(["output/1.png", "output/2.png", "output/3.png"]);
  expect(await clean({ output: { maxDays: 0, maxBytes: 3500 } })).toEqual({ files: 0, bytes: 0 });
});

it("never removes what was just made, however full it is", async () => {
  await put("output/new.png", 0, 5000);
  await put("output/old.png", 1, 5000);
  await clean({ output: { maxDays: 0, maxBytes: 1 } });
  expect(await files()).toEqual(["output/new.png"]);
});

it("never removes a file that a prompt names", async () => {
  for (const name of ["input/a.jpg", "input/album/b.jpg", "output/c.png", "input/d.jpg", "input/e.jpg"])
    await put(name, 100);
  const graphs = [
    { 1: { class_type: "LoadImage", inputs: { image: "a.jpg" } } },
    {
      7: {
        class_type: "X",
        inputs: { list: { __value__: ["album/b.jpg", 3] }, image: "c.png [output]", bad: "../../etc/passwd" },
      },
    },
  ];
  const rule = { maxDays: 30, maxBytes: 1 };
  await clean({ input: rule, output: rule }, graphs);
  expect(await files()).toEqual(["input/a.jpg", "input/album/b.jpg", "output/c.png"]);
});

it("leaves alone what is not the service's: users' files, links and what they point to, files that are being written", async () => {
  await put("users/default/workflow.json", 1000);
  await put("elsewhere/precious.png", 1000);
  await symlink(join(root, "elsewhere"), join(root, "output", "folder"));
  await symlink(join(root, "elsewhere", "precious.png"), join(root, "output", "link.png"));
  const written = relative(root, temporaryBeside(join(root, "output", "x"), ".png"));
  await put(written, 1000);
  const rule = { maxDays: 1, maxBytes: 1 };
  expect(await clean({ input: rule, output: rule, temp: rule })).toEqual({ files: 0, bytes: 0 });
  expect(await files()).toEqual([
    "elsewhere/precious.png",
    written,
    "output/folder",
    "output/link.png",
    "users/default/workflow.json",
  ]);
});

it("removes what a dead process left half done", async () => {
  await put("output/.autochrome-0123456789abcdefghjkmnpqrs-999999999.tmp.png", 0);
  await put("incoming/0123456789abcdefghjkmnpqrs", 1);
  await put("incoming/under-way", 0);
  await clean({});
  expect(await files()).toEqual(["incoming/under-way"]);
});

it("cleans at the start, then periodically, and stops", async () => {
  const old = await put("output/old.png", 0);
  await utimes(old, new Date(0), new Date(0));
  let heard = 0;
  const cleaning = startCleaning({
    folders,
    rules: { ...KEEP, output: { maxDays: 1, maxBytes: 0 } },
    inUse: () => [],
    everyMs: 5,
    log: silentLogger(),
    onCleaned: ({ files: count }) => {
      heard += count;
    },
  });
  while (heard < 1) await new Promise((resolve) => setTimeout(resolve, 2));
  const second = await put("output/second.png", 0);
  await utimes(second, new Date(0), new Date(0));
  while (heard < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  await cleaning.stop();
  await expect(stat(second)).rejects.toThrow();
  expect(heard).toBe(2);
});
