// One photo in several variants to choose from, and other colours for a finished one, on the command line.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashesBelow, run } from "./cli.ts";

const SAMPLE = fileURLToPath(new URL("../main/demo/samples/raccoon.jpg", import.meta.url));

let root: string;
let environment: Record<string, string>;
let photo: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-variants-"));
  environment = { AUTOCHROME_LIBRARY: join(root, "library"), AUTOCHROME_MODELS: join(root, "models") };
  await run(["import", SAMPLE], environment);
  photo = String((await run(["photos"], environment)).lines[0]?.id);
});
afterAll(() => rm(root, { recursive: true }));

async function versions() {
  const { lines } = await run(["versions", photo], environment);
  return lines.filter((line) => line.id !== undefined);
}

describe("variants", () => {
  it("of a photo of the library are made in one go, each a version with its own record", async () => {
    const { code, summary } = await run(["batch", "run", "--all", "--model-size", "64,128"], environment);
    expect(code).toBe(0);
    expect(summary).toMatchObject({ done: 2, failed: 0 });
    const made = await versions();
    expect(made.length).toBe(2);
    expect(new Set(made.map(({ fileHash }) => fileHash)).size).toBe(2);
    expect(made.every(({ tunable }) => tunable === true)).toBe(true);
  });

  it("of a file are named by what they differ in", async () => {
    const out = join(root, "out");
    await run(["colorize", SAMPLE, "--out", out, "--model-size", "64,128"], environment);
    expect((await readdir(out)).sort()).toEqual(["raccoon (128).jpg", "raccoon (64).jpg"]);
    const again = await run(["colorize", SAMPLE, "--out", out, "--model-size", "64,128"], environment);
    expect(again.summary).toMatchObject({ skipped: 2 });
  });

  it("need names without gaps between the commas", async () => {
    const { code } = await run(["colorize", SAMPLE, "--out", root, "--model-size", "64,,128"], environment);
    expect(code).toBe(2);
  });
});

describe("tuning", () => {
  it("makes a version of other colours, and changes no other file", async () => {
    const [first] = await versions();
    const before = await hashesBelow(join(root, "library", "versions"));
    const { code, lines } = await run(
      ["tune", String(first?.id), "--color-factor", "0.3", "--temperature", "0.4"],
      environment,
    );
    expect(code).toBe(0);
    expect(lines[1]).toMatchObject({ status: "done", photo });
    expect((await versions()).length).toBe(3);
    const after = await hashesBelow(join(root, "library", "versions"));
    for (const [path, hash] of before) expect(after.get(path)).toBe(hash);
    expect(after.size).toBe(before.size + 2);
  });

  it("can be looked at without making anything", async () => {
    const [first] = await versions();
    const look = join(root, "look.jpg");
    const { code } = await run(["tune", String(first?.id), "--vibrance", "0.5", "--look", look], environment);
    expect(code).toBe(0);
    expect(await sharp(look).metadata()).toMatchObject({ format: "jpeg" });
    expect((await versions()).length).toBe(3);
  });

  it("says when a value is beyond its range, and when there is no such version", async () => {
    const [first] = await versions();
    expect((await run(["tune", String(first?.id), "--temperature", "3"], environment)).code).toBe(2);
    const none = await run(["tune", "nonesuch", "--tint", "0.1"], environment);
    expect(none).toMatchObject({ code: 2, lines: [{ error: { code: "not-found" } }] });
  });

  it("needs the photo's file still, and says so", async () => {
    await sharp(SAMPLE).resize(100).toFile(join(root, "small.jpg"));
    await run(["import", join(root, "small.jpg")], environment);
    const small = (await run(["photos", "--search", "small"], environment)).lines[0];
    await run(["batch", "run", "--photo", String(small?.id), "--model-size", "64"], environment);
    const [version] = (await run(["versions", String(small?.id)], environment)).lines;
    await rm(join(root, "small.jpg"));
    const { code, lines } = await run(["tune", String(version?.id), "--tint", "0.1"], environment);
    expect(code).toBe(1);
    expect(lines[1]).toMatchObject({ status: "failed", error: { code: "not-found" } });
  });
});
