// Every preset, and workflow files of the user's, through the command line, the library and the service.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listPresets, readLayout, readPreset } from "../app/workflow/index.ts";
import { hashesBelow, run } from "./cli.ts";
import { type Serving, serve } from "./comfyui/service.ts";
import { colourOf } from "./pictures.ts";

const SAMPLE = fileURLToPath(new URL("../main/demo/samples/eileen-collins.jpg", import.meta.url));
const [WIDTH, HEIGHT] = [240, 300];
const PRESETS = listPresets().map(({ alias }) => alias);

let root: string;
let photos: string;
let before: Map<string, string>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-workflows-"));
  photos = join(root, "photos");
  await mkdir(photos);
  await sharp(SAMPLE)
    .resize(WIDTH, HEIGHT)
    .greyscale()
    .withExif({ IFD0: { ImageDescription: "A sample" } })
    .jpeg()
    .toFile(join(photos, "input.jpg"));
  before = await hashesBelow(photos);
});
afterAll(() => rm(root, { recursive: true }));

/** How many times as wide as the photo a result is: three variants lie side by side. */
const timesAsWide = (preset: string) => (preset === "variants" ? 3 : 1);

describe("the command line", () => {
  it.each(PRESETS)("colours with %s", async (preset) => {
    const out = join(root, "out", preset);
    const { code, lines } = await run(["colorize", photos, "--out", out, "--workflow", preset]);
    expect(code).toBe(0);
    const output = String(lines[0]?.output);
    const { format, width, height, exif } = await sharp(output).metadata();
    expect({ format, height }).toEqual({ format: "jpeg", height: HEIGHT });
    expect(Math.abs((width ?? 0) / timesAsWide(preset) - WIDTH)).toBeLessThan(20);
    expect(exif?.toString("latin1")).toContain("A sample");
    expect(await colourOf(output)).toBeGreaterThan(3);
  });

  it("runs a file in either format alike, with the flags' values in place of its own", async () => {
    await writeFile(join(root, "api.json"), JSON.stringify(await readPreset("portrait")));
    await writeFile(join(root, "ui.json"), JSON.stringify(await readLayout("portrait")));
    const pictures: Buffer[] = [];
    for (const file of ["api.json", "ui.json"]) {
      const out = join(root, `out-${file}`);
      const flags = ["--workflow", join(root, file), "--model-size", "128", "--format", "png"];
      expect((await run(["colorize", photos, "--out", out, ...flags])).code).toBe(0);
      pictures.push(await sharp(join(out, "input.png")).raw().toBuffer());
    }
    expect(pictures[0]!.equals(pictures[1]!)).toBe(true);
  });

  it("says what is wrong with a workflow before anything is done", async () => {
    const graph = structuredClone(await readPreset("quick"));
    const wrong: [string, unknown, string][] = [
      ["no-json.json", "{", "is not a workflow"],
      ["list.json", [1, 2], "not a workflow"],
      ["unknown.json", { ...graph, "9": { class_type: "KSampler", inputs: {} } }, "KSampler"],
      ["two.json", { ...graph, "9": { ...graph["3"], class_type: "SaveImage" } }, "saves 2 pictures"],
    ];
    for (const [name, content, words] of wrong) {
      const file = join(root, name);
      await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
      const out = join(root, "never");
      const { code, stderr } = await run(["colorize", photos, "--out", out, "--workflow", file]);
      expect([name, code]).toEqual([name, 2]);
      expect(stderr).toContain(words);
    }
    expect((await run(["colorize", photos, "--out", root, "--workflow", "potrait"])).code).toBe(2);
  });
});

it("the library: a batch with a preset is recorded with its graph", async () => {
  const library = ["--library", join(root, "library")];
  await run(["import", photos, ...library]);
  const batch = await run([
    "batch",
    "run",
    "--all",
    "--workflow",
    "faded",
    "--model-size",
    "128",
    ...library,
  ]);
  expect(batch).toMatchObject({ code: 0, summary: { done: 1 } });
  const exported = await run(["export", "--out", join(root, "exported"), ...library]);
  expect(exported.summary).toMatchObject({ exported: 1 });
  expect(await colourOf(join(root, "exported", "input.jpg"))).toBeGreaterThan(3);
});

describe("the service", () => {
  let service: Serving;
  beforeAll(async () => {
    service = await serve(join(root, "service-library"));
    await service.upload("input.jpg", await readFile(join(photos, "input.jpg")));
  });
  afterAll(() => service?.stop());

  it.each(PRESETS)("runs %s", async (preset) => {
    const entry = await service.finished(await service.queue(await readPreset(preset)));
    expect(entry.status.status_str).toBe("success");
    const picture = await service.picture(entry);
    const { width, height } = await sharp(picture).metadata();
    expect(height).toBe(HEIGHT);
    expect(Math.abs((width ?? 0) / timesAsWide(preset) - WIDTH)).toBeLessThan(20);
    expect(await colourOf(picture)).toBeGreaterThan(3);
  });
});

it("no original was touched", async () => {
  expect(await hashesBelow(photos)).toEqual(before);
});
