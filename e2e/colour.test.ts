// Invariant 5 and what the results look like, on the sample album and, where they are, on the trial photographs.
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rgbToLab } from "../app/imaging/index.ts";
import { hashesBelow, run } from "./cli.ts";

const SAMPLES = fileURLToPath(new URL("../main/demo/samples", import.meta.url));
const TRIALS = fileURLToPath(new URL("../../shared/photos/old", import.meta.url));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-colour-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Comparison {
  /** 99.9th percentile of |ΔL*|. */
  readonly lightness: number;
  /** Mean chroma of the result, Lab units. */
  readonly chroma: number;
  /** How far apart the result's colours are: standard deviation of a and b. */
  readonly variety: number;
}

async function compare(original: string, result: string): Promise<Comparison> {
  const pixels = (path: string) =>
    sharp(path).autoOrient().toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const [before, after] = await Promise.all([pixels(original), pixels(result)]);
  expect([after.info.width, after.info.height]).toEqual([before.info.width, before.info.height]);
  const count = before.data.length / 3;
  const differences = new Float32Array(count);
  const sums = { chroma: 0, a: 0, b: 0, squares: 0 };
  for (let i = 0; i < count; i++) {
    const at = i * 3;
    const lab = (data: Buffer) => rgbToLab(data[at]! / 255, data[at + 1]! / 255, data[at + 2]! / 255);
    const [lightness] = lab(before.data);
    const [found, a, b] = lab(after.data);
    differences[i] = Math.abs(found - lightness);
    sums.chroma += Math.hypot(a, b);
    sums.a += a;
    sums.b += b;
    sums.squares += a * a + b * b;
  }
  differences.sort();
  return {
    lightness: differences[Math.floor(count * 0.999)]!,
    chroma: sums.chroma / count,
    variety: Math.sqrt(sums.squares / count - (sums.a / count) ** 2 - (sums.b / count) ** 2),
  };
}

describe.each([
  { album: "the sample album", folder: SAMPLES },
  { album: "the trial photographs", folder: TRIALS },
])("colouring $album", ({ folder }) => {
  it.skipIf(!existsSync(folder))("gives colour, keeps lightness, size and originals", async () => {
    const originals = await hashesBelow(folder);
    const out = join(root, "out");
    const { code, summary } = await run(["colorize", folder, "--out", out, "--overwrite"]);
    const photos = (await readdir(folder)).filter((name) => name.endsWith(".jpg"));
    expect({ code, ...summary }).toMatchObject({ code: 0, done: photos.length, failed: 0 });
    for (const name of photos) {
      const compared = await compare(join(folder, name), join(out, name));
      expect.soft(compared.lightness, `${name}: lightness`).toBeLessThanOrEqual(0.5);
      expect.soft(compared.chroma, `${name}: visibly coloured`).toBeGreaterThan(4);
      expect.soft(compared.variety, `${name}: more than one tint`).toBeGreaterThan(2);
    }
    expect(await hashesBelow(folder)).toEqual(originals);
  });
});
