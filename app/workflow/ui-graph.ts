// Graphs in the editor's own format (versions 0.4 and 1), read into what a conversion needs.
//
// Owns: the format's schemas and limits, and the expansion of subgraphs. Must never: know which nodes exist.
import { z } from "zod";
import { AutochromeError } from "../kernel/index.ts";
import { MOST_NODES } from "./graph.ts";
import { isDeeperThan, isObject } from "./json.ts";

/** Subgraphs within subgraphs. */
const MOST_NESTED = 20;
/** Inputs of one node or subgraph. */
const MOST_INPUTS = 500;
/** What is longer is a list of choices, in old files; its beginning tells it from others. */
const MOST_OF_TYPE = 500;
/** Arrays and objects may be nested so deep in a file. */
const MOST_LEVELS = 200;

const idSchema = z.union([z.number(), z.string().max(200)]).transform(String);
const slotSchema = z.union([
  z.int().min(0),
  z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number),
]);
/** Types are texts; older files have numbers and lists of choices. */
const typeSchema = z
  .union([z.string(), z.number(), z.array(z.unknown())])
  .nullish()
  .transform((type) =>
    type === 0 || type === null || type === undefined ? "*" : String(type).slice(0, MOST_OF_TYPE),
  );

const inputSchema = z.looseObject({
  name: z.string(),
  type: typeSchema,
  link: z.number().nullish(),
  widget: z.unknown().optional(),
});
const outputSchema = z.looseObject({ type: typeSchema });

const nodeSchema = z.looseObject({
  id: idSchema,
  type: z.string(),
  title: z.string().optional().catch(undefined),
  mode: z.number().nullish(),
  inputs: z.array(inputSchema).max(MOST_INPUTS).nullish(),
  outputs: z.array(outputSchema).nullish(),
  widgets_values: z.unknown().optional(),
  widgets_values_named: z.unknown().optional(),
});

const linkSchema = z.union([
  z
    .tuple([z.number(), idSchema, slotSchema, idSchema, slotSchema], z.unknown())
    .transform(([id, from, fromSlot, to, toSlot]) => ({ id, from, fromSlot, to, toSlot })),
  z
    .looseObject({
      id: z.number(),
      origin_id: idSchema,
      origin_slot: slotSchema,
      target_id: idSchema,
      target_slot: slotSchema,
    })
    .transform((link) => ({
      id: link.id,
      from: link.origin_id,
      fromSlot: link.origin_slot,
      to: link.target_id,
      toSlot: link.target_slot,
    })),
]);

const layoutSchema = z.looseObject({
  nodes: z.array(nodeSchema),
  links: z.array(linkSchema.nullable()).nullish(),
});
const endSchema = z.looseObject({ id: idSchema });
const definitionSchema = layoutSchema.extend({
  id: z.string(),
  inputNode: endSchema,
  outputNode: endSchema,
  inputs: z
    .array(z.looseObject({ name: z.string() }))
    .max(MOST_INPUTS)
    .nullish(),
});

export type UiNode = Readonly<z.infer<typeof nodeSchema>>;
export type UiInput = Readonly<z.infer<typeof inputSchema>>;
export type UiLink = Readonly<z.infer<typeof linkSchema>>;

/** A graph or a subgraph's definition. */
export interface Layout {
  readonly nodes: ReadonlyMap<string, UiNode>;
  readonly links: ReadonlyMap<number, UiLink>;
  readonly ends?: Ends;
}

/** Where a subgraph's definition meets the graph around it. */
export interface Ends {
  /** The id that links from the definition's inputs name. */
  readonly input: string;
  readonly inputNames: readonly string[];
  /** Numbers of the inputs that are widgets of the nodes inside. */
  readonly widgets: ReadonlySet<number>;
  /** By the number of an output, the link that leads to it. */
  readonly outputs: ReadonlyMap<number, number>;
}

/** A layout in its place: the graph itself, or what a subgraph's node stands for. */
export interface Scope {
  readonly layout: Layout;
  /** What the ids of its nodes begin with: "" or, for instance, "12:5:". */
  readonly prefix: string;
  readonly outer?: { readonly scope: Scope; readonly node: UiNode };
  /** Scopes of the subgraphs' nodes in it. */
  readonly inner: Map<string, Scope>;
}

/** The editor's modes "never" and "bypass". */
export const isMuted = (node: UiNode) => node.mode === 2;
export const isBypassed = (node: UiNode) => node.mode === 4;

