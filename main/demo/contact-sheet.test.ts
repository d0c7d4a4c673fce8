import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import { layOutSheet, makeContactSheet } from "./contact-sheet.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-sheet-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function picture(name: string, width: number, height: number, colour: string): Promise<string> {
  const path = join(folder, name);
  await sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toFile(path);
  return path;
}

async function pixel(file: string, left: number, top: number): Promise<number[]> {
  return [...(await sharp(file).extract({ left, top, width: 1, height: 1 }).raw().toBuffer())];
}

/** Standard deviation of the caption's place under the first pair: 0 where nothing is written. */
async function captionInk(file: string, line: number): Promise<number> {
  const { channels } = await sharp(
    await sharp(file)
      .extract({ left: 64, top: line + 4, width: 774, height: 44 })
      .toBuffer(),
  ).stats();
  return Math.max(...channels.map((channel) => channel.stdev));
}

test("the sheet is a PNG of the laid-out size with the pictures in their places", async () => {
  const before = await picture("before.png", 600, 400, "#808080");
  const after = await picture("after.png", 600, 400, "#cc4422");
  const tall = await picture("tall.png", 100, 300, "#2244cc");
  const sheet = join(folder, "sheet.png");
  const pairs = [
    { title: "One", before, after },
    { title: "Two", before: tall, after: tall },
    { title: "Three", before, after },
  ];
  const hashes = () =>
    Promise.all(
      [before, after, tall].map(async (file) =>
        createHash("sha256")
          .update(await readFile(file))
          .digest("hex"),
      ),
    );
  const untouched = await hashes();
  await makeContactSheet(pairs, sheet);
  const layout = layOutSheet([256, 384, 256]);
  const { format, width, height } = await sharp(sheet).metadata();
  expect({ format, width, height }).toEqual({ format: "png", width: layout.width, height: layout.height });
  expect(layout).toMatchObject({ columns: 2, width: 2 * 64 + 2 * 774 + 56 });
  const middle = layout.lines[0]! - 128;
  expect(await pixel(sheet, 64 + 10, middle)).toEqual([0x80, 0x80, 0x80]);
  expect(await pixel(sheet, 64 + 774 - 10, middle)).toEqual([0xcc, 0x44, 0x22]);
  expect(await pixel(sheet, 64 + 774 / 2, middle)).toEqual([0xf6, 0xf3, 0xed]);
  expect(await pixel(sheet, 64 + 774 - 10, layout.lines[1]! - 10)).toEqual([0xcc, 0x44, 0x22]);
  expect(await hashes()).toEqual(untouched);
});

test("hostile, long and Chinese titles are drawn as text; an older sheet is replaced whole", async () => {
  const photo = await picture("a.png", 40, 30, "#808080");
  const sheet = join(folder, "sheet.png");
  await writeFile(sheet, "old");
  const titles = [
    "</text></svg><script>alert(1)</script>",
    "&unknown; ]]> <!-- \0\x1b\ud800",
    "外婆，一九三六年".repeat(50),
    "👩‍👩‍👧‍👦".repeat(100),
    "",
    "line\nbreak",
  ];
  await makeContactSheet(
    titles.map((title) => ({ title, before: photo, after: photo })),
    sheet,
  );
  expect((await sharp(sheet).metadata()).format).toBe("png");
  expect((await readdir(folder)).sort()).toEqual(["a.png", "sheet.png"]);
});

test("a photo that cannot be read leaves the older sheet as it was", async () => {
  const photo = await picture("a.png", 40, 30, "#808080");
  const sheet = join(folder, "sheet.png");
  await writeFile(sheet, "old");
  await expect(
    makeContactSheet([{ title: "", before: photo, after: join(folder, "no.png") }], sheet),
  ).rejects.toThrow();
  expect(await readFile(sheet, "utf8")).toBe("old");
  for (const count of [0, 101]) {
    const pairs = Array.from({ length: count }, () => ({ title: "", before: photo, after: photo }));
    await expect(makeContactSheet(pairs, sheet)).rejects.toMatchObject({ code: "usage" });
  }
});

// Elsewhere the system's fonts cannot be taken away.
test.skipIf(process.platform !== "linux")(
  "without any font there are no captions instead of boxes",
  async () => {
    const photo = await picture("a.png", 300, 200, "#808080");
    const sheet = join(folder, "sheet.png");
    const config = join(folder, "fonts.conf");
    await writeFile(
      config,
      `<?xml version="1.0"?><fontconfig><cachedir>${folder}/fonts</cachedir></fontconfig>`,
    );
    const module = new URL("contact-sheet.ts", import.meta.url).href;
    const script = `const { makeContactSheet } = await import(${JSON.stringify(module)});
    await makeContactSheet([{ title: "外婆 1936", before: ${JSON.stringify(photo)}, after: ${JSON.stringify(photo)} }],
      ${JSON.stringify(sheet)});`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, FONTCONFIG_FILE: config },
      encoding: "utf8",
    });
    expect(child.status, child.stderr).toBe(0);
    expect(await captionInk(sheet, layOutSheet([256]).lines[0]!)).toBe(0);
  },
);
