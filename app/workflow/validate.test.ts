import { describe, expect, test } from "vitest";
import { AutochromeError } from "../kernel/index.ts";
import { MOST_NODES } from "./graph.ts";
import { workflowError } from "./refusal.ts";
import { accepted, asJson, blend, crop, graphWith, load, refused, save } from "./testing-prompts.ts";

test("a sound prompt passes, with the values that nodes get", () => {
  const result = accepted(graphWith(blend({ blend_factor: "0.25", blend_mode: { __value__: "multiply" } })));
  expect(result.outputs).toEqual(["3"]);
  expect(result.nodeErrors).toEqual({});
  expect(result.graph["2"]?.inputs).toEqual({
    image1: ["1", 0],
    image2: ["1", 0],
    blend_factor: 0.25,
    blend_mode: "multiply",
  });
});

test("what it was given stays as it was", () => {
  const graph = graphWith(crop({ width: "12", unknown: ["1", 0] }));
  const before = asJson(graph);
  accepted(graph);
  expect(graph).toEqual(before);
});

describe("what is judged", () => {
  test("outputs that can run do, though others cannot", () => {
    const graph = { ...graphWith(crop({ width: 0 })), "4": save(["1", 0]) };
    const result = accepted(graph);
    expect(result.outputs).toEqual(["4"]);
    expect(Object.keys(result.nodeErrors)).toEqual(["2"]);
    expect(result.nodeErrors["2"]?.dependent_outputs).toEqual(["3"]);
  });

  test("only the targets, when there are some", () => {
    const graph = { ...graphWith(crop({ width: 0 })), "4": save(["1", 0]) };
    expect(accepted(graph, ["4", "2", "nothing"])).toMatchObject({ outputs: ["4"], nodeErrors: {} });
    expect(refused(graph, ["3"]).error.type).toBe("prompt_outputs_failed_validation");
  });

  test("nodes that no output needs must only have a known class", () => {
    const graph = { "1": load, "2": crop({ width: "wide" }), "3": save(["1", 0]) };
    expect(accepted(graph).graph["2"]?.inputs.width).toBe("wide");
  });

  test("unknown constants are kept, unknown links dropped", () => {
    const graph = graphWith(crop({ seed: 5, extra: ["99", 0], more: [] }));
    const { inputs } = accepted(graph).graph["2"] ?? {};
    expect(inputs).toEqual({ image: ["1", 0], width: 10, height: 10, x: 0, y: 0, seed: 5 });
  });

  test("optional inputs may be left out or null", () => {
    const stitch = (inputs: object) => ({
      class_type: "ImageStitch",
      inputs: {
        image1: ["1", 0],
        direction: "right",
        match_image_size: "false",
        spacing_width: 3.7,
        spacing_color: "white",
        ...inputs,
      },
    });
    expect(accepted(graphWith(stitch({}))).graph["2"]?.inputs).toMatchObject({
      match_image_size: true, // any text but the empty one is true, as in ComfyUI
      spacing_width: 3,
    });
    expect(accepted(graphWith(stitch({ image2: null }))).graph["2"]?.inputs).not.toHaveProperty("image2");
    expect(refused(graphWith(stitch({ image2: ["1", 1] }))).nodeErrors["2"]?.errors).toHaveLength(1);
  });

  test.each([
    ["INT", { width: "12" }, { width: 12 }],
    ["INT", { width: " +7 " }, { width: 7 }],
    ["INT", { width: true }, { width: 1 }],
    ["INT", { x: -0.5 }, { x: 0 }],
    ["INT", { width: { __value__: 9.9 } }, { width: 9 }],
  ])("%s from %j", (_, given, got) => {
    expect(accepted(graphWith(crop(given))).graph["2"]?.inputs).toMatchObject(got);
  });

  test.each([
    [5, "5"],
    [true, "True"],
    [null, "None"],
    [{ a: [1, "b", null] }, "{'a': [1, 'b', None]}"],
    [{ __value__: ["it's"] }, '["it\'s"]'],
  ])("STRING from %j", (filename_prefix, text) => {
    const graph = {
      "1": load,
      "3": { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix } },
    };
    expect(accepted(graph).graph["3"]?.inputs.filename_prefix).toBe(text);
  });

  test("a check of a node as a whole names no input, and waits until each is right", () => {
    const hints = (inputs: object) => ({
      class_type: "AutochromeColourHints",
      inputs: { image: ["1", 0], points: "", colour: "blue", reach: 0.4, strength: 1, ...inputs },
    });
    expect(refused(graphWith(hints({}))).nodeErrors["2"]?.errors).toEqual([
      {
        type: "custom_validation_failed",
        message: "Custom validation failed for node",
        details: 'the colour "blue" is not #rrggbb',
        extra_info: {},
      },
    ]);
    const [only, ...more] = refused(graphWith(hints({ reach: 9 }))).nodeErrors["2"]?.errors ?? [];
    expect([only?.type, more]).toEqual(["value_bigger_than_max", []]);
  });

  test("a title that is no text does not matter", () => {
    const graph = { "1": { ...load, _meta: { title: 5 } }, "3": save(["1", 0]) };
    expect(accepted(graph).outputs).toEqual(["3"]);
  });

  test("ids that are properties of all objects are ids like others", () => {
    const text = `{"__proto__": ${JSON.stringify(load)}, "constructor": ${JSON.stringify(save(["__proto__", 0]))}}`;
    const { graph, outputs } = accepted(JSON.parse(text));
    expect(outputs).toEqual(["constructor"]);
    expect(Object.keys(graph)).toEqual(["__proto__", "constructor"]);
    const wrong = refused(JSON.parse(text.replace("input.jpg", "none.jpg")));
    expect(Object.keys(wrong.nodeErrors)).toEqual(["__proto__"]);
  });
});

