// Runs a graph: from the wanted outputs back, each node once, what is known already not at all.
//
// Owns: the order of work, events, cancellation, and when a picture between nodes is given up.
// Must never: judge a graph: it was validated before.
import { createHash } from "node:crypto";
import { type ErrorRecord, temporaryBeside, toErrorRecord } from "../kernel/index.ts";
import type { GraphCache, NodeResult } from "./cache.ts";
import { type ApiGraph, isLink } from "./graph.ts";
import { NODES } from "./library.ts";
import type { AnyNode, EngineContext, PromptInfo, Ui, World } from "./node.ts";
import type { PixelTask } from "./worker.ts";

export interface RunOptions {
  /** Validated, with its values coerced. */
  readonly graph: ApiGraph;
  /** Ids of the output nodes to run. */
  readonly outputs: readonly string[];
  readonly prompt: PromptInfo;
  readonly world: World;
  /** Results of earlier runs; kept up to date by this one. No other run may use it meanwhile. */
  readonly cache: GraphCache;
  /** Aborted: stop between and inside nodes. */
  readonly signal: AbortSignal;
  /** Whether anybody looks at previews; making them takes time. */
  readonly wantsPreviews?: boolean;
  readonly onEvent?: (event: RunEvent) => void;
}

export type RunEvent =
  /** Once, before anything runs: nodes whose results are known. Cached output nodes follow as "node-finished". */
  | { readonly type: "cached"; readonly nodes: readonly string[] }
  | { readonly type: "node-started"; readonly node: string }
  /** Inside a node; whole numbers. */
  | { readonly type: "progress"; readonly node: string; readonly value: number; readonly max: number }
  | {
      readonly type: "preview";
      readonly node: string;
      readonly image: Buffer;
      readonly format: "jpeg" | "png";
    }
  /** `ui` is set for output nodes. `isCached`: it did not run now. */
  | { readonly type: "node-finished"; readonly node: string; readonly ui?: Ui; readonly isCached: boolean };

/** How a run ended. Never thrown: what went wrong is part of the result. */
export interface RunResult {
  readonly status: "success" | "error" | "interrupted";
  /** What output nodes showed, by node id; also after an error, of those that finished. */
  readonly outputs: Readonly<Record<string, Ui>>;
  /** Ids of nodes that ran or were cached, in that order. */
  readonly executed: readonly string[];
  /** Where it ended, unless all went well. */
  readonly failure?: {
    readonly node: string;
    readonly class: string;
    readonly error: ErrorRecord;
    /** Widget values as they are, pictures in words. */
    readonly inputs: Readonly<Record<string, unknown>>;
  };
}

const WORKER = new URL("./worker.ts", import.meta.url).href;

export async function runGraph(options: RunOptions): Promise<RunResult> {
  const { graph, world, cache, signal } = options;
  const tell = options.onEvent ?? (() => undefined);
  const order = upstreamFirst(graph, options.outputs);
  const values = new Map<string, NodeResult>();
  const ui: Record<string, Ui> = Object.create(null);
  const executed: string[] = [];
  let current = { node: order[0] ?? "", inputs: {} as Readonly<Record<string, unknown>> };

  try {
    const keys = await keysOf(order, graph, world, signal, (node) => {
      current = { node, inputs: widgetsOf(graph, node) };
    });
    const known = new Set<string>();
    for (const id of order) {
      const result = cache.get(keys.get(id)!);
      if (result === undefined) continue;
      known.add(id);
      values.set(id, result);
    }
    tell({ type: "cached", nodes: [...known] });
    for (const id of options.outputs) {
      const cached = values.get(id);
      if (cached === undefined) continue;
      executed.push(id);
      if (cached.ui !== undefined) ui[id] = cached.ui;
      tell({
        type: "node-finished",
        node: id,
        ...(cached.ui === undefined ? {} : { ui: cached.ui }),
        isCached: true,
      });
    }
    const work = upstreamFirst(
      graph,
      options.outputs.filter((id) => !known.has(id)),
      known,
    );
    const lastUse = lastUses(graph, work);
    for (const [place, id] of work.entries()) {
      const inputs = inputsOf(graph, id, values);
      current = { node: id, inputs };
      signal.throwIfAborted();
      tell({ type: "node-started", node: id });
      const result = await runNode(options, id, inputs, keys);
      executed.push(id);
      values.set(id, result);
      cache.put(keys.get(id)!, result);
      if (result.ui !== undefined) ui[id] = result.ui;
      tell({
        type: "node-finished",
        node: id,
        ...(result.ui === undefined ? {} : { ui: result.ui }),
        isCached: false,
      });
      for (const done of values.keys()) if ((lastUse.get(done) ?? -1) <= place) values.delete(done);
      await cache.sweep([...values.values()].map(({ outputs }) => outputs));
    }
    return { status: "success", outputs: ui, executed };
  } catch (thrown) {
    const failure = {
      node: current.node,
      class: graph[current.node]?.class_type ?? "",
      error: toErrorRecord(thrown, "this workflow"),
      inputs: inWords(current.inputs),
    };
    return { status: signal.aborted ? "interrupted" : "error", outputs: ui, executed, failure };
  } finally {
    values.clear();
    await cache.sweep([]);
  }
}

