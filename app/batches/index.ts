// Batches: the one queue. All colouring, from wherever it is asked, goes through here.
// Owns: what runs when and where, and how files and photos become items.
// Must never: know SQL, pixels or a command line.
export type { Executor, Job, JobResult } from "./executor.ts";
export { createLocalExecutor, type LocalOptions } from "./executors/local.ts";
export { queueFiles } from "./files.ts";
export { isOwnerAlive, ownerName } from "./owner.ts";
export { queuePhotos, reproduceVersion } from "./photos.ts";
export { type ItemEvent, type Plan, type Progress, planSchema, type RunOptions, runBatch } from "./run.ts";
