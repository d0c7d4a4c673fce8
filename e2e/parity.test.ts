// What the official pipeline makes of photographs, and what we make of them: the same to the last level in parity mode;
// otherwise with lightness kept and without steps where the network's cells meet.
//
// Needs Python with OpenCV and onnxruntime (AUTOCHROME_PYTHON, else python3); for DDColor's own network with random weights
// also models/export/requirements.txt and DDColor's repository (DDCOLOR_UPSTREAM). What is not there is skipped.
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { networkSize } from "../app/colorize/index.ts";
import { rgbToLab } from "../app/imaging/index.ts";
import { run } from "./cli.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const EMBEDDED = { id: "autochrome-small", file: here("../models/embedded/autochrome-small.onnx") };
const RANDOM = "ddcolor-tiny-made";
const SIZES = [256, 512];
/** What the command line takes a while for, on two cores that are busy. */
const PATIENCE = 900_000;

const python = process.env.AUTOCHROME_PYTHON ?? "python3";
const upstream = process.env.DDCOLOR_UPSTREAM;
const folders = [here("../main/demo/samples"), here("../../shared/photos/old")].filter(existsSync);

let root: string;
let models: string;
let photos: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-parity-"));
  models = join(root, "models");
  photos = (
    await Promise.all(
      folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
    )
  )
    .flat()
    .filter((path) => path.endsWith(".jpg"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Why something cannot be tested here. */
function hindrance(modules: readonly string[], needsUpstream: boolean): string | undefined {
  const tried = spawnSync(python, ["-c", `import ${modules.join(", ")}`], { encoding: "utf8" });
  if (tried.error !== undefined) return `there is no ${python}; AUTOCHROME_PYTHON names another`;
  if (tried.status !== 0) return `${python}: ${tried.stderr.trim().split("\n").at(-1)}`;
  if (!needsUpstream) return undefined;
  return upstream === undefined ? "DDCOLOR_UPSTREAM does not name DDColor's repository" : undefined;
}
const noOfficial = hindrance(["cv2", "onnxruntime"], false);
const noNetwork = hindrance(["cv2", "onnxruntime", "torch", "timm", "onnx", "onnxslim"], true);
/** In a name: a skipped test is not to be taken for a passed one. */
const because = (reason: string | undefined) => (reason === undefined ? "" : ` (${reason})`);

async function pythonRuns(script: string, ...args: readonly string[]): Promise<void> {
  const file = here(`../models/export/${script}`);
  await promisify(execFile)(python, ["-W", "ignore", file, ...args], { maxBuffer: 1e8 });
}

/** DDColor's tiny network with random weights, made and taken in once. */
let made: Promise<string> | undefined;
function madeModel(): Promise<string> {
  made ??= (async () => {
    const flags = ["--upstream", upstream ?? "", "--out", root, "--precision", "fp32", "--sizes", "64"];
    await pythonRuns("export.py", "--random", "tiny", "--id", RANDOM, ...flags);
    const file = join(root, `${RANDOM}.onnx`);
    const taken = await run(["models", "import", file, "--id", RANDOM], { AUTOCHROME_MODELS: models });
    expect(taken, taken.stderr).toMatchObject({ code: 0 });
    return file;
  })();
  return made;
}

async function colour(out: string, model: string, size: number, ...flags: string[]): Promise<void> {
  const args = ["--out", out, "--model", model, "--model-size", String(size), "--format", "png", ...flags];
  const ended = await run(["colorize", ...photos, ...args], { AUTOCHROME_MODELS: models });
  expect(ended, ended.stderr).toMatchObject({
    code: 0,
    summary: { done: photos.length, failed: 0, skipped: 0 },
  });
}

interface Levels {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Levels of 255 as they are in the file, red, green, blue. */
async function levelsOf(file: string): Promise<Levels> {
  const image = sharp(file, { ignoreIcc: true }).autoOrient().toColourspace("srgb").removeAlpha();
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  return { data, width: info.width, height: info.height };
}

const resultOf = (out: string, photo: string) => join(out, `${parse(photo).name}.png`);

async function expectParity(model: string, file: string, size: number): Promise<void> {
  const [ours, official] = [join(root, `${model}-${size}`), join(root, `${model}-${size}-official`)];
  await pythonRuns("official.py", file, ...photos, "--size", String(size), "--out", official, "--portable");
  await colour(ours, model, size, "--parity");
  for (const photo of photos) {
    const [found, wanted] = [
      await levelsOf(resultOf(ours, photo)),
      await levelsOf(resultOf(official, photo)),
    ];
    expect([found.width, found.height]).toEqual([wanted.width, wanted.height]);
    const far = { largest: 0, beyond: 0, differing: 0 };
    for (let i = 0; i < wanted.data.length; i++) {
      const distance = Math.abs(found.data[i]! - wanted.data[i]!);
      far.largest = Math.max(far.largest, distance);
      if (distance > 1) far.beyond++;
      if (distance > 0) far.differing++;
    }
    expect.soft(far.largest, `${photo}: ${far.beyond} levels are farther off than 1`).toBeLessThanOrEqual(1);
    // Rounding at the edge of two levels, no more.
    expect
      .soft(far.differing / wanted.data.length, `${photo}: share of levels that differ`)
      .toBeLessThan(0.02);
  }
}

describe.skipIf(noOfficial !== undefined)(
  `parity mode equals the official pipeline within 1/255${because(noOfficial)}`,
  () => {
    it.each(SIZES)(
      "with the embedded model at %i",
      (size) => expectParity(EMBEDDED.id, EMBEDDED.file, size),
      PATIENCE,
    );

    describe.skipIf(noNetwork !== undefined)(
      `with DDColor's own network, random weights${because(noNetwork)}`,
      () => {
        it.each(SIZES)("at %i", async (size) => expectParity(RANDOM, await madeModel(), size), PATIENCE);
      },
    );
  },
);

/** Where the network's cells are several pixels wide in the photographs. */
const COARSE = 128;
/** How much steeper colour may be where cells meet than within them: linear upsampling gives 1.0 to 1.2. */
const STEEPEST = 1.5;

/** Mean |Δ| of a and b between neighbours, where cells meet and within cells. */
function steepness(picture: Levels, cells: { readonly width: number; readonly height: number }): number {
  const { data, width, height } = picture;
  const ab = new Float32Array(width * height * 2);
  for (let i = 0; i < width * height; i++) {
    const [, a, b] = rgbToLab(data[3 * i]! / 255, data[3 * i + 1]! / 255, data[3 * i + 2]! / 255);
    ab.set([a, b], 2 * i);
  }
  const sums = { meet: 0, met: 0, within: 0, inner: 0 };
  const add = (first: number, second: number, isBorder: boolean) => {
    const step =
      Math.abs(ab[2 * first]! - ab[2 * second]!) + Math.abs(ab[2 * first + 1]! - ab[2 * second + 1]!);
    if (isBorder) {
      sums.meet += step;
      sums.met++;
    } else {
      sums.within += step;
      sums.inner++;
    }
  };
  const cell = (place: number, from: number, to: number) => Math.floor((place * from) / to);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x > 0) add(i, i - 1, cell(x, cells.width, width) !== cell(x - 1, cells.width, width));
      if (y > 0) add(i, i - width, cell(y, cells.height, height) !== cell(y - 1, cells.height, height));
    }
  }
  return sums.meet / sums.met / (sums.within / sums.inner);
}

