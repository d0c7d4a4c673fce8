import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, test } from "vitest";
import { z } from "zod";

const folder = fileURLToPath(new URL("samples/", import.meta.url));
const text = z.string().min(1);
const schema = z.strictObject({
  samples: z.array(
    z.strictObject({
      file: text,
      title: z.strictObject({ en: text, "zh-CN": text }),
      author: text,
      year: text,
      source: z.strictObject({ package: text, original: text }),
      licence: z.enum(["public domain", "CC0-1.0"]),
      why: text,
    }),
  ),
});

test("every sample is small, grey, and has its source and free licence written down", async () => {
  const { samples } = schema.parse(JSON.parse(await readFile(join(folder, "samples.json"), "utf8")));
  const table = await readFile(join(folder, "SAMPLES.md"), "utf8");
  const files = (await readdir(folder)).filter((name) => extname(name) === ".jpg");
  expect(samples.map(({ file }) => file).sort()).toEqual(files.sort());
  let bytes = 0;
  for (const { file, title } of samples) {
    bytes += (await stat(join(folder, file))).size;
    const { width, height, channels, format } = await sharp(join(folder, file)).metadata();
    expect([format, channels], file).toEqual(["jpeg", 1]);
    expect(Math.max(width, height), file).toBeGreaterThanOrEqual(480);
    expect(Math.max(width, height), file).toBeLessThanOrEqual(800);
    expect(table).toContain(file);
    expect(table).toContain(title["zh-CN"]);
  }
  expect(bytes).toBeLessThan(1_000_000);
});
