// Graphs as ComfyUI writes them: the API format that is run, and the editor's own format.
// Owns: their schemas and telling them apart. Must never: know which nodes exist.
import { z } from "zod";
import { AutochromeError } from "../kernel/index.ts";
import { isObject } from "./json.ts";

/** Nodes that a graph may have at most. */
export const MOST_NODES = 2000;

/** [id of the node that it comes from, number of its output] */
export type Link = readonly [string, number];

export const apiNodeSchema = z.looseObject({
  class_type: z.string(),
  inputs: z.record(z.string(), z.unknown()).default({}),
  _meta: z.looseObject({ title: z.string().optional() }).optional(),
});
export const apiGraphSchema = z.record(z.string(), apiNodeSchema);

export type ApiNode = Readonly<z.infer<typeof apiNodeSchema>>;
/** Nodes by id. */
export type ApiGraph = Readonly<Record<string, ApiNode>>;

/** Whether an input's value is a link. A literal array is written as {"__value__": […]}. */
export function isLink(value: unknown): value is Link {
  return (
    Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && typeof value[1] === "number"
  );
}

export type GraphFormat = "api" | "ui";

/** Which format a JSON value is in. @throws AutochromeError "workflow-invalid" when it is neither */
export function graphFormatOf(value: unknown): GraphFormat {
  if (isObject(value)) {
    if ("nodes" in value && Array.isArray(value.nodes)) return "ui";
    const nodes = Object.values(value);
    const isNode = (node: unknown) => isObject(node) && "class_type" in node;
    if (nodes.length > 0 && nodes.every(isNode)) return "api";
  }
  throw new AutochromeError(
    "workflow-invalid",
    "This is not a workflow: it has neither an editor's nodes nor nodes with a class_type.",
    "Export the workflow from ComfyUI again, in either format.",
  );
}
