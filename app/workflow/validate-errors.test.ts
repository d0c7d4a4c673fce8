// Each kind of error, exactly as ComfyUI's clients get it.
import { describe, expect, test } from "vitest";
import { asJson, blend, crop, failed, graphWith, load, oneError, refused, save } from "./testing-prompts.ts";
import { worldOf } from "./testing-world.ts";
import { validatePrompt } from "./validate.ts";

describe("refused as a whole, with ComfyUI's words", () => {
  const cases: readonly (readonly [string, unknown, object])[] = [
    [
      "an unknown class",
      {
        "1": load,
        "7": { class_type: "KSampler", inputs: {}, _meta: { title: "Sampler" } },
        "3": save(["1", 0]),
      },
      {
        type: "missing_node_type",
        message: "Node 'Sampler' not found. The custom node may not be installed.",
        details: "Node ID '#7'",
        extra_info: { node_id: "7", class_type: "KSampler", node_title: "Sampler" },
      },
    ],
    [
      "an unknown class without a title",
      { "7": { class_type: "KSampler", inputs: {} } },
      {
        type: "missing_node_type",
        message: "Node 'KSampler' not found. The custom node may not be installed.",
        details: "Node ID '#7'",
        extra_info: { node_id: "7", class_type: "KSampler", node_title: "KSampler" },
      },
    ],
    [
      "no class",
      { "7": { inputs: {} } },
      {
        type: "missing_node_type",
        message: "Node 'ID #7' has no class_type. The workflow may be corrupted or a custom node is missing.",
        details: "Node ID '#7'",
        extra_info: { node_id: "7", class_type: null, node_title: null },
      },
    ],
    [
      "a class that is a property of all objects",
      { "7": { class_type: "constructor", inputs: {} } },
      {
        type: "missing_node_type",
        message: "Node 'constructor' not found. The custom node may not be installed.",
        details: "Node ID '#7'",
        extra_info: { node_id: "7", class_type: "constructor", node_title: "constructor" },
      },
    ],
    [
      "no node",
      {},
      { type: "prompt_no_outputs", message: "Prompt has no outputs", details: "", extra_info: {} },
    ],
    [
      "no output node",
      { "1": load },
      { type: "prompt_no_outputs", message: "Prompt has no outputs", details: "", extra_info: {} },
    ],
    [
      "no graph",
      [load],
      {
        type: "invalid_prompt",
        message: "The prompt is not a graph",
        details: "It must be an object of nodes by id",
        extra_info: {},
      },
    ],
    [
      "malformed inputs",
      { "1": { class_type: "LoadImage", inputs: "image" } },
      {
        type: "invalid_prompt",
        message: "Node '1' is malformed",
        details: "Its inputs must be an object",
        extra_info: {},
      },
    ],
  ];
  test.each(cases)("%s", (_, graph, error) => {
    expect(asJson(refused(graph))).toEqual({ ok: false, error, nodeErrors: {} });
  });

  test("targets that are no output nodes", () => {
    expect(refused(graphWith(crop({})), ["2"]).error.type).toBe("prompt_no_outputs");
    expect(refused(graphWith(crop({})), []).error.type).toBe("prompt_no_outputs");
  });
});

