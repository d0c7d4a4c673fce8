import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { NODES } from "./library.ts";
import { nodePage } from "./node-page.ts";
import { nodeTranslations, objectInfo, orderedInputs } from "./object-info.ts";
import { worldOf } from "./testing-world.ts";

const world = worldOf();

test("LoadImage is described as ComfyUI describes it", () => {
  const { LoadImage } = objectInfo(world, "LoadImage");
  expect(LoadImage).toMatchObject({
    input: { required: { image: [["input.jpg", "a.png"], { image_upload: true }] } },
    input_order: { required: ["image"] },
    output: ["IMAGE", "MASK"],
    output_is_list: [false, false],
    output_name: ["IMAGE", "MASK"],
    name: "LoadImage",
    display_name: "Load Image",
    python_module: "nodes",
    category: "image",
    output_node: false,
  });
  expect(LoadImage?.input).not.toHaveProperty("hidden");
});

test("an output node says so, and what it gets besides", () => {
  const { SaveImage } = objectInfo(world, "SaveImage");
  expect(SaveImage).toMatchObject({
    output_node: true,
    input: {
      required: { filename_prefix: ["STRING", { default: "ComfyUI", multiline: false }] },
      optional: { format: [expect.arrayContaining(["png"]), { default: "png", advanced: true }] },
      hidden: { prompt: "PROMPT", extra_pnginfo: "EXTRA_PNGINFO", unique_id: "UNIQUE_ID" },
    },
    input_order: {
      required: ["images", "filename_prefix"],
      optional: ["format", "quality"],
      hidden: ["prompt", "extra_pnginfo", "unique_id"],
    },
  });
});

test("a node of ours has all kinds of widgets, tooltips, and words to find it by", () => {
  const info = objectInfo(world)["DDColor-ddcolorize"];
  expect(info).toMatchObject({
    python_module: "custom_nodes.autochrome",
    search_aliases: expect.arrayContaining(["上色"]),
    input: {
      required: {
        image: ["IMAGE", { tooltip: expect.any(String) }],
        model: [expect.arrayContaining(["autochrome-small"]), {}],
        model_size: ["INT", { default: 512, min: 64, max: 2048, step: 32 }],
        color_factor: ["FLOAT", { default: 1, min: 0, max: 2, step: 0.05 }],
      },
      optional: { edge_aware: ["BOOLEAN", { default: true }], parity: ["BOOLEAN", { advanced: true }] },
    },
  });
});

test("all classes are described; an unknown one gives nothing", () => {
  expect(Object.keys(objectInfo(world))).toEqual([...NODES.keys()]);
  expect(objectInfo(world, "KSampler")).toEqual({});
  expect(objectInfo(world, "constructor")).toEqual({});
});

test("inputs that may be left out come last, as in the editor", () => {
  const stitch = NODES.get("ImageStitch");
  expect(
    orderedInputs(stitch!)
      .map(([name]) => name)
      .at(-1),
  ).toBe("image2");
});

test("words are there in both languages, where the front end looks for them", () => {
  const { en, zh } = nodeTranslations();
  expect(Object.keys(zh.nodeDefs)).toEqual(Object.keys(en.nodeDefs));
  expect(zh.nodeDefs["DDColor-ddcolorize"]).toMatchObject({
    display_name: "DDColor 上色",
    inputs: { model_size: { name: "模型尺寸", tooltip: expect.stringContaining("32") } },
    outputs: { 0: { name: "IMAGE", tooltip: "上色后的照片。" } },
  });
  expect(zh.nodeCategories.repair).toBe("修复");
});

test("no word has a sign that the front end takes for its message syntax", () => {
  for (const { nodeDefs } of Object.values(nodeTranslations())) {
    for (const { display_name, description, inputs } of Object.values(nodeDefs)) {
      const names = Object.values(inputs).map(({ name }) => name);
      for (const text of [display_name, description, ...names]) expect(text).not.toMatch(/[@{}|]/);
    }
  }
});

test.each([
  ["nodes.md", "en"],
  ["nodes.zh-CN.md", "zh"],
] as const)("docs/%s is up to date; else run main/docs/nodes.ts", async (file, language) => {
  const page = await readFile(new URL(`../../docs/${file}`, import.meta.url), "utf8");
  expect(page).toBe(nodePage(language));
});