async function runNode(
  options: RunOptions,
  id: string,
  inputs: Readonly<Record<string, unknown>>,
  keys: ReadonlyMap<string, string>,
): Promise<NodeResult> {
  const { graph, world, cache, signal, prompt } = options;
  const tell = options.onEvent ?? (() => undefined);
  const node = declarationOf(graph, id);
  const progress = (value: number, max: number) => tell({ type: "progress", node: id, value, max });
  if (node.place === "pixels") {
    const task: PixelTask = {
      class: node.class,
      inputs,
      scratchBeside: cache.scratchBeside,
      limits: world.limits,
    };
    const outputs = await world.workers.call<readonly unknown[]>(WORKER, task, node.title.en, {
      signal,
      onProgress: progress,
    });
    return { outputs };
  }
  const context: EngineContext = {
    world,
    prompt,
    signal,
    scratchBeside: cache.scratchBeside,
    scratch: (extension) => temporaryBeside(cache.scratchBeside, extension),
    progress,
    wantsPreviews: options.wantsPreviews ?? false,
    preview: (image, format) => tell({ type: "preview", node: id, image, format }),
    pixels: world.workers.call,
    keyOf(input) {
      const value = graph[id]?.inputs[input];
      return isLink(value) ? `${keys.get(value[0])} ${value[1]}` : JSON.stringify(value);
    },
  };
  // The declaration's types and the validated inputs agree; the library holds nodes of all types.
  return (await node.run(inputs, context as never)) as NodeResult;
}

function declarationOf(graph: ApiGraph, id: string): AnyNode {
  const node = NODES.get(graph[id]?.class_type ?? "");
  if (node === undefined) throw new Error(`node ${id} was not validated`);
  return node;
}

/** Ids of the nodes that a node's declared inputs are linked to. */
function sourcesOf(graph: ApiGraph, id: string): string[] {
  const given = graph[id]?.inputs ?? {};
  return Object.keys(declarationOf(graph, id).inputs).flatMap((name) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    return isLink(value) ? [value[0]] : [];
  });
}

/** What has to run for these nodes, each after all that it needs. @param known are not looked behind, and left out */
function upstreamFirst(
  graph: ApiGraph,
  wanted: readonly string[],
  known: ReadonlySet<string> = new Set(),
): string[] {
  const order: string[] = [];
  const seen = new Set<string>(known);
  const stack = wanted.toReversed().map((id) => ({ id, isOpen: false }));
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top.isOpen) {
      order.push(top.id);
      continue;
    }
    if (seen.has(top.id)) continue;
    seen.add(top.id);
    stack.push({ id: top.id, isOpen: true });
    for (const id of sourcesOf(graph, top.id).toReversed()) stack.push({ id, isOpen: false });
  }
  return order;
}

/** The last place in the order of work at which a node's result is needed; none: never. */
function lastUses(graph: ApiGraph, work: readonly string[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const [place, id] of work.entries())
    for (const source of sourcesOf(graph, id)) last.set(source, place);
  return last;
}

/**
 * What each node's result depends on, as a digest: its class, its widgets, the keys of what it is linked to, and for
 * instance the content of a file. Ids are not part of it: a graph that was only renumbered is the same work.
 */
async function keysOf(
  order: readonly string[],
  graph: ApiGraph,
  world: World,
  signal: AbortSignal,
  onNode: (id: string) => void,
): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const id of order) {
    onNode(id);
    const node = declarationOf(graph, id);
    const widgets = widgetsOf(graph, id);
    const inputs = Object.keys(node.inputs).map((name) => {
      const value = graph[id]?.inputs[name];
      return isLink(value) ? [name, keys.get(value[0]), value[1]] : [name, widgets[name] ?? null];
    });
    const print =
      node.fingerprint === undefined
        ? ""
        : ((await node.fingerprint(widgets, world, signal)) ?? crypto.randomUUID());
    keys.set(
      id,
      createHash("sha256")
        .update(JSON.stringify([node.class, print, inputs]))
        .digest("hex"),
    );
  }
  return keys;
}

/** A node's declared inputs that are not linked, as they are when it runs. */
function widgetsOf(graph: ApiGraph, id: string): Record<string, unknown> {
  const given = graph[id]?.inputs ?? {};
  const widgets: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(declarationOf(graph, id).inputs)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (isLink(value)) continue;
    if (value !== undefined) widgets[name] = unwrapped(value);
    else if ("default" in spec) widgets[name] = spec.default;
    else if (spec.type === "COMBO" && typeof spec.choices !== "function") widgets[name] = spec.choices[0];
  }
  return widgets;
}

/** Literal arrays come as {"__value__": […]}. */
function unwrapped(value: unknown): unknown {
  return typeof value === "object" && value !== null && "__value__" in value ? value.__value__ : value;
}

function inputsOf(
  graph: ApiGraph,
  id: string,
  values: ReadonlyMap<string, NodeResult>,
): Record<string, unknown> {
  const inputs = widgetsOf(graph, id);
  for (const name of Object.keys(declarationOf(graph, id).inputs)) {
    const value = graph[id]?.inputs[name];
    if (isLink(value)) inputs[name] = values.get(value[0])?.outputs[value[1]];
  }
  return inputs;
}

/** Inputs for a message: a picture is named by its size. */
function inWords(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(inputs).map(([name, value]) => {
    if (!Array.isArray(value)) return [name, value] as const;
    const sizes = value.map((part: { width?: number; height?: number }) => `${part.width} × ${part.height}`);
    return [name, sizes.join(", ")] as const;
  });
  return Object.fromEntries(entries);
}
