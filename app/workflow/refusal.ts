// Why a prompt is refused: in ComfyUI's words for its clients, and in a sentence for the command line.
// Must never: judge.
import { AutochromeError } from "../kernel/index.ts";
import { isObject } from "./json.ts";

/** Something that is wrong, as ComfyUI says it. */
export interface Reason {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

/** What is wrong with a node, as ComfyUI's node_errors say it. */
export interface NodeErrors {
  readonly errors: readonly Reason[];
  /** Output nodes that do not run for it. */
  readonly dependent_outputs: readonly string[];
  readonly class_type: string;
}

export interface Refusal {
  readonly ok: false;
  readonly error: Reason;
  /** By node id; nodes that are wrong only because of others are not in it. */
  readonly nodeErrors: Readonly<Record<string, NodeErrors>>;
}

/**
 * A refusal in words for the command line.
 * @returns AutochromeError "workflow-invalid", with ComfyUI's own words as its detail
 */
export function workflowError({ error, nodeErrors }: Refusal): AutochromeError {
  const make = (message: string, next: string, detail = `${error.type}: ${error.message}`) =>
    new AutochromeError("workflow-invalid", message, next, { detail });
  if (error.type === "missing_node_type") {
    return make(
      `This workflow has a node that Autochrome does not know: ${String(error.extra_info.class_type ?? error.details)}.`,
      "Remove that node or put another in its place; docs/nodes.md lists those that there are.",
    );
  }
  if (error.type === "prompt_no_outputs") {
    return make("This workflow saves no picture.", "Add a SaveImage node to its end.");
  }
  const [first] = Object.entries(nodeErrors);
  const reason = first?.[1].errors[0];
  if (first === undefined || reason === undefined) {
    return make(
      `This workflow cannot run: ${error.message}.`,
      "Export it from the editor again, or choose another.",
    );
  }
  const [id, { class_type }] = first;
  const told = reason.details === "" ? reason.message : `${reason.message} (${reason.details})`;
  return make(
    `Node ${id} (${class_type}) of this workflow cannot run: ${told}.`,
    "Correct the node in the editor, or choose another workflow.",
    `${error.type}: ${reason.type}`,
  );
}

export function refusal(
  error: Omit<Reason, "extra_info">,
  nodeErrors: Readonly<Record<string, NodeErrors>> = {},
): Refusal {
  return { ok: false, error: { ...error, extra_info: {} }, nodeErrors };
}

export function missingNode(id: string, raw: unknown): Reason {
  const { class_type, _meta } = isObject(raw) ? raw : {};
  const known = typeof class_type === "string" ? class_type : null;
  const title = isObject(_meta) && typeof _meta.title === "string" ? _meta.title : known;
  return {
    type: "missing_node_type",
    message:
      known === null
        ? `Node '${title ?? `ID #${id}`}' has no class_type. The workflow may be corrupted or a custom node is missing.`
        : `Node '${title}' not found. The custom node may not be installed.`,
    details: `Node ID '#${id}'`,
    extra_info: { node_id: id, class_type: known, node_title: title },
  };
}

export function missingInput(name: string): Reason {
  return {
    type: "required_input_missing",
    message: "Required input is missing",
    details: name,
    extra_info: { input_name: name },
  };
}

export function failedCheck(problem: string, name: string | undefined): Reason {
  return {
    type: "custom_validation_failed",
    message: "Custom validation failed for node",
    details: name === undefined ? problem : `${name} - ${problem}`,
    extra_info: name === undefined ? {} : { input_name: name },
  };
}
