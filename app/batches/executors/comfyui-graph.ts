// A job's graph as a server of another make takes it: whether it has all that the graph needs, and what it is sent.
// Must never: drop a setting that would change the picture.
import { createHash } from "node:crypto";
import type { OutputFormat } from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import {
  type ApiGraph,
  type ApiNode,
  isLink,
  isMaskName,
  type JobGraph,
  NODES,
} from "../../workflow/index.ts";
import { type Declared, FOLDER } from "./comfyui-server.ts";

/** What the server has of each class that a graph names. */
export type Declarations = ReadonlyMap<string, Declared | undefined>;

/** Inputs that name a network. */
const MODEL = /^(model|checkpoint|ckpt_name|model_name)$/;
/** What our save node has beyond ComfyUI's is done here where the server does not. */
const OURS_TO_DO: Readonly<Record<string, readonly string[]>> = { SaveImage: ["format", "quality"] };

export function classesOf(graph: ApiGraph): readonly string[] {
  return [...new Set(Object.values(graph).map((node) => node.class_type))];
}

/**
 * Judges whether a server has what a graph needs.
 * @throws AutochromeError "workflow-invalid" where it lacks nodes or settings of nodes, "model-missing" where it lacks models
 */
export function judgeGraph(graph: ApiGraph, declarations: Declarations, host: string): void {
  const nodes = classesOf(graph).filter((name) => declarations.get(name) === undefined);
  const settings = new Set<string>();
  const choices = new Map<string, readonly string[]>();
  let isModelMissing = false;
  for (const { class_type, inputs } of Object.values(graph)) {
    const declared = declarations.get(class_type);
    if (declared === undefined) continue;
    for (const [name, value] of Object.entries(inputs)) {
      const config = declared.get(name);
      if (config === undefined) {
        if (isNeeded(class_type, name, value)) settings.add(`${name} of the node ${class_type}`);
        continue;
      }
      const offered = choicesIn(config);
      const isPhoto = class_type === "LoadImage" && name === "image";
      if (offered === undefined || isLink(value) || isPhoto || offered.includes(String(value))) continue;
      const isModel = MODEL.test(name);
      isModelMissing ||= isModel;
      choices.set(
        isModel ? `the model ${String(value)}` : `“${String(value)}” as ${name} of the node ${class_type}`,
        offered,
      );
    }
  }
  const lacking = [
    ...(nodes.length === 0 ? [] : [`the node${nodes.length > 1 ? "s" : ""} ${listed(nodes)}`]),
    ...(settings.size === 0 ? [] : [`the setting ${listed([...settings])}`]),
    ...choices.keys(),
  ];
  if (lacking.length === 0) return;
  const onlyModels = nodes.length === 0 && settings.size === 0 && isModelMissing;
  const offered = [...new Set([...choices.values()].flat())].slice(0, 10).join(", ") || "none";
  throw new AutochromeError(
    onlyModels ? "model-missing" : "workflow-invalid",
    `The server ${host} lacks what this workflow needs: ${listed(lacking)}.`,
    onlyModels
      ? `Install it there (autochrome models pull …), or choose one that it has: ${offered}.`
      : "Install it there, choose a workflow of nodes that the server has (ComfyUI with the DDColor extension has " +
          "DDColor_Colorize), or use a server that runs `autochrome serve`.",
  );
}

/** Whether a value that the server does not know would have changed the picture. */
function isNeeded(class_type: string, name: string, value: unknown): boolean {
  if (OURS_TO_DO[class_type]?.includes(name) === true) return false;
  if (isLink(value)) return true;
  const spec = NODES.get(class_type)?.inputs[name];
  if (spec === undefined || value === null) return false; // an editor's own leftovers
  if ("default" in spec && spec.default !== undefined) return spec.default !== value;
  return spec.type !== "COMBO" || typeof spec.choices === "function" || spec.choices[0] !== value;
}

/** What can be chosen: ["a", "b"], or "COMBO" with options. Undefined where the input is no choice. */
function choicesIn([type, about]: readonly unknown[]): readonly string[] | undefined {
  const offered =
    type === "COMBO" && typeof about === "object" && about !== null && "options" in about
      ? about.options
      : type;
  return Array.isArray(offered) ? offered.map(String) : undefined;
}

/** Whether the server's save node is ours: it writes the wished format, the original's metadata and how it was made. */
export function savesLikeOurs(declarations: Declarations): boolean {
  return declarations.get("SaveImage")?.has("format") === true;
}

/** What the networks of a graph are called in it. */
export function modelNames(graph: ApiGraph): readonly string[] {
  const names = Object.values(graph).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([name, value]) =>
      MODEL.test(name) && typeof value === "string" ? [value] : [],
    ),
  );
  return [...new Set(names)];
}

/** The graph as it is sent. */
export function graphFor(
  graph: ApiGraph,
  form: JobGraph,
  declarations: Declarations,
  wish: { readonly photo: string; readonly prefix: string; readonly format: OutputFormat },
): ApiGraph {
  const sent = Object.entries(graph).map(([id, node]): [string, ApiNode] => {
    const declared = declarations.get(node.class_type);
    const known = Object.entries(node.inputs).filter(([name]) => declared?.has(name) ?? true);
    const inputs: Record<string, unknown> = Object.fromEntries(known);
    if (node.class_type === "LoadImage" && typeof inputs.image === "string") {
      const name = inputs.image;
      if (form.photoNames.includes(name)) inputs.image = `${FOLDER}/${wish.photo}`;
      else if (isMaskName(name)) inputs.image = `${FOLDER}/${name}`;
    }
    if (id === form.saveNode) {
      inputs.filename_prefix = wish.prefix;
      if (declared?.has("format") === true) inputs.format = wish.format;
    }
    return [id, { ...node, inputs }];
  });
  return Object.fromEntries(sent);
}

/** The masks that a graph loads. */
export function maskNames(graph: ApiGraph): readonly string[] {
  const names = Object.values(graph).map(({ inputs }) => inputs.image);
  return [...new Set(names.filter((name): name is string => typeof name === "string" && isMaskName(name)))];
}

/** A UUID that is always the same for the same work, so that it is found again and not done twice. */
export function promptId(itemId: string, sourceHash: string, graph: ApiGraph): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([itemId, sourceHash, graph]))
    .digest("hex");
  // Version 8 is for ids of one's own making.
  const digits = `${hash.slice(0, 12)}8${hash.slice(13, 16)}8${hash.slice(17, 32)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}