/**
 * The graph and all its subgraphs, each as often as it is used.
 * @throws AutochromeError "workflow-invalid"
 */
export function readScopes(ui: unknown): readonly Scope[] {
  if (isDeeperThan(MOST_LEVELS, ui)) throw invalidUi("its parts are nested too deeply");
  const definitions = readDefinitions(ui);
  const scopes: Scope[] = [{ layout: layoutOf(parse(layoutSchema, ui)), prefix: "", inner: new Map() }];
  let count = 0;
  for (let place = 0; place < scopes.length; place++) {
    const scope = scopes[place]!;
    count += scope.layout.nodes.size;
    if (count > MOST_NODES) throw tooLarge();
    for (const node of scope.layout.nodes.values()) {
      const layout = definitions.get(node.type);
      if (layout === undefined || isMuted(node) || isBypassed(node)) continue;
      checkNesting(layout, scope);
      const inner: Scope = {
        layout,
        prefix: `${scope.prefix}${node.id}:`,
        outer: { scope, node },
        inner: new Map(),
      };
      scope.inner.set(node.id, inner);
      scopes.push(inner);
    }
  }
  return scopes;
}

function checkNesting(layout: Layout, around: Scope): void {
  let depth = 1;
  for (let scope: Scope | undefined = around; scope !== undefined; scope = scope.outer?.scope) {
    if (scope.layout === layout) throw invalidUi("one of its subgraphs contains itself");
    if (++depth > MOST_NESTED + 1) throw invalidUi(`its subgraphs are nested more than ${MOST_NESTED} deep`);
  }
}

/** Definitions by id. Those within definitions are known everywhere, as in the editor. */
function readDefinitions(ui: unknown): Map<string, Layout> {
  const found = new Map<string, Layout>();
  const waiting: unknown[] = [ui];
  for (let owner = waiting.pop(); owner !== undefined; owner = waiting.pop()) {
    if (!isObject(owner) || !isObject(owner.definitions)) continue;
    const { subgraphs } = owner.definitions;
    if (subgraphs === undefined || subgraphs === null) continue;
    if (!Array.isArray(subgraphs)) throw invalidUi("its subgraphs are no list");
    for (const raw of subgraphs) {
      const definition = parse(definitionSchema, raw);
      const layout = layoutOf(definition);
      found.set(definition.id, { ...layout, ends: endsOf(definition, layout) });
      if (found.size > MOST_NODES) throw tooLarge();
      waiting.push(raw);
    }
  }
  return found;
}

function layoutOf({ nodes, links }: z.infer<typeof layoutSchema>): Layout {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  if (byId.size < nodes.length) throw invalidUi("two of its nodes have the same id");
  return {
    nodes: byId,
    links: new Map((links ?? []).flatMap((link) => (link === null ? [] : [[link.id, link] as const]))),
  };
}

function endsOf(definition: z.infer<typeof definitionSchema>, { nodes, links }: Layout): Ends {
  const input = definition.inputNode.id;
  const widgets = new Set<number>();
  const outputs = new Map<number, number>();
  for (const { id, from, fromSlot, to, toSlot } of links.values()) {
    if (to === definition.outputNode.id) outputs.set(toSlot, id);
    if (from !== input) continue;
    const target = nodes.get(to)?.inputs?.find(({ link }) => link === id);
    if (target !== undefined && isWidget(target)) widgets.add(fromSlot);
  }
  return { input, inputNames: (definition.inputs ?? []).map(({ name }) => name), widgets, outputs };
}

/** Whether an input is a widget's. */
export const isWidget = ({ widget }: UiInput) => widget !== undefined && widget !== null;

function parse<T>(schema: z.ZodType<T>, raw: unknown): T {
  // Before the schema looks at each of them.
  if (isObject(raw) && Array.isArray(raw.nodes) && raw.nodes.length > MOST_NODES) throw tooLarge();
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue === undefined ? "" : issue.path.map(String).join(".");
  throw invalidUi(place === "" ? "it has no list of nodes" : `${place} is not as an editor writes it`);
}

/** @param reason goes on after "because" */
export function invalidUi(reason: string): AutochromeError {
  return new AutochromeError(
    "workflow-invalid",
    `This workflow cannot be read, because ${reason}.`,
    "Open it in the editor and save it again, or export it in API format.",
  );
}

function tooLarge(): AutochromeError {
  return new AutochromeError(
    "workflow-invalid",
    `This workflow has more than ${MOST_NODES} nodes.`,
    "Split it into smaller workflows.",
  );
}