describe("a node's inputs, with ComfyUI's words", () => {
  const width = ["INT", expect.objectContaining({ min: 1, max: 16384 })];
  const factor = ["FLOAT", expect.objectContaining({ min: 0, max: 1 })];
  const cases: readonly (readonly [string, object, object])[] = [
    [
      "missing",
      { class_type: "ImageInvert", inputs: {} },
      {
        type: "required_input_missing",
        message: "Required input is missing",
        details: "image",
        extra_info: { input_name: "image" },
      },
    ],
    [
      "an array of three",
      crop({ image: ["1", 0, 0] }),
      {
        type: "bad_linked_input",
        message: "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        details: "image",
        extra_info: {
          input_name: "image",
          input_config: ["IMAGE", expect.any(Object)],
          received_value: ["1", 0, 0],
        },
      },
    ],
    [
      "a mask where a picture is wanted",
      crop({ image: ["1", 1] }),
      {
        type: "return_type_mismatch",
        message: "Return type mismatch between linked nodes",
        details: "image, received_type(MASK) mismatch input_type(IMAGE)",
        extra_info: {
          input_name: "image",
          input_config: ["IMAGE", expect.any(Object)],
          received_type: "MASK",
          linked_node: ["1", 1],
        },
      },
    ],
    [
      "a word for a whole number",
      crop({ width: "wide" }),
      {
        type: "invalid_input_type",
        message: "Failed to convert an input value to a INT value",
        details: "width, wide, invalid literal for int() with base 10: 'wide'",
        extra_info: {
          input_name: "width",
          input_config: width,
          received_value: "wide",
          exception_message: "invalid literal for int() with base 10: 'wide'",
        },
      },
    ],
    [
      "nothing for a whole number",
      crop({ width: null }),
      {
        type: "invalid_input_type",
        message: "Failed to convert an input value to a INT value",
        details:
          "width, None, int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
        extra_info: {
          input_name: "width",
          input_config: width,
          received_value: null,
          exception_message:
            "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
        },
      },
    ],
    [
      "too small",
      crop({ width: 0 }),
      {
        type: "value_smaller_than_min",
        message: "Value 0 smaller than min of 1",
        details: "width",
        extra_info: { input_name: "width", input_config: width, received_value: 0 },
      },
    ],
    [
      "too big",
      blend({ blend_factor: 2 }),
      {
        type: "value_bigger_than_max",
        message: "Value 2.0 bigger than max of 1.0",
        details: "blend_factor",
        extra_info: { input_name: "blend_factor", input_config: factor, received_value: 2 },
      },
    ],
    [
      "not in the list",
      blend({ blend_mode: "melt" }),
      {
        type: "value_not_in_list",
        message: "Value not in list",
        details: expect.stringMatching(/^blend_mode: 'melt' not in \['normal', 'multiply', .*\]$/),
        extra_info: {
          input_name: "blend_mode",
          input_config: [expect.arrayContaining(["normal"]), expect.any(Object)],
          received_value: "melt",
        },
      },
    ],
    [
      "infinite",
      blend({ blend_factor: Number.POSITIVE_INFINITY }),
      {
        type: "invalid_input_type",
        message: "Failed to convert an input value to a FLOAT value",
        details: "blend_factor, Infinity, the number is not finite",
        extra_info: {
          input_name: "blend_factor",
          input_config: factor,
          received_value: "Infinity",
          exception_message: "the number is not finite",
        },
      },
    ],
    [
      "a constant where a picture is wanted",
      crop({ image: "input.jpg" }),
      {
        type: "invalid_input_type",
        message: "Failed to convert an input value to a IMAGE value",
        details: "image, input.jpg, it must be linked to another node",
        extra_info: {
          input_name: "image",
          input_config: ["IMAGE", expect.any(Object)],
          received_value: "input.jpg",
          exception_message: "it must be linked to another node",
        },
      },
    ],
    [
      "a link to a missing node",
      crop({ image: ["99", 0] }),
      {
        type: "exception_during_inner_validation",
        message: "Exception when validating inner node",
        details: "There is no node '99'",
        extra_info: {
          input_name: "images",
          input_config: ["IMAGE", expect.any(Object)],
          exception_message: "There is no node '99'",
          exception_type: "KeyError",
          traceback: [],
          linked_node: ["2", 0],
        },
      },
    ],
  ];
  test.each(cases)("%s", (_, node, error) => {
    const result = asJson(refused(graphWith(node)));
    const { class_type } = node as { class_type: string };
    expect(result).toEqual({ ok: false, error: failed(), nodeErrors: { "2": oneError(error, class_type) } });
  });

  test("of the output node itself: told in the details, too", () => {
    const { error, nodeErrors } = refused({ "3": { class_type: "SaveImage", inputs: {} } });
    expect(error).toEqual(
      failed("Required input is missing: images\nRequired input is missing: filename_prefix"),
    );
    expect(nodeErrors["3"]?.errors.map(({ type }) => type)).toEqual([
      "required_input_missing",
      "required_input_missing",
    ]);
  });

  test.each([
    ["a missing node", ["99", 0], "KeyError", "There is no node '99'"],
    ["a number as id", [1, 0], "KeyError", "There is no node 1"],
    ["a missing output", ["1", 7], "IndexError", "Node '1' has no output 7"],
    ["an output before the first", ["1", -1], "IndexError", "Node '1' has no output -1"],
    ["half an output", ["1", 0.5], "IndexError", "Node '1' has no output 0.5"],
    ["an output that is a text", ["1", "length"], "TypeError", "Node '1' has no output 'length'"],
    ["an inherited property", ["constructor", 0], "KeyError", "There is no node 'constructor'"],
  ])("an output node linked to %s", (_, link, exception_type, details) => {
    const result = refused({ "1": load, "3": save(link) });
    const error = {
      type: "exception_during_validation",
      message: "Exception when validating node",
      details,
      extra_info: { exception_type, traceback: [] },
    };
    expect(asJson(result)).toEqual({
      ok: false,
      error: failed(`Exception when validating node: ${details}`),
      nodeErrors: { "3": oneError(error, "SaveImage") },
    });
  });

  test("a picture that is not there: the node's own check", () => {
    const { nodeErrors } = refused({
      "1": { class_type: "LoadImage", inputs: { image: "../x" } },
      "3": save(["1", 0]),
    });
    const error = {
      type: "custom_validation_failed",
      message: "Custom validation failed for node",
      details: "image - Invalid image file: ../x",
      extra_info: { input_name: "image" },
    };
    expect(nodeErrors).toEqual({ "1": oneError(error, "LoadImage") });
  });

  test.each([[5], [{ __value__: ["a.png"] }], [{}], [null]])(
    "a picture named by %j never gets to the node's check",
    (image) => {
      const graph = { "1": { class_type: "LoadImage", inputs: { image } }, "3": save(["1", 0]) };
      expect(refused(graph).nodeErrors["1"]?.errors[0]?.type).toBe("invalid_input_type");
    },
  );

  test("a check that throws is an error of that node", () => {
    const broken = worldOf();
    const find = () => {
      throw new TypeError("no folder");
    };
    const graph = { "1": load, "3": save(["1", 0]) };
    const result = validatePrompt(graph, { ...broken, files: { ...broken.files, find } });
    expect(result).toMatchObject({
      ok: false,
      nodeErrors: {
        "1": {
          errors: [
            {
              type: "exception_during_inner_validation",
              details: "no folder",
              extra_info: { exception_type: "TypeError", input_name: "images" },
            },
          ],
        },
      },
    });
  });

  test("long lists of choices are not sent back", () => {
    const names = Array.from({ length: 30 }, (_, i) => `${i}.png`);
    const graph = {
      "1": load,
      "2": { class_type: "LoadImage", inputs: { image: ["1", 0] } },
      "3": save(["2", 0]),
    };
    const result = validatePrompt(graph, worldOf(names));
    expect(result).toMatchObject({
      ok: false,
      nodeErrors: {
        "2": {
          errors: [
            {
              type: "return_type_mismatch",
              details: "image, received_type(IMAGE) mismatch input_type((list of length 30))",
              extra_info: { input_config: null },
            },
          ],
        },
      },
    });
  });
});