async function expectSmooth(model: string): Promise<void> {
  const [ours, blocky] = [join(root, `${model}-smooth`), join(root, `${model}-blocky`)];
  await colour(ours, model, COARSE);
  await colour(blocky, model, COARSE, "--parity");
  for (const photo of photos) {
    const [before, after, nearest] = [
      await levelsOf(photo),
      await levelsOf(resultOf(ours, photo)),
      await levelsOf(resultOf(blocky, photo)),
    ];
    expect.soft(meanLightnessChange(before, after), `${photo}: lightness`).toBeLessThanOrEqual(0.5);
    const any = { multiple: 32, standard: 256 };
    const cells = networkSize(any, after, COARSE, true);
    expect.soft(steepness(after, cells), `${photo}: colour at cells' borders`).toBeLessThan(STEEPEST);
    // The same look at nearest upsampling sees the steps: it is able to.
    const squares = networkSize(any, nearest, COARSE, false);
    expect.soft(steepness(nearest, squares), `${photo}: nearest`).toBeGreaterThan(STEEPEST);
  }
}

/** Mean |ΔL*|. */
function meanLightnessChange(before: Levels, after: Levels): number {
  expect([after.width, after.height]).toEqual([before.width, before.height]);
  const lightness = ({ data }: Levels, at: number) =>
    rgbToLab(data[at]! / 255, data[at + 1]! / 255, data[at + 2]! / 255)[0];
  let sum = 0;
  for (let at = 0; at < before.data.length; at += 3) {
    sum += Math.abs(lightness(after, at) - lightness(before, at));
  }
  return sum / (before.data.length / 3);
}

describe("the default mode keeps lightness and has no colour steps where the network's cells meet", () => {
  it("with the embedded model", () => expectSmooth(EMBEDDED.id), PATIENCE);

  it.skipIf(noNetwork !== undefined)(
    `with DDColor's own network, random weights${because(noNetwork)}`,
    async () => {
      await madeModel();
      await expectSmooth(RANDOM);
    },
    PATIENCE,
  );
});
