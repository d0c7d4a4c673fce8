import { describe, expect, test } from "vitest";
import { MOST_NODES } from "./graph.ts";
import {
  convert,
  image,
  invert,
  invertedFrom,
  load,
  loaded,
  out,
  refusal,
  save,
  saved,
  ui,
  type Wire,
} from "./testing-ui.ts";

describe("subgraphs", () => {
  const ends = { inputNode: { id: -10 }, outputNode: { id: -20 } };
  /** Two inversions, one after the other. */
  const twice = {
    id: "7d2d4f0e-0000-4000-8000-000000000001",
    name: "Twice",
    ...ends,
    inputs: [{ id: "i", name: "photo", type: "IMAGE", linkIds: [1] }],
    outputs: [{ id: "o", name: "result", type: "IMAGE", linkIds: [3] }],
    nodes: [invert(1, { inputs: [{ ...image, link: 1 }] }), invert(2, { inputs: [{ ...image, link: 2 }] })],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 1, target_slot: 0, type: "IMAGE" },
      { id: 2, origin_id: 1, origin_slot: 0, target_id: 2, target_slot: 0, type: "IMAGE" },
      { id: 3, origin_id: 2, origin_slot: 0, target_id: -20, target_slot: 0, type: "IMAGE" },
    ],
  };
  const instance = (id: number, type: string, more: object = {}) => ({
    id,
    type,
    inputs: [{ name: "photo", type: "IMAGE" }],
    outputs: [{ name: "result", type: "IMAGE" }],
    ...more,
  });
  const around = (node: ReturnType<typeof instance>, definitions: unknown) => ({
    ...ui(
      [load, node, save],
      [
        [1, 0, node.id, 0, "IMAGE"],
        [node.id, 0, 9, 0, "IMAGE"],
      ],
    ),
    definitions,
  });

  test("their nodes come in their place, with ids of the way to them", () => {
    expect(convert(around(instance(5, twice.id), { subgraphs: [twice] }))).toEqual({
      "1": loaded,
      "9": saved(["5:2", 0]),
      "5:1": invertedFrom("1"),
      "5:2": invertedFrom("5:1"),
    });
  });

  test("one may be used more than once", () => {
    const graph = {
      ...ui(
        [load, instance(5, twice.id), instance(6, twice.id), save],
        [
          [1, 0, 5, 0, "IMAGE"],
          [5, 0, 6, 0, "IMAGE"],
          [6, 0, 9, 0, "IMAGE"],
        ],
      ),
      definitions: { subgraphs: [twice] },
    };
    expect(convert(graph)).toMatchObject({
      "5:1": invertedFrom("1"),
      "6:1": invertedFrom("5:2"),
      "9": saved(["6:2", 0]),
    });
  });

  const outer = {
    ...twice,
    id: "7d2d4f0e-0000-4000-8000-000000000002",
    nodes: [instance(3, twice.id, { inputs: [{ name: "photo", type: "IMAGE", link: 1 }] })],
    links: [
      { id: 1, origin_id: -10, origin_slot: 0, target_id: 3, target_slot: 0, type: "IMAGE" },
      { id: 3, origin_id: 3, origin_slot: 0, target_id: -20, target_slot: 0, type: "IMAGE" },
    ],
  };
  test.each([
    ["beside each other", { subgraphs: [outer, twice] }],
    ["one in the other", { subgraphs: [{ ...outer, definitions: { subgraphs: [twice] } }] }],
  ])("within subgraphs, defined %s", (_, definitions) => {
    expect(convert(around(instance(5, outer.id), definitions))).toEqual({
      "1": loaded,
      "9": saved(["5:3:2", 0]),
      "5:3:1": invertedFrom("1"),
      "5:3:2": invertedFrom("5:3:1"),
    });
  });

  test("muted: nothing of it is there", () => {
    const graph = around(instance(5, twice.id, { mode: 2 }), { subgraphs: [twice] });
    expect(convert(graph)).toEqual({ "1": loaded, "9": saved(undefined) });
  });
  test("bypassed: its input goes on", () => {
    const graph = around(instance(5, twice.id, { mode: 4 }), { subgraphs: [twice] });
    expect(convert(graph)).toEqual({ "1": loaded, "9": saved(["1", 0]) });
  });
  test("with an input that is linked to nothing", () => {
    const graph = {
      ...ui([instance(5, twice.id), save], [[5, 0, 9, 0, "IMAGE"]]),
      definitions: { subgraphs: [twice] },
    };
    expect(convert(graph)["5:1"]?.inputs).toEqual({});
  });

  const widget = (name: string, type: string, link: number) => ({ name, type, link, widget: { name } });
  /** A crop whose width and height are widgets of the subgraph's node. */
  const cropped = {
    ...twice,
    id: "7d2d4f0e-0000-4000-8000-000000000003",
    inputs: [{ name: "photo" }, { name: "wide" }, { name: "high" }],
    nodes: [
      {
        id: 1,
        type: "ImageCrop",
        inputs: [{ ...image, link: 1 }, widget("width", "INT", 2), widget("height", "INT", 4)],
        outputs: [out],
        widgets_values: [100, 200, 0, 0],
      },
    ],
    links: [
      [1, -10, 0, 1, 0, "IMAGE"],
      [2, -10, 1, 1, 1, "INT"],
      [3, 1, 0, -20, 0, "IMAGE"],
      [4, -10, 2, 1, 2, "INT"],
    ],
  };
  const size = (more: object, wires: readonly Wire[] = []) => {
    const node = instance(5, cropped.id, more);
    const graph = {
      ...ui([load, node, save], [[1, 0, 5, 0, "IMAGE"], ...wires]),
      definitions: { subgraphs: [cropped] },
    };
    const { width, height } = convert(graph)["5:1"]?.inputs ?? {};
    return [width, height];
  };
  test("with widgets of their own: their values win over those inside", () => {
    expect(size({ widgets_values: [11, 22] })).toEqual([11, 22]);
    expect(size({ widgets_values: [11] })).toEqual([11, 200]);
    expect(size({ widgets_values: { high: 33 } })).toEqual([100, 33]);
    expect(size({ widgets_values_named: { wide: 44 } })).toEqual([44, 200]);
  });
  test("without values for their widgets: those inside stay", () => {
    expect(size({})).toEqual([100, 200]);
    expect(size({ widgets_values: [] })).toEqual([100, 200]);
  });
  test("with a widget that is linked outside", () => {
    const inputs = [
      { name: "photo", type: "IMAGE" },
      { name: "high", type: "INT", widget: { name: "high" } },
    ];
    expect(size({ inputs, widgets_values: [11, 22] }, [[7, 0, 5, 1, "INT"]])).toEqual([11, 200]);
    const primitive = ui(
      [
        { id: 7, type: "PrimitiveNode", outputs: [{ name: "INT", type: "INT" }], widgets_values: [55] },
        instance(5, cropped.id, { inputs, widgets_values: [11, 22] }),
      ],
      [[7, 0, 5, 1, "INT"]],
    );
    const graph = convert({ ...primitive, definitions: { subgraphs: [cropped] } });
    expect(graph["5:1"]?.inputs).toMatchObject({ width: 11, height: 55 });
  });

  test("that contain themselves are refused", () => {
    const self = { ...outer, nodes: [instance(3, outer.id)] };
    expect(refusal(around(instance(5, outer.id), { subgraphs: [self] }))).toContain("contains itself");
    const one = { ...outer, id: "one", nodes: [instance(3, "two")] };
    const two = { ...outer, id: "two", nodes: [instance(3, "one")] };
    expect(refusal(around(instance(5, "one"), { subgraphs: [one, two] }))).toContain("contains itself");
  });

  test("nested without end are refused", () => {
    const subgraphs = Array.from({ length: 30 }, (_, i) => ({
      ...outer,
      id: `level-${i}`,
      nodes: [instance(3, `level-${i + 1}`)],
    }));
    expect(refusal(around(instance(5, "level-0"), { subgraphs }))).toContain("nested more than 20 deep");
  });

  test("that multiply are refused before they fill the memory", () => {
    const subgraphs = Array.from({ length: 15 }, (_, i) => ({
      ...outer,
      id: `level-${i}`,
      nodes: Array.from({ length: 50 }, (_, id) => instance(id, `level-${i + 1}`)),
    }));
    expect(refusal(around(instance(5, "level-0"), { subgraphs }))).toBe(
      `This workflow has more than ${MOST_NODES} nodes.`,
    );
  });
});
