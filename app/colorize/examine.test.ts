import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { hashFile, silentLogger } from "../kernel/index.ts";
import { embeddedModel } from "../modelstore/index.ts";
import { examineModel } from "./examine.ts";

const options = { threads: 1, log: silentLogger() };
const examine = async (path: string) => examineModel(path, await hashFile(path), options);
const model = (name: string) => fileURLToPath(new URL(`./testdata/${name}.onnx`, import.meta.url));

describe("looking at a model that nobody vouches for", () => {
  it("finds what sizes a colouring network takes", async () => {
    expect(await examine(embeddedModel().path)).toEqual({});
    expect(await examine(model("orange"))).toEqual({});
    expect(await examine(model("orange-64"))).toEqual({ fixed: { width: 64, height: 64 } });
  });

  it.each([
    ["broken", "model-damaged", /no ONNX model, or only a part/],
    ["elsewhere", "model-damaged", /second file/],
    ["no-numbers", "model-damaged", /no numbers/],
    ["rgb", "model-unfit", /gives 3 channels, not 2/],
    ["shrinks", "model-unfit", /two planes of the size of its input/],
    ["half-floats", "model-unfit", /float16/],
    ["two-inputs", "model-unfit", /takes 2 inputs/],
    ["channels-last", "model-unfit", /channels last/],
    ["orange-60", "model-unfit", /multiples of 32/],
    ["half-free", "model-unfit", /one of its two sides/],
    ["four-at-a-time", "model-unfit", /4 pictures at a time/],
    ["unknown-operation", "model-unfit", /operations that are unknown/],
  ])("says what is wrong with %s", async (name, code, words) => {
    const error = await examine(model(name)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(words),
      next: expect.stringMatching(/./),
    });
  });

  it("says when a file is something else", async () => {
    const script = fileURLToPath(new URL("./testdata/make_models.py", import.meta.url));
    await expect(examine(script)).rejects.toMatchObject({
      code: "model-damaged",
      message: expect.stringMatching(/no ONNX model/),
    });
  });
});
