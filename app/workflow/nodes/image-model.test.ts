import { readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Colorizer,
  createColorizer,
  createImageModels,
  type ImageModels,
} from "../../colorize/index.ts";
import { createPixelWorkers, type Picture, type PixelWorkers } from "../../imaging/index.ts";
import { newId, silentLogger } from "../../kernel/index.ts";
import { openModelStore, openUserModels } from "../../modelstore/index.ts";
import type { EngineContext, World } from "../node.ts";
import { levelsOf, pictureOf } from "../testing.ts";
import { imageModel } from "./image-model.ts";

const MODELS = fileURLToPath(new URL("./testdata", import.meta.url));
const nothing = () => {
  throw new Error("not for this node");
};

let root: string;
let workers: PixelWorkers;
let imageModels: ImageModels;
let colorizer: Colorizer;
let world: World;
const signal = new AbortController().signal;

const worldWith = (models: ImageModels): World => ({
  files: { list: nothing, find: nothing, save: nothing },
  models: openModelStore(root),
  colorizer,
  imageModels: models,
  workers,
  limits: { maxMegapixels: 600 },
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-image-model-"));
  await mkdir(join(root, "scratch"));
  workers = createPixelWorkers({ threads: 2, limits: { maxMegapixels: 600 } });
  colorizer = createColorizer({ chooseDevice: nothing, threads: 1, log: silentLogger() });
  imageModels = createImageModels({ models: openUserModels(MODELS), threads: 1, log: silentLogger() });
  world = worldWith(imageModels);
});
afterEach(async () => {
  expect(await readdir(join(root, "scratch"))).toEqual([]); // nothing that is no result stays
});
afterAll(async () => {
  imageModels.close();
  await workers.close();
  await rm(root, { recursive: true });
});

function context(overrides: Partial<EngineContext> = {}): EngineContext {
  const beside = join(root, "scratch", "picture");
  return {
    world,
    prompt: { id: "prompt", graph: {}, extraPngInfo: undefined, createdAt: "2026-01-02T03:04:05.678Z" },
    signal,
    scratchBeside: beside,
    scratch: (extension) => join(root, "scratch", `${newId()}${extension}`),
    progress: () => undefined,
    wantsPreviews: false,
    preview: () => undefined,
    pixels: workers.call,
    keyOf: () => "key",
    ...overrides,
  };
}

interface Options {
  readonly tile?: number;
  readonly overlap?: number;
  readonly strength?: number;
  readonly context?: Partial<EngineContext>;
}

async function through(model: string, picture: Picture, options: Options = {}): Promise<Picture> {
  const { tile = 64, overlap = 32, strength = 1 } = options;
  const inputs = { image: [picture], model: `${model}.onnx`, tile, overlap, strength };
  const { outputs } = await imageModel.run(inputs, context(options.context));
  return outputs[0][0]!;
}

/** Every level of its bit depth, in every channel, in disorder. */
const noise = (width: number, height: number, options: Parameters<typeof pictureOf>[3] = {}) =>
  pictureOf(
    width,
    height,
    (x, y, channel) =>
      ((x * 7919 + y * 104729 + channel * 31337) * 2654435) % (options.bitDepth === 16 ? 65536 : 256),
    options,
  );

