import { describe, expect, test } from "vitest";
import { toApiGraph } from "./convert.ts";
import { MOST_NODES } from "./graph.ts";
import {
  convert,
  image,
  images,
  invert,
  invertedFrom,
  load,
  loaded,
  out,
  refusal,
  save,
  saved,
  ui,
} from "./testing-ui.ts";

describe("the two versions of the format", () => {
  const expected = { "1": loaded, "9": saved(["1", 0]) };
  test("0.4: links are arrays", () => {
    expect(convert(ui([load, save], [[1, 0, 9, 0, "IMAGE"]]))).toEqual(expected);
  });

  test("1: links are objects, ids may be texts, sizes may be objects", () => {
    const graph = {
      version: 1,
      state: { lastNodeId: 9, lastLinkId: 7, lastGroupId: 0, lastRerouteId: 1 },
      nodes: [
        { ...load, id: "1", size: { 0: 10, 1: 10 } },
        { ...save, inputs: [{ ...images, link: 7 }] },
      ],
      links: [
        { id: 7, origin_id: "1", origin_slot: 0, target_id: 9, target_slot: 0, type: "IMAGE", parentId: 1 },
      ],
      reroutes: [{ id: 1, pos: [0, 0], linkIds: [7] }],
    };
    expect(convert(graph)).toEqual(expected);
  });

  test("numbers of outputs may be texts, links may be null, types may be missing", () => {
    const graph = {
      nodes: [load, { ...save, inputs: [{ name: "images", link: 3 }] }],
      links: [null, [3, 1, "0", 9, "0"]],
    };
    expect(convert(graph)).toEqual(expected);
  });
});

describe("widget values", () => {
  const colour = (widgets: object) =>
    convert(ui([{ id: 2, type: "DDColor-ddcolorize", inputs: [image], ...widgets }], []))["2"]?.inputs;

  test("by position, in the order of the declaration", () => {
    expect(colour({ widgets_values: ["autochrome-small", 768, 0.5, false, true, false] })).toEqual({
      model: "autochrome-small",
      model_size: 768,
      color_factor: 0.5,
      edge_aware: false,
      keep_aspect: true,
      parity: false,
    });
  });

  test("behind a number, what the editor does with it after a run is no value", () => {
    expect(colour({ widgets_values: ["autochrome-small", 768, "randomize", 0.5, "fixed", false] })).toEqual({
      model: "autochrome-small",
      model_size: 768,
      color_factor: 0.5,
      edge_aware: false,
    });
  });

  test("missing ones get the editor's first value; optional ones stay away", () => {
    const first = { model: "autochrome-small", model_size: 512, color_factor: 1 };
    expect(colour({})).toEqual(first);
    expect(colour({ widgets_values: null })).toEqual(first);
    expect(colour({ widgets_values: [null, 640] })).toEqual({ ...first, model_size: 640 });
  });

  test("without a world, choices that depend on it stay away", () => {
    const graph = toApiGraph({ nodes: [{ id: 1, type: "LoadImage" }] });
    expect(graph["1"]?.inputs).toEqual({});
  });

  test("by name", () => {
    expect(colour({ widgets_values: { color_factor: 0.2, unknown: 1, constructor: 2 } })).toEqual({
      model: "autochrome-small",
      model_size: 512,
      color_factor: 0.2,
    });
    expect(colour({ widgets_values_named: { color_factor: 0.2 } })).toMatchObject({ color_factor: 0.2 });
  });

  test("the upload button's is none", () => {
    expect(convert(ui([load], []))["1"]?.inputs).toEqual({ image: "input.jpg" });
  });

  test("arrays are wrapped, because arrays are links", () => {
    expect(colour({ widgets_values: [["a", 1], 640] })).toMatchObject({
      model: { __value__: ["a", 1] },
      model_size: 640,
    });
  });

  test("a link wins over the widget", () => {
    const sizes = { name: "model_size", type: "INT", widget: { name: "model_size" } };
    const graph = convert(
      ui(
        [
          { id: 5, type: "Unknown", outputs: [{ name: "INT", type: "INT" }] },
          { id: 2, type: "DDColor-ddcolorize", inputs: [image, sizes], widgets_values: ["m", 640, 1] },
        ],
        [[5, 0, 2, 1, "INT"]],
      ),
    );
    expect(graph["2"]?.inputs).toEqual({ model: "m", model_size: ["5", 0], color_factor: 1 });
  });

  test("a title of the user's is kept", () => {
    expect(convert(ui([{ ...load, title: "My photo" }], []))["1"]?._meta).toEqual({ title: "My photo" });
  });
});

