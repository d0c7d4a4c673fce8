// From the editor's format to the one that is run, as the editor itself converts when a workflow is queued.
//
// Owns: what becomes of virtual, muted and bypassed nodes, of subgraphs, and of widget values by position.
// Must never: judge the result: validation does.
import type { ApiGraph, ApiNode, Link } from "./graph.ts";
import { isObject } from "./json.ts";
import { NODES } from "./library.ts";
import type { AnyNode, InputSpec, World } from "./node.ts";
import { choicesOf, orderedInputs } from "./object-info.ts";
import {
  invalidUi,
  isBypassed,
  isMuted,
  isWidget,
  type Layout,
  readScopes,
  type Scope,
  type UiInput,
  type UiNode,
} from "./ui-graph.ts";

/** Nodes that exist in the editor only. */
const VIRTUAL: ReadonlySet<string> = new Set(["Reroute", "PrimitiveNode", "Note", "MarkdownNote"]);

/** What the editor keeps behind a number that it changes after each run. */
const CONTROLS: ReadonlySet<unknown> = new Set(["fixed", "increment", "decrement", "randomize"]);
/** What the editor keeps for the button that uploads a picture. */
const UPLOAD_BUTTON = "image";

/** Links that one conversion follows at most; real graphs have some hundreds. */
const MOST_HOPS = 200_000;

/**
 * A graph in the editor's format (0.4 or 1) as the graph that is run. Nodes of unknown classes go along with their links,
 * for validation to name them.
 * @param world gives choices for widgets without a value; without it, such widgets are left out
 * @throws AutochromeError "workflow-invalid": not in the editor's format, too large, circular
 */
export function toApiGraph(ui: unknown, world?: World): ApiGraph {
  const graph: Record<string, ApiNode> = Object.create(null);
  const hops = { left: MOST_HOPS };
  for (const scope of readScopes(ui)) {
    for (const node of scope.layout.nodes.values()) {
      if (VIRTUAL.has(node.type) || isMuted(node) || isBypassed(node) || scope.inner.has(node.id)) continue;
      const known = NODES.get(node.type);
      graph[scope.prefix + node.id] = {
        inputs: { ...widgetsOf(node, known, world), ...linksOf(node, scope, hops) },
        class_type: node.type,
        _meta: { title: node.title ?? known?.title.en ?? node.type },
      };
    }
  }
  return graph;
}

/** Arrays in a graph that is run are links; other ones are wrapped. */
const wrapped = (value: unknown) => (Array.isArray(value) ? { __value__: value } : value);

function widgetsOf(
  node: UiNode,
  known: AnyNode | undefined,
  world: World | undefined,
): Readonly<Record<string, unknown>> {
  const { widgets_values: values, widgets_values_named: named } = node;
  if (known === undefined) return isObject(values) ? mapValues(values, wrapped) : {};
  const specs = orderedInputs(known).filter(([, { type }]) => type !== "IMAGE" && type !== "MASK");
  const given = Array.isArray(values)
    ? byPosition(values, specs)
    : new Map(Object.entries(isObject(values) ? values : isObject(named) ? named : {}));
  const widgets: Record<string, unknown> = {};
  for (const [name, spec] of specs) {
    const value = given.get(name) ?? (spec.isOptional ? undefined : initial(spec, world));
    if (value !== undefined) widgets[name] = wrapped(value);
  }
  return widgets;
}

function byPosition(
  values: readonly unknown[],
  specs: readonly (readonly [string, InputSpec])[],
): Map<string, unknown> {
  const given = new Map<string, unknown>();
  const required = specs.filter(([, { isOptional }]) => !isOptional).length;
  const hasUpload = specs.some(([, spec]) => spec.type === "COMBO" && spec.isUpload);
  let place = 0;
  for (const [index, [name, { type }]] of specs.entries()) {
    if (index === required && hasUpload && values[place] === UPLOAD_BUTTON) place++;
    if (place >= values.length) break;
    given.set(name, values[place++]);
    if ((type === "INT" || type === "FLOAT") && CONTROLS.has(values[place])) place++;
  }
  return given;
}

/** What the editor puts into a new node. */
function initial(spec: InputSpec, world: World | undefined): unknown {
  if ("default" in spec && spec.default !== undefined) return spec.default;
  if (spec.type !== "COMBO") return undefined;
  if (typeof spec.choices !== "function") return spec.choices[0];
  return world === undefined ? undefined : choicesOf(spec, world)[0];
}

/** Linked inputs: what they come from, or the value that a primitive or a subgraph's own widget gives. */
function linksOf(node: UiNode, scope: Scope, hops: Hops): Readonly<Record<string, unknown>> {
  const links: Record<string, unknown> = Object.create(null);
  for (const input of node.inputs ?? []) {
    const source = sourceOf(input, scope, hops);
    if (source === undefined) continue;
    links[input.name] = "link" in source ? source.link : wrapped(source.value);
  }
  return links;
}