describe("a model of one's own", () => {
  it.each([8, 16] as const)(
    "that changes nothing gives the same levels (%i bit), alpha included",
    async (bitDepth) => {
      for (const channels of [3, 4] as const) {
        const picture = noise(201, 143, { bitDepth, channels });
        const made = await through("identity", picture);
        expect(await levelsOf(made)).toEqual(await levelsOf(picture));
      }
    },
  );

  it("takes pictures that are smaller than a tile, or a line", async () => {
    for (const [width, height] of [
      [1, 1],
      [50, 3],
      [1, 200],
      [65, 64],
    ] as const) {
      const picture = noise(width, height);
      expect(await levelsOf(await through("identity", picture))).toEqual(await levelsOf(picture));
    }
  });

  it("changes pixels as it does, also with tiles of a fixed size", async () => {
    const picture = noise(150, 90);
    const inverted = (await levelsOf(picture)).map((level) => 255 - level);
    expect(await levelsOf(await through("invert", picture))).toEqual(inverted);
    expect(await levelsOf(await through("invert-64", picture, { tile: 512 }))).toEqual(inverted);
  });

  it.each([8, 16] as const)("makes a picture twice as large (%i bit)", async (bitDepth) => {
    const picture = noise(131, 77, { bitDepth });
    const made = await through("double", picture);
    const before = await levelsOf(picture);
    const expected = pictureOf(
      262,
      154,
      (x, y, channel) => before[((y >> 1) * 131 + (x >> 1)) * 3 + channel]!,
      { bitDepth },
    );
    expect(made).toMatchObject({ width: 262, height: 154, bitDepth, channels: 3 });
    expect(await levelsOf(made)).toEqual(await levelsOf(expected));
  });

  it("scales alpha with the picture", async () => {
    const picture = pictureOf(100, 80, (x, _, channel) => (channel === 3 ? (x < 50 ? 0 : 255) : 90), {
      channels: 4,
    });
    const made = await through("double", picture);
    expect(made).toMatchObject({ width: 200, height: 160, channels: 4 });
    const levels = await levelsOf(made);
    for (let i = 0; i < levels.length; i += 4) {
      const x = (i / 4) % 200;
      expect(levels.subarray(i, i + 3)).toEqual(Uint8Array.of(90, 90, 90));
      if (x < 90) expect(levels[i + 3]).toBe(0);
      if (x > 110) expect(levels[i + 3]).toBe(255);
    }
  });

  it("shows no seams where it sees less far than tiles overlap", async () => {
    const picture = noise(256, 192);
    const whole = await levelsOf(await through("blur", picture, { tile: 256 }));
    const tiled = await levelsOf(await through("blur", picture, { tile: 64, overlap: 16 }));
    const apart = await levelsOf(await through("blur", picture, { tile: 64, overlap: 0 }));
    expect(greatest(tiled, whole, 256)).toBeLessThanOrEqual(1); // sums in another order
    expect(greatest(apart, whole, 256)).toBeGreaterThan(20); // the test can tell
  });

  it("fades tiles into each other where they disagree", async () => {
    const picture = pictureOf(400, 64, (x) => Math.round((x / 400) * 255));
    const levels = await levelsOf(await through("mean", picture, { tile: 128, overlap: 64 }));
    const steps = Array.from({ length: 399 }, (_, x) => Math.abs(levels[(x + 1) * 3]! - levels[x * 3]!));
    expect(levels[399 * 3]! - levels[0]!).toBeGreaterThan(120);
    expect(Math.max(...steps)).toBeLessThanOrEqual(3); // between neighbouring means lie some 58
  });

  it("of one channel works on lightness and leaves colours", async () => {
    const grey = pictureOf(90, 70, (x, y) => (x + y) % 256);
    const negative = (await levelsOf(grey)).map((level) => 255 - level);
    expect(await levelsOf(await through("invert-lightness", grey))).toEqual(negative);

    const colour = pictureOf(90, 70, (_x, _y, channel) => [140, 100, 80][channel]!);
    const made = await levelsOf(await through("double-lightness", colour));
    expect(made.length).toBe(180 * 140 * 3);
    expect(new Set(made)).toEqual(new Set([140, 100, 80]));
    const shifted = await levelsOf(await through("invert-lightness", colour));
    expect(shifted[0]! - shifted[1]!).toBe(40);
    expect(shifted[1]! - shifted[2]!).toBe(20);
  });

  it("is blended with the picture by strength", async () => {
    const picture = noise(100, 70);
    const before = await levelsOf(picture);
    expect(await levelsOf(await through("invert", picture, { strength: 0 }))).toEqual(before);
    const half = await levelsOf(await through("invert", picture, { strength: 0.25 }));
    expect(half).toEqual(before.map((level) => Math.round(level + 0.25 * (255 - 2 * level))));
  });

  it("keeps what is known of the picture and adds its own part", async () => {
    const earlier = { model: "m", modelSha256: "00", device: "cpu", networkMs: 1, parameters: {} };
    const profile = {
      icc: Uint8Array.of(1),
      colour: "rgb" as const,
      bitDepth: 8 as const,
      stage: "source" as const,
    };
    const plain = noise(80, 80);
    const picture: Picture = { ...plain, making: [earlier], profile, lightnessOf: plain };
    const made = await through("double", picture);
    expect(made.profile).toEqual(profile);
    expect(made.lightnessOf).toBeUndefined();
    expect(made.making).toEqual([
      earlier,
      {
        model: "double.onnx",
        modelSha256: await imageModels.digest("double.onnx"),
        device: "cpu",
        networkMs: expect.any(Number),
        parameters: { tile: 64, overlap: 32, strength: 1 },
      },
    ]);
  });

  it("tells how far it is, over all pictures", async () => {
    const told: string[] = [];
    const inputs = { model: "identity.onnx", tile: 64, overlap: 0, strength: 1 };
    await imageModel.run(
      { ...inputs, image: [noise(128, 64), noise(64, 64)] },
      context({ progress: (value, max) => told.push(`${value}/${max}`) }),
    );
    expect(told).toEqual(["1/3", "2/3", "3/3"]);
  });

  it("makes pictures that are too large for memory in a scratch file", async () => {
    const picture = noise(2400, 1900);
    const made = await through("double", picture, { tile: 1024 });
    if (typeof made.data !== "string") throw new Error("it lies in memory");
    const [before, after] = [await levelsOf(picture), await levelsOf(made)];
    for (let y = 0; y < 3800; y += 97) {
      for (let x = 0; x < 4800; x += 89) {
        expect(after[(y * 4800 + x) * 3 + 1]).toBe(before[((y >> 1) * 2400 + (x >> 1)) * 3 + 1]);
      }
    }
    await rm(made.data);
  });
});

