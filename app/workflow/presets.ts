// The workflows that come with the program, in the folder workflows/: each as the graph that is run, as its layout in the
// editor and as a picture, and any workflow that the user has as a file.
//
// Owns: which presets there are and what they are called. Must never: write a file, or run a graph.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { AutochromeError, toErrorRecord } from "../kernel/index.ts";
import { toApiGraph } from "./convert.ts";
import { type ApiGraph, apiGraphSchema, graphFormatOf } from "./graph.ts";
import type { Words } from "./node.ts";

const FOLDER = new URL("../../workflows/", import.meta.url);

export interface Preset {
  /** Short and stable, for commands and addresses. */
  readonly alias: string;
  /** In the folder of presets; API format. Its layout is beside it, as .ui.json. */
  readonly file: string;
  readonly title: Words;
  readonly description: Words;
}

const PRESETS: readonly Preset[] = [
  {
    alias: "portrait",
    file: "DDColor人物黑白修复.json",
    title: { en: "People", zh: "人物黑白修复" },
    description: {
      en: "Colour for portraits, with a little noise taken out and edges made crisp.",
      zh: "适合人物照片：上色后轻度降噪并略微锐化。",
    },
  },
  {
    alias: "building",
    file: "DDColor建筑黑白修复.json",
    title: { en: "Buildings", zh: "建筑黑白修复" },
    description: {
      en: "Colour for buildings and streets: the network sees more detail. Slower than for people.",
      zh: "适合建筑和街景：模型能看到更多细节，比人物模式慢。",
    },
  },
  {
    alias: "quick",
    file: "quick.json",
    title: { en: "Quick", zh: "快速上色" },
    description: {
      en: "Colour and nothing else, at the smallest size that looks good.",
      zh: "只上色，不做其他处理；用效果尚好的最小尺寸，速度最快。",
    },
  },
  {
    alias: "faded",
    file: "faded-print.json",
    title: { en: "Faded print", zh: "褪色照片" },
    description: {
      en: "Gives a faded print its blacks and whites back, then colours it.",
      zh: "先恢复褪色照片的黑白层次，再上色。",
    },
  },
  {
    alias: "newspaper",
    file: "newspaper.json",
    title: { en: "Newspaper", zh: "报刊图片" },
    description: {
      en: "Blends the printed dots of a newspaper or magazine into tones, then colours the picture.",
      zh: "先把报纸、杂志的网点融合成连续色调，再上色。",
    },
  },
  {
    alias: "group",
    file: "group-photo.json",
    title: { en: "Group photo", zh: "合影" },
    description: {
      en: "Colour at a larger size, so that small faces get their share.",
      zh: "用更大的尺寸上色，照顾到合影中较小的人脸。",
    },
  },
  {
    alias: "variants",
    file: "variants.json",
    title: { en: "Variants side by side", zh: "多种浓淡并排" },
    description: {
      en: "The same photo in pale, ordinary and strong colours, side by side in one picture.",
      zh: "把淡、适中、浓三种色彩并排放在一张图片中，便于比较。",
    },
  },
];

/** All presets, in the order in which they are offered. */
export function listPresets(): readonly Preset[] {
  return PRESETS;
}

/**
 * A preset's graph. The photo in it is called input.jpg.
 * @param name its alias or file name, with or without ".json"
 * @throws AutochromeError "not-found"
 */
export async function readPreset(name: string): Promise<ApiGraph> {
  return apiGraphSchema.parse(await readJson(new URL(presetOf(name).file, FOLDER)));
}

/**
 * A preset as the editor shows it: a graph in the editor's own format.
 * @param name as for {@link readPreset}
 * @throws AutochromeError "not-found"
 */
export async function readLayout(name: string): Promise<unknown> {
  return readJson(new URL(presetOf(name).file.replace(/\.json$/, ".ui.json"), FOLDER));
}

/**
 * A small picture of what a preset does, before and after, as JPEG.
 * @param name as for {@link readPreset}
 * @throws AutochromeError "not-found"
 */
export async function readPresetPicture(name: string): Promise<Buffer> {
  return readFile(new URL(`${presetOf(name).alias}.jpg`, FOLDER));
}

/**
 * A preset, or a workflow file of the user's in either format.
 * @param nameOrPath a preset's alias or file name, else a path
 * @throws AutochromeError "not-found", "unreadable-file", "workflow-invalid"
 */
export async function readWorkflow(nameOrPath: string): Promise<ApiGraph> {
  if (findPreset(nameOrPath) !== undefined) return readPreset(nameOrPath);
  if (!nameOrPath.includes(".") && !/[/\\]/.test(nameOrPath)) presetOf(nameOrPath); // it was meant as a preset
  const value = await readJson(nameOrPath);
  if (graphFormatOf(value) === "ui") return toApiGraph(value);
  const parsed = apiGraphSchema.safeParse(value);
  if (!parsed.success) throw notAWorkflow(nameOrPath);
  return parsed.data;
}

function findPreset(name: string): Preset | undefined {
  const stem = name.normalize("NFC").replace(/\.json$/, "");
  return PRESETS.find(({ alias, file }) => alias === stem || file === `${stem}.json`);
}

function presetOf(name: string): Preset {
  const preset = findPreset(name);
  if (preset !== undefined) return preset;
  throw new AutochromeError(
    "not-found",
    `There is no workflow called ${name}.`,
    `Choose one of ${PRESETS.map(({ alias }) => alias).join(", ")}, or give the path of a workflow file.`,
  );
}

async function readJson(file: URL | string): Promise<unknown> {
  const name = basename(file instanceof URL ? fileURLToPath(file) : file);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code, message, next } = toErrorRecord(error, name);
    throw new AutochromeError(code, message, next, { cause: error });
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw notAWorkflow(name, error);
  }
}

function notAWorkflow(file: string, cause?: unknown): AutochromeError {
  return new AutochromeError(
    "workflow-invalid",
    `${basename(file)} is not a workflow.`,
    "Export the workflow from ComfyUI again, in either format.",
    { cause },
  );
}