describe("absurd prompts", () => {
  const chain = (nodes: number) => {
    const graph: Record<string, unknown> = { n1: load };
    for (let i = 2; i < nodes; i++) {
      graph[`n${i}`] = { class_type: "ImageInvert", inputs: { image: [`n${i - 1}`, 0] } };
    }
    graph[`n${nodes}`] = save([`n${nodes - 1}`, 0]);
    return graph;
  };

  test("a chain of as many nodes as are allowed passes", () => {
    expect(accepted(chain(MOST_NODES)).outputs).toEqual([`n${MOST_NODES}`]);
  });

  test.each([MOST_NODES + 1, 100_000])("a chain of %i nodes is refused", (nodes) => {
    expect(refused(chain(nodes))).toEqual({
      ok: false,
      error: {
        type: "prompt_too_large",
        message: `The prompt has ${nodes} nodes; at most ${MOST_NODES} are allowed`,
        details: "",
        extra_info: {},
      },
      nodeErrors: {},
    });
  });

  test("values nested 100,000 deep are refused", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const text = `{"1": {"class_type": "LoadImage", "inputs": {"image": {"__value__": ${deep}}}}}`;
    expect(refused(JSON.parse(text)).error.type).toBe("invalid_prompt");
  });

  test("a thousand wrong outputs are told in a bearable answer", () => {
    const graph: Record<string, unknown> = {};
    for (let i = 0; i < 1000; i++) graph[i] = { class_type: "SaveImage", inputs: {} };
    const result = refused(graph);
    expect(Object.keys(result.nodeErrors)).toHaveLength(1000);
  });
});

describe("words for the command line", () => {
  const errorFor = (graph: unknown) => workflowError(refused(graph));
  test("an unknown node", () => {
    const error = errorFor({ "7": { class_type: "KSampler", inputs: {} } });
    expect(error).toBeInstanceOf(AutochromeError);
    expect(error.toRecord()).toEqual({
      code: "workflow-invalid",
      message: "This workflow has a node that Autochrome does not know: KSampler.",
      next: "Remove that node or put another in its place; docs/nodes.md lists those that there are.",
      detail: "missing_node_type: Node 'KSampler' not found. The custom node may not be installed.",
    });
  });
  test("no output", () => {
    expect(errorFor({ "1": load }).message).toBe("This workflow saves no picture.");
  });
  test("a wrong value", () => {
    const error = errorFor(graphWith(crop({ width: 0 })));
    expect(error.message).toBe(
      "Node 2 (ImageCrop) of this workflow cannot run: Value 0 smaller than min of 1 (width).",
    );
    expect(error.detail).toBe("prompt_outputs_failed_validation: value_smaller_than_min");
  });
  test("anything else", () => {
    expect(errorFor(5).message).toBe("This workflow cannot run: The prompt is not a graph.");
  });
});
