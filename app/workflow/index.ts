// Workflow: ComfyUI graphs. Parsing, validating and converting them, the node library, running graphs with caching.
// Owns: what a graph means. Must never: know about queues, catalogues, HTTP or the command line.
export { createGraphCache, type GraphCache } from "./cache.ts";
export { toApiGraph } from "./convert.ts";
export { type RunEvent, type RunOptions, type RunResult, runGraph } from "./execute.ts";
export {
  type ApiGraph,
  type ApiNode,
  apiGraphSchema,
  type GraphFormat,
  graphFormatOf,
  isLink,
  type Link,
} from "./graph.ts";
export {
  colouringNodes,
  isMaskName,
  isTunable,
  type JobGraph,
  jobGraphOf,
  maskName,
  modelsIn,
  PHOTO,
  type Settings,
  smallerGraph,
  type TuneSettings,
  tunedGraph,
  withSettings,
} from "./job.ts";
export { isDeeperThan, isObject } from "./json.ts";
export { NODES } from "./library.ts";
export type {
  AnyNode,
  FileReference,
  GraphFiles,
  Images,
  Masks,
  PromptInfo,
  Ui,
  Words,
  World,
  Written,
} from "./node.ts";
export { nodePage } from "./node-page.ts";
export { type NodeInfo, nodeTranslations, objectInfo } from "./object-info.ts";
export {
  listPresets,
  type Preset,
  readLayout,
  readPreset,
  readPresetPicture,
  readWorkflow,
} from "./presets.ts";
export { type NodeErrors, type Reason, type Refusal, workflowError } from "./refusal.ts";
export { type Acceptance, validatePrompt } from "./validate.ts";