describe("what goes wrong with a model of one's own", () => {
  it.each([
    ["broken", "model-damaged", /cannot be loaded/],
    ["rank-3", "inference-failed", /shape 3 × h × w/],
    ["channels-last", "inference-failed", /NHWC/],
    ["bytes", "inference-failed", /uint8/],
    ["half-floats", "inference-failed", /float16/],
    ["two-channels", "inference-failed", /2 channels/],
    ["two-inputs", "inference-failed", /2 inputs/],
    ["flat", "inference-failed", /1×12288/],
    ["not-finite", "inference-failed", /no numbers/],
    ["../testdata/identity", "model-missing", /no image model/],
  ])("is said clearly (%s), and the next run works", async (model, code, message) => {
    const picture = noise(40, 40);
    await expect(through(model, picture)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await levelsOf(await through("identity", picture))).toEqual(await levelsOf(picture));
  });

  it("refuses results that are larger than pictures may be", async () => {
    const limited = { ...world, limits: { maxMegapixels: 1 } };
    await expect(
      through("double", noise(600, 600), { tile: 512, context: { world: limited } }),
    ).rejects.toMatchObject({ code: "image-too-large" });
  });

  it("stops inside a tile when it is cancelled, and the process with it", async () => {
    const models = createImageModels({ models: openUserModels(MODELS), threads: 1, log: silentLogger() });
    const own = worldWith(models);
    const idle = inferenceProcesses().length;
    const abort = new AbortController();
    const running = through("endless", noise(64, 64), { context: { world: own, signal: abort.signal } });
    setTimeout(() => abort.abort(), 1500);
    await expect(running).rejects.toThrow(/abort/i);
    await expect.poll(() => inferenceProcesses().length).toBe(idle);
    const picture = noise(64, 64);
    expect(await levelsOf(await through("identity", picture))).toEqual(await levelsOf(picture));
    models.close();
  });

  it("stops between tiles, too, and leaves no large picture behind", async () => {
    const abort = new AbortController();
    const running = through("double", noise(2400, 1900), {
      tile: 512,
      context: {
        signal: abort.signal,
        progress: (value) => {
          if (value === 9) abort.abort();
        },
      },
    });
    await expect(running).rejects.toThrow(/abort/i);
  });
});

describe("the list of models", () => {
  it("says where to put files while there are none", async () => {
    const folder = join(root, "own");
    const models = createImageModels({ models: openUserModels(folder), threads: 1, log: silentLogger() });
    const own = worldWith(models);
    expect(imageModel.check?.({ model: "" }, own)).toContain("imageModels");
    await mkdir(folder);
    await copyFile(join(MODELS, "invert.onnx"), join(folder, "mine.onnx"));
    expect(imageModel.check?.({ model: "mine.onnx" }, own)).toBeUndefined();
    expect(imageModel.check?.({ model: "../own/mine.onnx" }, own)).toMatch(/mine\.onnx/);
    expect(models.names()).toEqual(["mine.onnx"]);
    models.close();
  });

  it("is part of what a result depends on: another file is another result", async () => {
    const folder = join(root, "changing");
    await mkdir(folder);
    const models = createImageModels({ models: openUserModels(folder), threads: 1, log: silentLogger() });
    const own = worldWith(models);
    const print = () => imageModel.fingerprint?.({ model: "m.onnx" }, own, signal);
    await copyFile(join(MODELS, "identity.onnx"), join(folder, "m.onnx"));
    const first = await print();
    const picture = noise(30, 30);
    const use = { context: { world: own } };
    expect(await levelsOf(await through("m", picture, use))).toEqual(await levelsOf(picture));
    await rm(join(folder, "m.onnx"));
    await copyFile(join(MODELS, "invert.onnx"), join(folder, "m.onnx"));
    expect(await print()).not.toBe(first);
    const negative = (await levelsOf(picture)).map((level) => 255 - level);
    expect(await levelsOf(await through("m", picture, use))).toEqual(negative);
    models.close();
  });

  it.runIf(process.platform !== "win32")("has no links to files elsewhere", async () => {
    const folder = join(root, "linked");
    await mkdir(folder);
    await symlink(join(MODELS, "invert.onnx"), join(folder, "link.onnx"));
    const models = createImageModels({ models: openUserModels(folder), threads: 1, log: silentLogger() });
    await expect(
      through("link", noise(8, 8), { context: { world: worldWith(models) } }),
    ).rejects.toMatchObject({ code: "model-missing" });
    models.close();
  });
});

/** The greatest difference of two pictures' levels, away from the picture's own edges. */
function greatest(one: ArrayLike<number>, other: ArrayLike<number>, width: number): number {
  const height = one.length / width / 3;
  let most = 0;
  for (let y = 2; y < height - 2; y++) {
    for (let i = (y * width + 2) * 3; i < (y * width + width - 2) * 3; i++) {
      most = Math.max(most, Math.abs(one[i]! - other[i]!));
    }
  }
  return most;
}

/** Process numbers of inference processes of ours, from Linux's /proc; none elsewhere. */
function inferenceProcesses(): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return parent === process.pid && command.includes("colorize/process.ts");
    } catch {
      return false; // no process, or it ended while we looked
    }
  });
}
