// Whether a prompt can run: ComfyUI's checks, with its types of error, its messages and its shapes.
//
// Owns: the judgement of API-format graphs. What passes needs no further check before it runs.
// Must never: change what it was given, run anything, or recurse: graphs come from anywhere.
import { type ApiGraph, type ApiNode, apiNodeSchema, MOST_NODES } from "./graph.ts";
import { isDeeperThan, isObject } from "./json.ts";
import { NODES } from "./library.ts";
import type { AnyNode, InputSpec, World } from "./node.ts";
import { type InputConfig, inputConfig } from "./object-info.ts";
import {
  failedCheck,
  missingInput,
  missingNode,
  type NodeErrors,
  type Reason,
  type Refusal,
  refusal,
} from "./refusal.ts";
import { judgeWidget, repr, shortConfig, typeText } from "./widget-values.ts";

export interface Acceptance {
  readonly ok: true;
  /** With the values that nodes get. */
  readonly graph: ApiGraph;
  /** The output nodes that can run. */
  readonly outputs: readonly string[];
  /** Of outputs that cannot run, and are left out. */
  readonly nodeErrors: Readonly<Record<string, NodeErrors>>;
}

/** Arrays and objects may be nested so deep in a prompt: its values, and titles and the like beside them. */
const MOST_LEVELS = 64;
/** Of longer cycles the first nodes are told. */
const MOST_IN_CYCLE = 20;

const nodeSchema = apiNodeSchema.extend({ _meta: apiNodeSchema.shape._meta.catch(undefined) });

interface Nodes {
  readonly world: World;
  /** Inputs as ComfyUI describes them, each made once: lists of files may be long. */
  readonly configs: Map<InputSpec, InputConfig>;
  readonly all: ReadonlyMap<string, { readonly given: ApiNode; readonly node: AnyNode }>;
}

interface Verdict {
  readonly isValid: boolean;
  readonly reasons: readonly Reason[];
}

/** A node whose inputs are being judged. */
interface Visit {
  readonly id: string;
  readonly node: AnyNode;
  readonly given: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
  /** The place of the input that is looked at next. */
  next: number;
  readonly values: Record<string, unknown>;
  readonly errors: Reason[];
  isValid: boolean;
}

/** What a look at a node's inputs ends with. */
type Step =
  | { readonly type: "wait-for"; readonly id: string }
  | { readonly type: "done" }
  /** Judging the node failed: ComfyUI catches an exception there. */
  | { readonly type: "fault"; readonly exception: string; readonly details: string };

/**
 * Judges a prompt as ComfyUI does: from the outputs upwards; nodes that no output needs must only have a known class.
 * @param targets ids of the output nodes to run; undefined: all
 */
export function validatePrompt(
  graph: unknown,
  world: World,
  targets?: readonly string[],
): Acceptance | Refusal {
  const read = readNodes(graph, world);
  if ("error" in read) return { ok: false, error: read.error, nodeErrors: {} };
  const wanted = targets === undefined ? undefined : new Set(targets);
  const outputs = [...read.all].filter(
    ([id, { node }]) => node.isOutput === true && (wanted === undefined || wanted.has(id)),
  );
  if (outputs.length === 0) {
    return refusal({ type: "prompt_no_outputs", message: "Prompt has no outputs", details: "" });
  }

  const verdicts = new Map<string, Verdict>();
  const values = new Map<string, Readonly<Record<string, unknown>>>();
  const good: string[] = [];
  const failures: Reason[] = [];
  const nodeErrors: Record<string, NodeErrors & { dependent_outputs: string[] }> = Object.create(null);
  for (const [output] of outputs) {
    const { isValid, reasons } = verdicts.get(output) ?? visit(output, read, verdicts, values);
    if (isValid) {
      good.push(output);
      continue;
    }
    failures.push(...reasons);
    for (const [id, verdict] of verdicts) {
      if (verdict.isValid || verdict.reasons.length === 0) continue;
      const class_type = read.all.get(id)?.given.class_type ?? "";
      nodeErrors[id] ??= { errors: verdict.reasons, dependent_outputs: [], class_type };
      nodeErrors[id].dependent_outputs.push(output);
    }
  }
  if (good.length === 0) {
    const details = failures.map((reason) => `${reason.message}: ${reason.details}`).join("\n");
    const message = "Prompt outputs failed validation";
    return refusal({ type: "prompt_outputs_failed_validation", message, details }, nodeErrors);
  }
  const result: Record<string, ApiNode> = Object.create(null);
  for (const [id, { given }] of read.all) {
    const inputs = values.get(id);
    result[id] = inputs === undefined ? given : { ...given, inputs };
  }
  return { ok: true, graph: result, outputs: good, nodeErrors };
}