describe("nodes that exist in the editor only", () => {
  test("notes are left out", () => {
    const notes = [
      { id: 3, type: "Note", widgets_values: ["hello"] },
      { id: 4, type: "MarkdownNote", widgets_values: ["# hello"] },
    ];
    expect(Object.keys(convert(ui([load, save, ...notes], [[1, 0, 9, 0, "IMAGE"]])))).toEqual(["1", "9"]);
  });

  test("reroutes are seen through, also one after the other", () => {
    const reroute = {
      type: "Reroute",
      inputs: [{ name: "", type: "*" }],
      outputs: [{ name: "", type: "IMAGE" }],
    };
    const graph = ui(
      [load, { id: 2, ...reroute }, { id: 3, ...reroute }, save],
      [
        [1, 0, 2, 0, "*"],
        [2, 0, 3, 0, "*"],
        [3, 0, 9, 0, "IMAGE"],
      ],
    );
    expect(convert(graph)).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });

  test("a reroute from nowhere leads nowhere", () => {
    const reroute = { id: 2, type: "Reroute", inputs: [{ name: "", type: "*" }] };
    expect(convert(ui([reroute, save], [[2, 0, 9, 0, "IMAGE"]]))).toEqual({ "9": saved(undefined) });
  });

  test("a primitive's value goes into the widgets that it is linked to", () => {
    const prefix = { name: "filename_prefix", type: "STRING", widget: { name: "filename_prefix" } };
    const graph = ui(
      [
        load,
        {
          id: 2,
          type: "PrimitiveNode",
          outputs: [{ name: "STRING", type: "STRING" }],
          widgets_values: ["mine", "fixed"],
        },
        { ...save, inputs: [images, prefix] },
      ],
      [
        [1, 0, 9, 0, "IMAGE"],
        [2, 0, 9, 1, "STRING"],
      ],
    );
    expect(convert(graph)["9"]?.inputs).toEqual({ filename_prefix: "mine", images: ["1", 0] });
  });

  test("a primitive without a value leaves the widget's own", () => {
    const prefix = { name: "filename_prefix", type: "STRING", widget: { name: "filename_prefix" } };
    const graph = ui(
      [
        { id: 2, type: "PrimitiveNode" },
        { ...save, inputs: [images, prefix] },
      ],
      [[2, 0, 9, 1, "STRING"]],
    );
    expect(convert(graph)["9"]?.inputs).toEqual({ filename_prefix: "out" });
  });
});

describe("muted and bypassed nodes", () => {
  const through = (more: object): unknown =>
    convert(
      ui(
        [load, invert(2, more), save],
        [
          [1, 0, 2, 0, "IMAGE"],
          [2, 0, 9, 0, "IMAGE"],
        ],
      ),
    );

  test("as usual", () => {
    expect(through({})).toEqual({ "1": loaded, "2": invertedFrom("1"), "9": saved(["2", 0]) });
  });
  test("muted: it is gone, and so is what it gave", () => {
    expect(through({ mode: 2 })).toEqual({ "1": loaded, "9": saved(undefined) });
  });
  test("bypassed: its input goes on", () => {
    expect(through({ mode: 4 })).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });
  test("bypassed with no input of the type: nothing goes on", () => {
    expect(through({ mode: 4, inputs: [{ name: "mask", type: "MASK" }] })).toEqual({
      "1": loaded,
      "9": saved(undefined),
    });
  });
  test("bypassed with several inputs: the first of the type that is wanted", () => {
    const graph = ui(
      [
        load,
        {
          id: 2,
          type: "ImageBlend",
          mode: 4,
          inputs: [
            { name: "mask", type: "MASK" },
            { name: "image1", type: "IMAGE" },
            { name: "image2", type: "IMAGE" },
          ],
          outputs: [out],
        },
        save,
      ],
      [
        [1, 1, 2, 0, "MASK"],
        [1, 0, 2, 1, "IMAGE"],
        [2, 0, 9, 0, "IMAGE"],
      ],
    );
    expect(convert(graph)["9"]).toEqual(saved(["1", 0]));
  });
  test("bypassed one after the other", () => {
    const graph = ui(
      [load, invert(2, { mode: 4 }), invert(3, { mode: 4 }), save],
      [
        [1, 0, 2, 0, "IMAGE"],
        [2, 0, 3, 0, "IMAGE"],
        [3, 0, 9, 0, "IMAGE"],
      ],
    );
    expect(convert(graph)).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });
  test("a list of types joins where one of them fits", () => {
    const node = {
      inputs: [{ name: "any", type: "MASK,IMAGE" }],
      outputs: [{ name: "x", type: "IMAGE,MASK" }],
    };
    expect(through({ mode: 4, ...node })).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });
});