describe("cycles", () => {
  test("all nodes of a cycle are told, others are not", () => {
    const graph = {
      "1": { class_type: "ImageInvert", inputs: { image: ["2", 0] } },
      "2": { class_type: "ImageInvert", inputs: { image: ["1", 0] } },
      "3": save(["2", 0]),
    };
    const cycle = (node_id: string) =>
      oneError(
        {
          type: "dependency_cycle",
          message: "Dependency cycle detected",
          details: "2 (ImageInvert) -> 1 (ImageInvert) -> 2 (ImageInvert)",
          extra_info: { node_id, cycle_nodes: ["2", "1"] },
        },
        "ImageInvert",
      );
    expect(asJson(refused(graph))).toEqual({
      ok: false,
      error: failed(),
      nodeErrors: { "1": cycle("1"), "2": cycle("2") },
    });
  });

  test("a node linked to itself", () => {
    const { nodeErrors } = refused(graphWith({ class_type: "ImageInvert", inputs: { image: ["2", 0] } }));
    expect(nodeErrors["2"]?.errors[0]?.details).toBe("2 (ImageInvert) -> 2 (ImageInvert)");
  });

  test("of a long one, the beginning is told", () => {
    const ring: Record<string, unknown> = { save: save(["n0", 0]) };
    for (let i = 0; i < 500; i++) {
      ring[`n${i}`] = { class_type: "ImageInvert", inputs: { image: [`n${(i + 1) % 500}`, 0] } };
    }
    const result = refused(ring);
    expect(Object.keys(result.nodeErrors)).toHaveLength(500);
    expect(result.nodeErrors.n0?.errors[0]?.extra_info.cycle_nodes).toHaveLength(20);
    expect(JSON.stringify(result).length).toBeLessThan(1_000_000);
  });
});