/** All nodes with their declarations, or why the prompt is none at all. Cheap, also for absurd prompts. */
function readNodes(graph: unknown, world: World): Nodes | { readonly error: Reason } {
  const invalid = (message: string, details: string) => ({
    error: { type: "invalid_prompt", message, details, extra_info: {} },
  });
  if (!isObject(graph)) return invalid("The prompt is not a graph", "It must be an object of nodes by id");
  const ids = Object.keys(graph);
  if (ids.length > MOST_NODES) {
    return {
      error: {
        type: "prompt_too_large",
        message: `The prompt has ${ids.length} nodes; at most ${MOST_NODES} are allowed`,
        details: "",
        extra_info: {},
      },
    };
  }
  if (isDeeperThan(MOST_LEVELS, graph)) {
    return invalid(
      "The prompt is nested too deeply",
      `Its values may have ${MOST_LEVELS} levels with the graph's own`,
    );
  }
  const all = new Map<string, { given: ApiNode; node: AnyNode }>();
  for (const id of ids) {
    const raw = graph[id];
    const class_type = isObject(raw) ? raw.class_type : undefined;
    const node = typeof class_type === "string" ? NODES.get(class_type) : undefined;
    if (node === undefined) return { error: missingNode(id, raw) };
    const parsed = nodeSchema.safeParse(raw);
    if (!parsed.success) return invalid(`Node '${id}' is malformed`, "Its inputs must be an object");
    all.set(id, { given: parsed.data, node });
  }
  return { world, all, configs: new Map() };
}

/** Judges a node and all that it needs. */
function visit(
  output: string,
  nodes: Nodes,
  verdicts: Map<string, Verdict>,
  values: Map<string, Readonly<Record<string, unknown>>>,
): Verdict {
  const places = new Map<string, number>();
  const open: Visit[] = [];
  const enter = (id: string) => {
    const { given, node } = nodes.all.get(id)!;
    places.set(id, open.length);
    open.push({
      id,
      node,
      given: given.inputs,
      names: Object.keys(node.inputs),
      next: 0,
      values: withoutUnknownLinks(given.inputs, node),
      errors: [],
      isValid: true,
    });
  };
  enter(output);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const step = proceed(top, nodes, verdicts, (source) => {
      const start = places.get(source);
      if (start !== undefined) markCycle(open.slice(start), verdicts);
      return start !== undefined;
    });
    if (step.type === "wait-for") {
      enter(step.id);
      continue;
    }
    open.pop();
    places.delete(top.id);
    if (step.type === "fault") {
      verdicts.set(top.id, { isValid: false, reasons: [faultReason(step, open.at(-1), nodes)] });
      continue;
    }
    const earlier = verdicts.get(top.id);
    verdicts.set(top.id, {
      isValid: earlier === undefined && top.isValid && top.errors.length === 0,
      reasons: [...(earlier?.reasons ?? []), ...top.errors],
    });
    values.set(top.id, top.values);
  }
  return verdicts.get(output)!;
}

/** What is given, without links that no declared input takes: in ComfyUI they break a node when it runs. */
function withoutUnknownLinks(
  given: Readonly<Record<string, unknown>>,
  node: AnyNode,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([name, value]) => Object.hasOwn(node.inputs, name) || !Array.isArray(value),
    ),
  );
}

/** Judges inputs until another node has to be judged first. */
function proceed(
  top: Visit,
  nodes: Nodes,
  verdicts: ReadonlyMap<string, Verdict>,
  closesCycle: (source: string) => boolean,
): Step {
  for (; top.next < top.names.length; top.next++) {
    const name = top.names[top.next]!;
    const spec = top.node.inputs[name]!;
    const value = Object.hasOwn(top.given, name) ? top.given[name] : undefined;
    if (value === undefined) {
      if (!spec.isOptional) top.errors.push(missingInput(name));
    } else if (Array.isArray(value)) {
      const link = judgeLink(name, spec, value, nodes);
      if ("fault" in link) return link.fault;
      if ("reason" in link) top.errors.push(link.reason);
      else if (!verdicts.has(link.source) && !closesCycle(link.source))
        return { type: "wait-for", id: link.source };
      else if (verdicts.get(link.source)?.isValid !== true) top.isValid = false;
    } else if (value === null && spec.isOptional && isSocket(spec)) {
      delete top.values[name]; // as good as not given
    } else {
      const isChecked = top.node.checks?.includes(name) === true;
      const judged = judgeWidget(name, spec, value, () => configOf(spec, nodes), isChecked);
      if ("value" in judged) top.values[name] = judged.value;
      else {
        top.errors.push(judged.reason);
        delete top.values[name];
      }
    }
  }
  return ownCheck(top, nodes.world);
}

