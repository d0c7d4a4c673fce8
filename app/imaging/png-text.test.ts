import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { addPngText, readPngText } from "./png-text.ts";
import { sceneOf } from "./testing.ts";

test("texts are in the file, any reader sees them, and the pixels are as before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-png-"));
  try {
    const file = join(folder, "a.png");
    await sceneOf(40, 30, 3, 8).png().toFile(file);
    const before = await sharp(file).raw().toBuffer();
    const prompt = { "1": { class_type: "LoadImage", _meta: { title: "载入图像 🖼" } } };
    await addPngText(file, { prompt, workflow: { nodes: [] } });
    const texts = await readPngText(file);
    expect(JSON.parse(texts.prompt!)).toEqual(prompt);
    expect(texts.workflow).toBe('{"nodes":[]}');
    expect(texts.prompt).toMatch(/^[ -~]+$/);
    expect(await sharp(file, { failOn: "warning" }).raw().toBuffer()).toEqual(before);
    const comments = (await sharp(file).metadata()).comments;
    expect(comments?.map(({ keyword }) => keyword)).toEqual(["prompt", "workflow"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a chunk that says it is enormous is not believed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-png-"));
  try {
    const file = join(folder, "a.png");
    const png = await sceneOf(40, 30, 3, 8).png().toBuffer();
    const bomb = Buffer.from("\xff\xff\xff\xf0tEXtprompt\0{}", "latin1");
    await writeFile(file, Buffer.concat([png.subarray(0, 33), bomb, png.subarray(33)]));
    expect(await readPngText(file)).toEqual({});
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that is no PNG has none, and gets none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-png-"));
  try {
    const file = join(folder, "a.jpg");
    await sceneOf(40, 30, 3, 8).jpeg().toFile(file);
    expect(await readPngText(file)).toEqual({});
    await expect(addPngText(file, { prompt: {} })).rejects.toThrow("PNG");
  } finally {
    await rm(folder, { recursive: true });
  }
});
