// Graphs as jobs: one photograph in, one picture out. What the library and the command line run.
//
// Owns: what makes a graph a job, and setting its values from outside. Must never: run anything.
import type { OutputFormat } from "../imaging/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import type { Model } from "../modelstore/index.ts";
import { type ApiGraph, type ApiNode, isLink } from "./graph.ts";
import { NODES } from "./library.ts";
import type { World } from "./node.ts";

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
      .map((node) => String(node.inputs.image)),
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

/** The models that a graph would run, each once. */
export function modelsIn(graph: ApiGraph, world: World): readonly Model[] {
  const models = Object.values(graph).flatMap(
    (node) => NODES.get(node.class_type)?.models?.(node.inputs, world) ?? [],
  );
  return [...new Map(models.map((model) => [model.id, model])).values()];
}
