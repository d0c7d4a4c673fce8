// The tuning of DDColor-ddcolorize: what graphs may say, what becomes of it, what the record says. The arithmetic is in
// app/imaging/tuning.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Colorizer } from "../../colorize/index.ts";
import { createPixelWorkers, type Making, type Mask, type PixelWorkers } from "../../imaging/index.ts";
import { embeddedModel, type ModelStore } from "../../modelstore/index.ts";
import type { EngineContext, World } from "../node.ts";
import { objectInfo } from "../object-info.ts";
import { levelsOf, maskOf, pictureOf } from "../testing.ts";
import { worldOf } from "../testing-world.ts";
import { validatePrompt } from "../validate.ts";
import { ddcolorize } from "./ddcolor-ddcolorize.ts";

let workers: PixelWorkers;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 1, limits: { maxMegapixels: 600 } });
});
afterAll(() => workers.close());

const model = embeddedModel();
const models: Pick<ModelStore, "list" | "find" | "byName"> = {
  list: () => [model],
  find: () => model,
  byName: () => model,
};

/** A network that makes everything orange. */
const chroma: Colorizer["chroma"] = async (_, { width, height }) => ({
  data: Float32Array.from({ length: 2 * width * height }, (_, i) => (i < width * height ? 20 : 25)),
  grey: new Float32Array(width * height).fill(0.5),
  networkMs: 0,
  device: "cpu",
  notes: [],
});

function contextOf(): EngineContext {
  const context: Partial<EngineContext> = {
    world: { workers, colorizer: { chroma }, models } as unknown as World,
    signal: new AbortController().signal,
    scratchBeside: "unused",
    progress: () => undefined,
    wantsPreviews: false,
    keyOf: () => "image",
  };
  return context as EngineContext;
}

const photo = pictureOf(64, 64, (x, y) => 60 + x + y);
const neutral = { temperature: 0, tint: 0, vibrance: 0, protect_skin: 0, blend: 1, tune_mask: undefined };

async function colour(part: Partial<Omit<typeof neutral, "tune_mask">> & { tune_mask?: readonly Mask[] }) {
  const { outputs } = await ddcolorize.run(
    {
      image: [photo],
      model: model.id,
      model_size: 64,
      color_factor: 1,
      edge_aware: true,
      keep_aspect: true,
      parity: false,
      ...neutral,
      ...part,
    },
    contextOf(),
  );
  const [result] = outputs[0];
  const [making] = result?.making ?? [];
  if (result === undefined || making === undefined) throw new Error("nothing was coloured");
  return { levels: await levelsOf(result), making };
}

const tuningOf = ({ parameters }: Making) => {
  const {
    modelWidth: _,
    modelHeight: __,
    colorFactor: ___,
    edgeAware: ____,
    parity: _____,
    ...rest
  } = parameters;
  return rest;
};

test("the record names what is not neutral, and nothing else", async () => {
  expect(tuningOf((await colour({})).making)).toEqual({});
  const mask = maskOf(2, 1, (x) => 255 * x);
  const all = {
    temperature: -0.5,
    tint: 0.25,
    vibrance: 0.1,
    protect_skin: 0.9,
    blend: 0.5,
    tune_mask: [mask],
  };
  expect(tuningOf((await colour(all)).making)).toEqual({
    temperature: -0.5,
    tint: 0.25,
    vibrance: 0.1,
    protectSkin: 0.9,
    blend: 0.5,
    tuneMask: true,
  });
  expect(tuningOf((await colour({ vibrance: -1 })).making)).toEqual({ vibrance: -1 });
});

test("tuning changes colours where the mask is white only", async () => {
  const plain = (await colour({})).levels;
  const whole = (await colour({ temperature: -1 })).levels;
  const half = (await colour({ temperature: -1, tune_mask: [maskOf(64, 64, (x) => (x < 32 ? 255 : 0))] }))
    .levels;
  const at = (levels: typeof plain, x: number) => [
    ...levels.subarray((30 * 64 + x) * 3, (30 * 64 + x) * 3 + 3),
  ];
  expect(at(half, 5)).toEqual(at(whole, 5));
  expect(at(half, 60)).toEqual(at(plain, 60));
  expect(at(whole, 60)).not.toEqual(at(plain, 60));
});

const world: World = { ...worldOf(), models: models as ModelStore };
const promptOf = (inputs: object) => ({
  "1": { class_type: "LoadImage", inputs: { image: "a.png" } },
  "2": {
    class_type: "DDColor-ddcolorize",
    inputs: { image: ["1", 0], model: model.id, model_size: 512, color_factor: 1, ...inputs },
  },
  "3": { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "x" } },
});

test("graphs from before tuning are valid, and so are those that use it; a picture is no mask", () => {
  expect(validatePrompt(promptOf({}), world)).toMatchObject({ ok: true, outputs: ["3"] });
  expect(validatePrompt(promptOf({ tune_mask: null, blend: 0.5 }), world)).toMatchObject({ ok: true });
  const masked = promptOf({ tune_mask: ["1", 1], temperature: 0.3 });
  expect(validatePrompt(masked, world)).toMatchObject({
    ok: true,
    graph: { "2": { inputs: { tune_mask: ["1", 1], temperature: 0.3 } } },
  });
  expect(validatePrompt(promptOf({ tune_mask: ["1", 0] }), world)).toMatchObject({ ok: false });
  expect(validatePrompt(promptOf({ blend: 1.5 }), world)).toMatchObject({ ok: false });
});

test("editors see the mask as an optional socket and the numbers as advanced", () => {
  const { optional } = objectInfo(world)["DDColor-ddcolorize"]?.input ?? {};
  expect(optional).toMatchObject({
    tune_mask: ["MASK", { tooltip: expect.any(String) }],
    temperature: ["FLOAT", { default: 0, min: -1, max: 1, advanced: true }],
    blend: ["FLOAT", { default: 1, min: 0, max: 1, advanced: true }],
  });
});
