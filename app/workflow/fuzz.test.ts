// Graphs come from anywhere: whatever they are, they are judged, converted or refused, and nothing else happens.
import fc from "fast-check";
import { expect, test } from "vitest";
import { AutochromeError } from "../kernel/index.ts";
import { toApiGraph } from "./convert.ts";
import { graphFormatOf } from "./graph.ts";
import { NODES } from "./library.ts";
import { listPresets, readLayout, readPreset } from "./presets.ts";
import { workflowError } from "./refusal.ts";
import { worldOf } from "./testing-world.ts";
import { validatePrompt } from "./validate.ts";

const world = worldOf();
const RUNS = { numRuns: 1000 };

/** Anything goes but an error of another kind. */
function refusesOnly(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (error instanceof AutochromeError) expect(error.code).toBe("workflow-invalid");
    else throw error;
  }
}

/** What all entrances make of a value from outside. */
function enter(value: unknown): void {
  refusesOnly(() => graphFormatOf(value));
  refusesOnly(() => judge(toApiGraph(value, world)));
  judge(value);
}

function judge(graph: unknown): void {
  const result = validatePrompt(graph, world);
  expect(() => JSON.stringify(result)).not.toThrow();
  if (!result.ok) {
    expect(workflowError(result)).toBeInstanceOf(AutochromeError);
    expect(result.error.type).toMatch(/^[a-z_]+$/);
    return;
  }
  // What passed is as nodes expect it: judging it again changes nothing.
  const again = validatePrompt(result.graph, world, result.outputs);
  expect(again).toMatchObject({ ok: true, outputs: result.outputs });
  if (again.ok) expect(again.graph).toEqual(result.graph);
}

const id = fc.constantFrom("1", "2", "3", "4", "__proto__", "constructor", "", "5:1");
const word = fc.constantFrom(
  "image",
  "images",
  "model",
  "nodes",
  "links",
  "inputs",
  "widgets_values",
  "mode",
  "definitions",
  "subgraphs",
  "class_type",
  "__proto__",
  "__value__",
  "type",
  "id",
);
const leaf = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom("input.jpg", "IMAGE", "1e999", "nan", "autochrome-small"),
  fc.tuple(id, fc.integer({ min: -1, max: 2 })),
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.array(tie("tree"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(word, id, fc.string()), tie("tree"), { maxKeys: 6 }),
  ),
}));

test("random JSON", () => {
  fc.assert(
    fc.property(tree, (value) => enter(value)),
    RUNS,
  );
});

test("random prompts of known nodes", () => {
  const node = fc.constantFrom(...NODES.values()).chain((declared) => {
    const inputs = Object.keys(declared.inputs).map(
      (name) => [name, fc.option(leaf, { nil: undefined })] as const,
    );
    return fc.record({
      class_type: fc.constant(declared.class),
      inputs: fc.record(Object.fromEntries(inputs)),
    });
  });
  fc.assert(
    fc.property(fc.dictionary(id, node, { maxKeys: 8 }), (graph) => enter(graph)),
    RUNS,
  );
});

test("random links between known nodes", () => {
  const picture = fc.constantFrom("n0", "n1", "n2", "n3", "n4");
  const node = fc.oneof(
    fc.constant({ class_type: "LoadImage", inputs: { image: "input.jpg" } }),
    fc.record({
      class_type: fc.constant("ImageInvert"),
      inputs: fc.record({ image: fc.tuple(picture, fc.integer({ min: 0, max: 1 })) }),
    }),
    fc.record({
      class_type: fc.constant("SaveImage"),
      inputs: fc.record({ images: fc.tuple(picture, fc.constant(0)), filename_prefix: fc.constant("x") }),
    }),
  );
  fc.assert(
    fc.property(fc.array(node, { maxLength: 6 }), (nodes) =>
      judge(Object.fromEntries(nodes.map((one, i) => [`n${i}`, one]))),
    ),
    RUNS,
  );
});

type Json = { [key: string]: unknown };
/** All objects and arrays in a value. */
function partsOf(value: unknown, parts: Json[] = []): Json[] {
  if (typeof value !== "object" || value === null) return parts;
  parts.push(value as Json);
  for (const part of Object.values(value)) partsOf(part, parts);
  return parts;
}

/** As JSON.parse does it: "__proto__" is a name like any other, and an object's prototype stays what it was. */
function put(target: Json, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

const change = fc.record({
  part: fc.nat(),
  key: fc.nat(),
  other: fc.nat(),
  how: fc.constantFrom("replace", "remove", "move", "add"),
  name: word,
  value: tree,
});

test.each(
  listPresets().flatMap(({ alias }) => [
    [alias, "graph"],
    [alias, "layout"],
  ]),
)("%s: its %s, mutated", async (alias, kind) => {
  const original: unknown = kind === "graph" ? await readPreset(alias) : await readLayout(alias);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const mutant: unknown = structuredClone(original);
      for (const { part, key, other, how, name, value: given } of changes) {
        const value: unknown = structuredClone(given); // later changes may go into it
        const parts = partsOf(mutant);
        const target = parts[part % parts.length]!;
        const keys = Object.keys(target);
        const at = keys[key % Math.max(1, keys.length)] ?? name;
        if (how === "remove") delete target[at];
        else if (how === "replace") put(target, at, value);
        else if (how === "add") put(target, name, value);
        else put(target, at, structuredClone(parts[other % parts.length]));
      }
      enter(mutant);
    }),
    { numRuns: 200 },
  );
});
