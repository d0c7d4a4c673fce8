// Batches: the one queue. All colouring, from wherever it is asked, goes through here.
// Owns: what runs when and where, and how files and photos become items.
// Must never: know SQL, pixels or a command line.

export {
  type Chunk,
  chunkKey,
  chunkSchema,
  MOST_BYTES,
} from "./chunk.ts";
export { measureMs } from "./estimate.ts";
export { type Executor, isAboutPlace, type Job, type JobResult, type PhotoResult } from "./executor.ts";
export { type ClusterExecutorOptions, createClusterExecutor } from "./executors/cluster.ts";
export { type ComfyuiExecutorOptions, createComfyuiExecutor } from "./executors/comfyui.ts";
export { createLocalExecutor } from "./executors/local.ts";
export { createMixedExecutor } from "./executors/mixed.ts";
export { type ExportEvent, type ExportOptions, type ExportResult, exportPhotos } from "./export.ts";
export { queueFiles } from "./files.ts";
export { hasMask, keepMask } from "./masks.ts";
export { isOwnerAlive, ownerName } from "./owner.ts";
export { queuePhotos, reproduceVersion, type Selection, selectPhotos } from "./photos.ts";
export { type Audience, names, type PromptEvent } from "./prompt-messages.ts";
export {
  createPromptQueue,
  type PromptError,
  type PromptListener,
  type PromptQueue,
  type PromptQueueOptions,
  type PromptRequest,
  type Submission,
  type Validate,
} from "./prompts.ts";
export { queueMany } from "./queue-many.ts";
export {
  type ItemEvent,
  type Plan,
  type Progress,
  planSchema,
  type RunOptions,
  runBatch,
  type Variant,
} from "./run.ts";
export { createSurroundings, type Surroundings, type SurroundingsOptions } from "./surroundings.ts";
export { openTuning, queueTuning, type TuningTable } from "./tuning.ts";
export { type WorkOptions, workOff } from "./work-off.ts";
