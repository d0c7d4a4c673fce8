import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copyAtomically, sweepLeftovers, writeAtomically, writeFileAtomically } from "./index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-atomic-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a file appears under its name only when it is whole", async () => {
  const target = join(folder, "result.png");
  await writeAtomically(target, { overwrite: false }, async (temporary) => {
    expect(temporary.endsWith(".png")).toBe(true);
    await writeFile(temporary, "half");
    expect(await readdir(folder)).not.toContain("result.png");
    await writeFile(temporary, "whole");
  });
  expect(await readdir(folder)).toEqual(["result.png"]);
  expect(await readFile(target, "utf8")).toBe("whole");
});

test("a failed write leaves the old file and no rest", async () => {
  const target = join(folder, "result.png");
  await writeFile(target, "old");
  const failing = writeAtomically(target, { overwrite: true }, async (temporary) => {
    await writeFile(temporary, "new");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await readdir(folder)).toEqual(["result.png"]);
  expect(await readFile(target, "utf8")).toBe("old");
});

test("nothing is replaced unless asked for, even by two writers at once", async () => {
  const target = join(folder, "a.txt");
  const writes = await Promise.allSettled(
    ["one", "two", "three"].map((text) => writeFileAtomically(target, text, { overwrite: false })),
  );
  expect(writes.filter((write) => write.status === "fulfilled")).toHaveLength(1);
  const refused = writes.filter((write) => write.status === "rejected");
  for (const { reason } of refused) expect(reason).toMatchObject({ code: "output-exists" });
  await writeFileAtomically(target, "four", { overwrite: true });
  expect(await readFile(target, "utf8")).toBe("four");
});

test("a copy is equal and the source stays", async () => {
  await writeFile(join(folder, "a"), "original");
  await copyAtomically(join(folder, "a"), join(folder, "b"), { overwrite: false });
  expect(await readFile(join(folder, "b"), "utf8")).toBe("original");
  expect(await readFile(join(folder, "a"), "utf8")).toBe("original");
});

test("leftovers of a killed process are swept; those of a running one and other files stay", async () => {
  const dead = spawnSync(process.execPath, ["-e", "console.log(process.pid)"], {
    encoding: "utf8",
  }).stdout.trim();
  const id = "0".repeat(26);
  const own = `.autochrome-${id}-${process.pid}.tmp.png`;
  await writeFile(join(folder, `.autochrome-${id}-${dead}.tmp.png`), "");
  await writeFile(join(folder, own), "");
  await writeFile(join(folder, "photo.tmp"), "");
  expect(await sweepLeftovers(folder)).toBe(1);
  expect((await readdir(folder)).sort()).toEqual([own, "photo.tmp"]);
  expect(await sweepLeftovers(join(folder, "not-there"))).toBe(0);
});
