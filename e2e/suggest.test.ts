// `suggest` and its answers through the real command line.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listPresets } from "../app/workflow/index.ts";
import { hashesBelow, run } from "./cli.ts";

const SAMPLES = fileURLToPath(new URL("../main/demo/samples/", import.meta.url));
let root: string;
let library: Record<string, string>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-suggest-"));
  library = { AUTOCHROME_LIBRARY: join(root, "library") };
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe("suggest", () => {
  it("says for each photo a preset that there is, why, and where the faces are; and writes nothing", async () => {
    const before = await hashesBelow(SAMPLES);
    const { code, lines, summary } = await run(["suggest", SAMPLES], library);
    expect(code).toBe(0);
    expect(summary).toEqual({ suggested: 7, failed: 0 });
    const aliases = listPresets().map(({ alias }) => alias);
    for (const line of lines.slice(0, -1)) expect(aliases).toContain(line.preset);
    expect(lines).toContainEqual({
      file: join(SAMPLES, "grace-hopper.jpg"),
      preset: "portrait",
      why: { en: expect.stringMatching(/^One face/), zh: expect.stringMatching(/人脸/) },
      confidence: expect.any(Number),
      faces: [expect.objectContaining({ x: expect.any(Number), width: expect.any(Number) })],
      straightness: expect.any(Number),
    });
    expect(await hashesBelow(SAMPLES)).toEqual(before);
  });

  it("explains what it cannot look at, and goes on with the rest", async () => {
    const folder = join(root, "mixed");
    await mkdir(folder);
    const photo = sharp({ create: { width: 1, height: 1, channels: 3, background: "#777" } });
    await photo.png().toFile(join(folder, "one-pixel.png"));
    await writeFile(join(folder, "empty.jpg"), "");
    await writeFile(join(folder, "words.jpg"), "not a picture");
    const big = sharp({ create: { width: 1500, height: 1500, channels: 3, background: "#777" } });
    await big.png().toFile(join(folder, "too-large.png"));
    const { code, lines, summary } = await run(["suggest", folder, join(root, "nowhere.jpg")], {
      ...library,
      AUTOCHROME_MAX_MEGAPIXELS: "2",
    });
    expect(code).toBe(1);
    expect(summary).toEqual({ suggested: 1, failed: 4 });
    for (const [file, error] of [
      [join(root, "nowhere.jpg"), "not-found"],
      [join(folder, "empty.jpg"), "empty-file"],
      [join(folder, "words.jpg"), "not-an-image"],
      [join(folder, "too-large.png"), "image-too-large"],
    ]) {
      expect(lines).toContainEqual({ file, error: expect.objectContaining({ code: error }) });
    }
    expect(lines).toContainEqual(
      expect.objectContaining({ file: join(folder, "one-pixel.png"), preset: "quick" }),
    );
  });

  it("says so where there are no photos", async () => {
    const folder = join(root, "nothing");
    await mkdir(folder);
    const { code, stderr } = await run(["suggest", folder], library);
    expect(code).toBe(2);
    expect(stderr).toContain("There are no photos here.");
  });
});