describe("links that lead nowhere", () => {
  test.each([
    ["a link that is not there", [load, { ...save, inputs: [{ ...images, link: 77 }] }]],
    ["a link from a node that is not there", [{ ...save, inputs: [{ ...images, link: 1 }] }]],
  ])("%s is left out", (_, nodes) => {
    const graph = { nodes, links: [[1, 1, 0, 9, 0, "IMAGE"]] };
    if (nodes.length === 2) graph.links = [];
    expect(convert(graph)["9"]).toEqual(saved(undefined));
  });
});

describe("refused", () => {
  test.each([
    [null],
    [5],
    ["nodes"],
    [[]],
    [{}],
    [{ nodes: {} }],
    [{ nodes: [5] }],
    [{ nodes: [{ id: 1 }] }],
  ])("%j", (value) => {
    expect(refusal(value)).toMatch(/^This workflow cannot be read, because /);
  });

  test("links that go round", () => {
    const reroute = { type: "Reroute", inputs: [{ name: "", type: "*" }] };
    const graph = ui(
      [{ id: 2, ...reroute }, { id: 3, ...reroute }, save],
      [
        [3, 0, 2, 0, "*"],
        [2, 0, 3, 0, "*"],
        [3, 0, 9, 0, "IMAGE"],
      ],
    );
    expect(refusal(graph)).toContain("round in a circle");
  });

  test("two nodes with one id", () => {
    expect(refusal({ nodes: [load, load] })).toContain("same id");
    expect(refusal({ nodes: [load, { ...load, id: "1" }] })).toContain("same id");
  });

  test("too many nodes, before they are looked at", () => {
    const nodes = Array.from({ length: 100_000 }, (_, id) => ({ id, type: "Reroute" }));
    expect(refusal({ nodes })).toBe(`This workflow has more than ${MOST_NODES} nodes.`);
  });

  test("values nested without end", () => {
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    expect(refusal({ nodes: [{ ...load, widgets_values: deep }] })).toContain("nested too deeply");
  });

  test("a chain of as many reroutes as are allowed is followed to its end", () => {
    const reroutes = Array.from({ length: MOST_NODES - 2 }, (_, i) => ({
      id: 100 + i,
      type: "Reroute",
      inputs: [{ name: "", type: "*", link: 100 + i }],
    }));
    const last = 100 + reroutes.length;
    const graph = {
      nodes: [load, ...reroutes, { ...save, inputs: [{ ...images, link: last }] }],
      links: [[100, 1, 0, 100, 0, "*"], ...reroutes.map(({ id }) => [id + 1, id, 0, id + 1, 0, "*"])],
    };
    expect(convert(graph)).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });
});

test("ids and names that are properties of all objects are like others", () => {
  const text = `{"nodes": [
    {"id": "__proto__", "type": "LoadImage", "widgets_values": ["a.png"]},
    {"id": "constructor", "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 1},
      {"name": "__proto__", "type": "IMAGE", "link": 1}], "widgets_values": ["out"]},
    {"id": "x", "type": "toString"}],
    "links": [[1, "__proto__", 0, "constructor", 0, "IMAGE"]]}`;
  const graph = convert(JSON.parse(text));
  expect(Object.keys(graph)).toEqual(["__proto__", "constructor", "x"]);
  expect(graph.constructor).toMatchObject({ inputs: { images: ["__proto__", 0] } });
});
