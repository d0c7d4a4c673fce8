// Graphs as jobs: one photograph in, one picture out. What the library and the command line run.
//
// Owns: what makes a graph a job, and setting its values from outside. Must never: run anything.
import { roundModelSize } from "../colorize/index.ts";
import type { OutputFormat } from "../imaging/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import { type ApiGraph, type ApiNode, isLink } from "./graph.ts";
import { NODES } from "./library.ts";
import type { World } from "./node.ts";

/** What a mask of a job is called: after its content, so that a record says which it was. */
export function maskName(sha256: string): string {
  return `mask-${sha256}.png`;
}

/** Whether a name in a graph stands for a mask rather than for the photo. */
export function isMaskName(name: string): boolean {
  return /^mask-[0-9a-f]{64}\.png$/.test(name);
}

/** What a job's graph calls the photo; a graph that loads one picture only may call it anything. */
export const PHOTO = "input.jpg";

export interface JobGraph {
  /** The node whose picture is the job's result. */
  readonly saveNode: string;
  /** Names by which the graph means the photo. */
  readonly photoNames: readonly string[];
  readonly format: OutputFormat | "same";
}

/**
 * How a graph is run as a job.
 * @throws AutochromeError "workflow-invalid" unless it saves exactly one picture and loads the photo
 */
export function jobGraphOf(graph: ApiGraph): JobGraph {
  const savers = Object.entries(graph).filter(([, node]) => node.class_type === "SaveImage");
  const [saver] = savers;
  if (saver === undefined || savers.length > 1) {
    throw new AutochromeError(
      "workflow-invalid",
      `This workflow saves ${savers.length} pictures; a photo of the library becomes exactly one.`,
      "Keep one SaveImage node; join variants with ImageStitch.",
    );
  }
  const loaded = new Set(
    Object.values(graph)
      .filter((node) => node.class_type === "LoadImage")
      .map((node) => String(node.inputs.image))
      .filter((name) => !isMaskName(name)),
  );
  const photoNames = loaded.size === 1 ? [...loaded] : [PHOTO];
  if (!photoNames.every((name) => loaded.has(name))) {
    throw new AutochromeError(
      "workflow-invalid",
      loaded.size === 0
        ? "This workflow loads no photo."
        : `This workflow loads several pictures, and none is called ${PHOTO}.`,
      `Name the photo to be coloured ${PHOTO} in its LoadImage node.`,
    );
  }
  const { format } = saver[1].inputs;
  return { saveNode: saver[0], photoNames, format: isFormat(format) ? format : "png" };
}

function isFormat(value: unknown): value is OutputFormat | "same" {
  return (
    typeof value === "string" &&
    ["same", "jpeg", "png", "tiff", "webp", "avif"].some((known) => known === value)
  );
}

/** Values that replace a graph's own. */
export interface Settings {
  readonly model?: string | undefined;
  /** Pixels; a multiple of 32. */
  readonly modelSize?: number | undefined;
  readonly colorFactor?: number | undefined;
  readonly parity?: boolean | undefined;
  readonly format?: OutputFormat | "same" | undefined;
  readonly quality?: number | undefined;
}

/** A graph with these values in its colouring and saving nodes. Where a value is linked, the link stays. */
export function withSettings(graph: ApiGraph, settings: Settings): ApiGraph {
  const { model, modelSize, colorFactor, parity, format, quality } = settings;
  const byClass: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    "DDColor-ddcolorize": { model, model_size: modelSize, color_factor: colorFactor, parity },
    DDColor_Colorize: { checkpoint: model, model_input_size: modelSize },
    SaveImage: { format, quality },
  };
  return Object.fromEntries(
    Object.entries(graph).map(([id, node]): [string, ApiNode] => {
      const inputs = { ...node.inputs };
      for (const [name, value] of Object.entries(byClass[node.class_type] ?? {})) {
        if (value !== undefined && !isLink(inputs[name])) inputs[name] = value;
      }
      return [id, { ...node, inputs }];
    }),
  );
}

/** How a version's colours are changed; what is left out stays as it was. Ranges as in the node DDColor-ddcolorize. */
export interface TuneSettings {
  readonly colorFactor?: number | undefined;
  readonly temperature?: number | undefined;
  readonly tint?: number | undefined;
  readonly vibrance?: number | undefined;
  readonly protectSkin?: number | undefined;
  readonly blend?: number | undefined;
  /** A mask's name: where it is white the settings apply. Null: everywhere. */
  readonly mask?: string | null | undefined;
}

/** The nodes that colour and can be tuned, with their ids. */
export function colouringNodes(graph: ApiGraph): [id: string, node: ApiNode][] {
  return Object.entries(graph).filter(([, node]) => node.class_type === "DDColor-ddcolorize");
}

/** Whether {@link tunedGraph} takes it: it colours the photo once, by the node that can be tuned. */
export function isTunable(graph: ApiGraph): boolean {
  return colouringNodes(graph).length === 1;
}

const MASK_NODES = { load: "tune-mask", channel: "tune-mask-channel" } as const;

/** A graph with other colours, made from the same answer of the network. @throws AutochromeError "workflow-invalid" */
export function tunedGraph(graph: ApiGraph, settings: TuneSettings): ApiGraph {
  const { colorFactor, temperature, tint, vibrance, protectSkin, blend, mask } = settings;
  const [first, ...more] = colouringNodes(graph);
  if (first === undefined || more.length > 0) {
    throw new AutochromeError(
      "workflow-invalid",
      "Only a workflow that colours the photo once can be tuned.",
      "Colour the photo anew with such a workflow, for instance with a preset.",
    );
  }
  const [id, node] = first;
  const values = {
    color_factor: colorFactor,
    temperature,
    tint,
    vibrance,
    protect_skin: protectSkin,
    blend,
  };
  const changed = Object.entries(values).filter(([, value]) => value !== undefined);
  const kept = { ...node.inputs, ...Object.fromEntries(changed) };
  if (mask === undefined) return { ...graph, [id]: { ...node, inputs: kept } };
  const { tune_mask: _, ...inputs } = kept;
  const { [MASK_NODES.load]: __, [MASK_NODES.channel]: ___, ...others } = graph;
  if (mask === null) return { ...others, [id]: { ...node, inputs } };
  return {
    ...others,
    [MASK_NODES.load]: { class_type: "LoadImage", inputs: { image: mask } },
    [MASK_NODES.channel]: {
      class_type: "ImageToMask",
      inputs: { image: [MASK_NODES.load, 0], channel: "red" },
    },
    [id]: { ...node, inputs: { ...inputs, tune_mask: [MASK_NODES.channel, 0] } },
  };
}

/** Smaller than this the network sees too little. */
const SMALLEST = 256;

/** The graph with a smaller network input, where that can be made smaller at all. */
export function smallerGraph(
  graph: ApiGraph,
): { readonly graph: ApiGraph; readonly modelSize: number } | undefined {
  const sizes = colouringNodes(graph).flatMap(([, { inputs }]) =>
    typeof inputs.model_size === "number" ? [inputs.model_size] : [],
  );
  const modelSize = roundModelSize(0.75 * Math.max(0, ...sizes));
  if (modelSize < SMALLEST || modelSize >= Math.max(0, ...sizes)) return undefined;
  return { graph: withSettings(graph, { modelSize }), modelSize };
}

/** The models that a graph would run, each once. */
export function modelsIn(graph: ApiGraph, world: World): readonly Model[] {
  const models = Object.values(graph).flatMap(
    (node) => NODES.get(node.class_type)?.models?.(node.inputs, world) ?? [],
  );
  return [...new Map(models.map((model) => [model.id, model])).values()];
}