function configOf(spec: InputSpec, { configs, world }: Nodes): InputConfig {
  const config = configs.get(spec) ?? inputConfig(spec, world);
  configs.set(spec, config);
  return config;
}

const isSocket = (spec: InputSpec) => spec.type === "IMAGE" || spec.type === "MASK";

function judgeLink(
  name: string,
  spec: InputSpec,
  link: readonly unknown[],
  nodes: Nodes,
): { readonly source: string } | { readonly reason: Reason } | { readonly fault: Step } {
  const about = () => {
    const config = configOf(spec, nodes);
    return { config, info: { input_name: name, input_config: shortConfig(config) } };
  };
  if (link.length !== 2) {
    return {
      reason: {
        type: "bad_linked_input",
        message: "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        details: name,
        extra_info: { ...about().info, received_value: link },
      },
    };
  }
  const [source, slot] = link;
  const from = typeof source === "string" ? nodes.all.get(source) : undefined;
  if (typeof source !== "string" || from === undefined) {
    return { fault: { type: "fault", exception: "KeyError", details: `There is no node ${repr(source)}` } };
  }
  const type = typeof slot === "number" ? from.node.outputs[slot]?.type : undefined;
  if (type === undefined) {
    const details = `Node ${repr(source)} has no output ${repr(slot)}`;
    return {
      fault: { type: "fault", exception: typeof slot === "number" ? "IndexError" : "TypeError", details },
    };
  }
  if (type === spec.type) return { source };
  const { config, info } = about();
  return {
    reason: {
      type: "return_type_mismatch",
      message: "Return type mismatch between linked nodes",
      details: `${name}, received_type(${type}) mismatch input_type(${typeText(config)})`,
      extra_info: { ...info, received_type: type, linked_node: link },
    },
  };
}

/** The node's own check, where ComfyUI has its custom validation. */
function ownCheck(top: Visit, world: World): Step {
  const { node, values, errors } = top;
  const given: Record<string, unknown> = Object.create(null);
  for (const name of top.names) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined && !Array.isArray(value)) given[name] = value;
  }
  const about = node.checks?.filter((name) => name in given);
  if (node.check === undefined || (about === undefined ? errors.length > 0 : about.length === 0))
    return { type: "done" };
  try {
    const problem = node.check(given, world);
    const names = about ?? [undefined];
    if (problem !== undefined) errors.push(...names.map((name) => failedCheck(problem, name)));
    return { type: "done" };
  } catch (thrown) {
    const { name, message } = thrown instanceof Error ? thrown : { name: "Exception", message: repr(thrown) };
    return { type: "fault", exception: name, details: message };
  }
}

function faultReason(
  { exception, details }: Extract<Step, { type: "fault" }>,
  below: Visit | undefined,
  nodes: Nodes,
): Reason {
  if (below === undefined) {
    return {
      type: "exception_during_validation",
      message: "Exception when validating node",
      details,
      extra_info: { exception_type: exception, traceback: [] },
    };
  }
  const input_name = below.names[below.next]!;
  return {
    type: "exception_during_inner_validation",
    message: "Exception when validating inner node",
    details,
    extra_info: {
      input_name,
      input_config: shortConfig(configOf(below.node.inputs[input_name]!, nodes)),
      exception_message: details,
      exception_type: exception,
      traceback: [],
      linked_node: below.given[input_name],
    },
  };
}

function markCycle(cycle: readonly Visit[], verdicts: Map<string, Verdict>): void {
  const told = cycle.slice(0, MOST_IN_CYCLE);
  const isWhole = told.length === cycle.length;
  const path = [...told, ...(isWhole ? told.slice(0, 1) : [])].map(({ id, node }) => `${id} (${node.class})`);
  const details = [...path, ...(isWhole ? [] : ["…"])].join(" -> ");
  const cycle_nodes = told.map(({ id }) => id);
  for (const { id } of cycle) {
    const reason: Reason = {
      type: "dependency_cycle",
      message: "Dependency cycle detected",
      details,
      extra_info: { node_id: id, cycle_nodes },
    };
    verdicts.set(id, { isValid: false, reasons: [reason] });
  }
}
