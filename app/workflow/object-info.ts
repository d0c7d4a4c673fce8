// What ComfyUI's clients ask about nodes: /object_info and /i18n, derived from the declarations.
//
// Owns: how a declaration looks in ComfyUI's words. Must never: know a particular node.
import { NODES } from "./library.ts";
import type { AnyNode, ChoiceInput, InputSpec, Words, World } from "./node.ts";

/** ComfyUI's description of an input: its type, or the choices themselves, and its options. */
export type InputConfig = readonly [string | readonly string[], Readonly<Record<string, unknown>>];

/** ComfyUI's description of a node class. */
export interface NodeInfo {
  readonly input: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly input_order: Readonly<Record<string, readonly string[]>>;
  readonly is_input_list: boolean;
  readonly output: readonly string[];
  readonly output_is_list: readonly boolean[];
  readonly output_name: readonly string[];
  readonly output_tooltips?: readonly string[];
  readonly name: string;
  readonly display_name: string;
  readonly description: string;
  readonly python_module: string;
  readonly category: string;
  readonly output_node: boolean;
  readonly has_intermediate_output: boolean;
  readonly deprecated?: boolean;
  readonly search_aliases: readonly string[];
}

/** What an output node gets besides its inputs; clients leave these alone. */
const HIDDEN = { prompt: "PROMPT", extra_pnginfo: "EXTRA_PNGINFO", unique_id: "UNIQUE_ID" };

/** Classes that ComfyUI itself does not have. */
const OURS = /^(Autochrome|DDColor)/;

/** Parts of our categories that the official front end has no words for. */
const CATEGORIES: Readonly<Record<string, Words>> = {
  autochrome: { en: "Autochrome", zh: "Autochrome" },
  repair: { en: "repair", zh: "修复" },
  colour: { en: "colour", zh: "色彩" },
  finish: { en: "finish", zh: "收尾" },
  DDColor: { en: "DDColor", zh: "DDColor" },
};

/** The names that a choice can be made from, now. */
export function choicesOf(spec: ChoiceInput, world: World): readonly string[] {
  return typeof spec.choices === "function" ? spec.choices(world) : spec.choices;
}

/** A node's inputs in the order of ComfyUI's editor: those that may be left out come last. */
export function orderedInputs(node: Pick<AnyNode, "inputs">): readonly (readonly [string, InputSpec])[] {
  const inputs = Object.entries(node.inputs);
  return [...inputs.filter(([, spec]) => !spec.isOptional), ...inputs.filter(([, spec]) => spec.isOptional)];
}

/** An input as ComfyUI describes it. */
export function inputConfig(spec: InputSpec, world: World): InputConfig {
  const about = {
    display_name: spec.label.en,
    tooltip: spec.tooltip.en,
    ...(spec.isAdvanced ? { advanced: true } : {}),
  };
  switch (spec.type) {
    case "IMAGE":
    case "MASK":
      return [spec.type, about];
    case "INT":
    case "FLOAT": {
      const { default: initial, min, max, step } = spec;
      return [spec.type, { ...about, default: initial, min, max, step }];
    }
    case "BOOLEAN":
      return [spec.type, { ...about, default: spec.default }];
    case "STRING":
      return [spec.type, { ...about, default: spec.default, multiline: spec.isMultiline }];
    case "COMBO":
      return [
        choicesOf(spec, world),
        {
          ...about,
          ...(spec.default === undefined ? {} : { default: spec.default }),
          ...(spec.isUpload ? { image_upload: true } : {}),
        },
      ];
  }
}

/**
 * ComfyUI's /object_info: node classes and what they take and give.
 * @param only this class alone; an unknown one gives an empty object, as in ComfyUI
 */
export function objectInfo(world: World, only?: string): Readonly<Record<string, NodeInfo>> {
  const nodes = [...NODES.values()].filter((node) => only === undefined || node.class === only);
  return Object.fromEntries(nodes.map((node) => [node.class, nodeInfo(node, world)]));
}

function nodeInfo(node: AnyNode, world: World): NodeInfo {
  const inputs = orderedInputs(node);
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [name, spec] of inputs) {
    groups[spec.isOptional ? "optional" : "required"] ??= {};
    groups[spec.isOptional ? "optional" : "required"]![name] = inputConfig(spec, world);
  }
  const input = { required: {}, ...groups, ...(node.isOutput === true ? { hidden: HIDDEN } : {}) };
  const hasTooltips = node.outputs.some(({ tooltip }) => tooltip !== undefined);
  return {
    input,
    input_order: Object.fromEntries(
      Object.entries(input).map(([group, members]) => [group, Object.keys(members)]),
    ),
    is_input_list: false,
    output: node.outputs.map(({ type }) => type),
    output_is_list: node.outputs.map(() => false),
    output_name: node.outputs.map(({ name }) => name),
    ...(hasTooltips ? { output_tooltips: node.outputs.map(({ tooltip }) => tooltip?.en ?? "") } : {}),
    name: node.class,
    display_name: node.title.en,
    description: node.description.en,
    python_module: OURS.test(node.class) ? "custom_nodes.autochrome" : "nodes",
    category: node.category,
    output_node: node.isOutput === true,
    has_intermediate_output: false,
    ...(node.isDeprecated === true ? { deprecated: true } : {}),
    search_aliases: node.aliases ?? [],
  };
}

/** A node class in one language, as the official front end reads it. */
interface NodeWords {
  readonly display_name: string;
  readonly description: string;
  readonly inputs: Readonly<Record<string, { readonly name: string; readonly tooltip: string }>>;
  /** By the output's number. */
  readonly outputs: Readonly<Record<string, { readonly name: string; readonly tooltip?: string }>>;
}

/** What the front end merges into its own words of a language. */
interface Translation {
  readonly nodeDefs: Readonly<Record<string, NodeWords>>;
  readonly nodeCategories: Readonly<Record<string, string>>;
}

/** ComfyUI's /i18n: words for nodes in the languages of the program. */
export function nodeTranslations(): Readonly<Record<keyof Words, Translation>> {
  return { en: translation("en"), zh: translation("zh") };
}

function translation(language: keyof Words): Translation {
  return {
    nodeDefs: Object.fromEntries(
      [...NODES.values()].map((node) => [translationKey(node.class), wordsOf(node, language)]),
    ),
    nodeCategories: Object.fromEntries(
      Object.entries(CATEGORIES).map(([part, words]) => [part, words[language]]),
    ),
  };
}

function wordsOf(node: AnyNode, language: keyof Words): NodeWords {
  return {
    display_name: node.title[language],
    description: node.description[language],
    inputs: Object.fromEntries(
      Object.entries(node.inputs).map(([name, { label, tooltip }]) => [
        translationKey(name),
        { name: label[language], tooltip: tooltip[language] },
      ]),
    ),
    outputs: Object.fromEntries(
      node.outputs.map(({ name, tooltip }, place) => [
        place,
        { name, ...(tooltip === undefined ? {} : { tooltip: tooltip[language] }) },
      ]),
    ),
  };
}

/** The front end looks words up by paths with dots between keys. */
const translationKey = (name: string) => name.replaceAll(".", "_");
