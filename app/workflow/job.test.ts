import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AutochromeError } from "../kernel/index.ts";
import type { ApiGraph } from "./graph.ts";
import { jobGraphOf, PHOTO, withSettings } from "./job.ts";

const PLAIN: ApiGraph = {
  "1": { class_type: "LoadImage", inputs: { image: PHOTO } },
  "2": {
    class_type: "DDColor-ddcolorize",
    inputs: { image: ["1", 0], model: "autochrome-small", model_size: 256, color_factor: 1 },
  },
  "3": { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "Autochrome" } },
};

function refusal(graph: ApiGraph): AutochromeError {
  try {
    jobGraphOf(graph);
  } catch (thrown) {
    if (thrown instanceof AutochromeError) return thrown;
    throw thrown;
  }
  throw new Error("the graph was taken for a job");
}

describe("a job is one photo in, one picture out", () => {
  test("the plain graph is one; without a format of its own it gives PNG", () => {
    expect(jobGraphOf(PLAIN)).toEqual({ saveNode: "3", photoNames: ["input.jpg"], format: "png" });
    expect(jobGraphOf(withSettings(PLAIN, { format: "same" })).format).toBe("same");
  });

  test("a single picture may have any name; of several, one must be called the photo", () => {
    const load = (image: string) => ({ class_type: "LoadImage", inputs: { image } });
    expect(jobGraphOf({ ...PLAIN, "1": load("example.png") }).photoNames).toEqual(["example.png"]);
    expect(jobGraphOf({ ...PLAIN, "9": load("reference.jpg") }).photoNames).toEqual(["input.jpg"]);
    const neither = refusal({ ...PLAIN, "1": load("a.jpg"), "9": load("b.jpg") });
    expect(neither).toMatchObject({ code: "workflow-invalid", message: /none is called input\.jpg/ });
  });

  test("no picture, several pictures, no photo: refused, with what to do", () => {
    const { "3": save, "1": load, ...rest } = PLAIN;
    expect(refusal({ ...rest, "1": load! }).message).toContain("saves 0 pictures");
    expect(refusal({ ...PLAIN, "4": save! })).toMatchObject({ message: /saves 2/, next: /ImageStitch/ });
    expect(refusal({ ...rest, "3": save! }).message).toContain("loads no photo");
  });
});

describe("values from outside", () => {
  test("reach every node of their kind, and no other input", () => {
    const graph: ApiGraph = {
      ...PLAIN,
      "7": { class_type: "DDColor_Colorize", inputs: { image: ["1", 0], checkpoint: "x.pth" } },
    };
    const set = withSettings(graph, {
      model: "other",
      modelSize: 512,
      colorFactor: 0.5,
      format: "tiff",
      quality: 90,
    });
    expect(set["2"]?.inputs).toEqual({
      image: ["1", 0],
      model: "other",
      model_size: 512,
      color_factor: 0.5,
    });
    expect(set["7"]?.inputs).toEqual({ image: ["1", 0], checkpoint: "other", model_input_size: 512 });
    expect(set["3"]?.inputs).toMatchObject({ format: "tiff", quality: 90, images: ["2", 0] });
    expect(set["1"]).toEqual(graph["1"]);
  });

  test("a linked value stays linked; without values the graph is as it was", () => {
    const linked: ApiGraph = {
      ...PLAIN,
      "2": { ...PLAIN["2"]!, inputs: { ...PLAIN["2"]!.inputs, model_size: ["5", 0] } },
    };
    expect(withSettings(linked, { modelSize: 64 })["2"]?.inputs.model_size).toEqual(["5", 0]);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2, noNaN: true }), (colorFactor) => {
        const before = structuredClone(PLAIN);
        expect(withSettings(PLAIN, {})).toEqual(before);
        expect(withSettings(PLAIN, { colorFactor })["2"]?.inputs.color_factor).toBe(colorFactor);
        expect(PLAIN).toEqual(before);
      }),
    );
  });
});