interface Hops {
  left: number;
}

type Source = { readonly link: Link } | { readonly value: unknown };

/** A place in a chain of links that is followed upwards. */
interface Way {
  readonly scope: Scope;
  readonly link: number | null | undefined;
  /** Of the input that the chain leads to. */
  readonly type: string;
}

/** Follows a link to a node that runs. Undefined: it leads nowhere, and the widget's own value stays. */
function sourceOf(input: UiInput, from: Scope, hops: Hops): Source | undefined {
  const seen = new Set<string>();
  let way: Way | Source | undefined = { scope: from, link: input.link, type: input.type };
  while (way !== undefined && "scope" in way) {
    const mark: string = `${way.scope.prefix}${way.link}`;
    if (seen.has(mark)) throw invalidUi("its links go round in a circle");
    seen.add(mark);
    if (hops.left-- === 0) throw invalidUi("its links are too many");
    way = follow(way);
  }
  return way;
}

function follow({ scope, link, type }: Way): Way | Source | undefined {
  const { layout, prefix, outer } = scope;
  const wire = link === null || link === undefined ? undefined : layout.links.get(link);
  if (wire === undefined) return undefined;
  if (outer !== undefined && wire.from === layout.ends?.input) return outwards(scope, wire.fromSlot);

  const source = layout.nodes.get(wire.from);
  if (source === undefined || isMuted(source)) return undefined;
  if (isBypassed(source)) {
    const input = bypassOf(source, wire.fromSlot, type);
    return input === undefined ? undefined : { scope, link: input.link, type: input.type };
  }
  const inner = scope.inner.get(source.id);
  if (inner !== undefined) {
    return { scope: inner, link: inner.layout.ends?.outputs.get(wire.fromSlot), type };
  }
  switch (source.type) {
    case "Reroute":
      return { scope, link: source.inputs?.[0]?.link, type };
    case "PrimitiveNode": {
      const { widgets_values: values } = source;
      return valueFrom(Array.isArray(values) ? values[0] : undefined);
    }
    case "Note":
    case "MarkdownNote":
      return undefined;
    default:
      return { link: [prefix + source.id, wire.fromSlot] };
  }
}

/** From a subgraph's input to what its node is linked to, or to the value of its node's widget. */
function outwards({ layout, outer }: Scope, slot: number): Way | Source | undefined {
  const name = layout.ends?.inputNames[slot];
  if (outer === undefined || name === undefined) return undefined;
  const input = outer.node.inputs?.find((candidate) => candidate.name === name);
  if (input !== undefined && typeof input.link === "number") {
    return { scope: outer.scope, link: input.link, type: input.type };
  }
  const { widgets_values: values, widgets_values_named: named } = outer.node;
  if (Array.isArray(values)) {
    const place = promotedWidgets(layout, outer.node).indexOf(slot);
    return valueFrom(place < 0 ? undefined : values[place]);
  }
  const byName = isObject(values) ? values : isObject(named) ? named : {};
  return valueFrom(Object.hasOwn(byName, name) ? byName[name] : undefined);
}

function valueFrom(value: unknown): Source | undefined {
  return value === undefined || value === null ? undefined : { value };
}

/** Numbers of a subgraph's inputs that are widgets of its node, in the order of the node's values. */
function promotedWidgets({ ends }: Layout, node: UiNode): number[] {
  const widgets = new Set(ends?.widgets);
  for (const input of node.inputs ?? []) {
    const slot = ends?.inputNames.indexOf(input.name) ?? -1;
    if (slot >= 0 && isWidget(input)) widgets.add(slot);
  }
  return [...widgets].sort((one, other) => one - other);
}

/** The input that a bypassed node's output is joined to: the one in the same place, or the first of the type. */
function bypassOf(node: UiNode, slot: number, type: string): UiInput | undefined {
  const inputs = node.inputs ?? [];
  const opposite = inputs[slot];
  if (isAny(type)) return opposite ?? inputs[0];
  const output = node.outputs?.[slot]?.type ?? "*";
  const fits = (input: UiInput) => areJoinable(input.type, output) && areJoinable(input.type, type);
  if (opposite !== undefined && fits(opposite)) return opposite;
  return inputs.find((input) => input.type === type) ?? inputs.find(fits);
}

const isAny = (type: string) => type === "" || type === "*";

/** Types may be lists: "IMAGE,MASK". */
function areJoinable(one: string, other: string): boolean {
  if (isAny(one) || isAny(other)) return true;
  const others = new Set(other.toLowerCase().split(","));
  return one
    .toLowerCase()
    .split(",")
    .some((type) => others.has(type));
}

function mapValues(
  record: Readonly<Record<string, unknown>>,
  change: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
