// Colorize: the network's sessions in their own process, and one photograph's way through them.
// Owns: what a recipe means. Must never: know about queues, catalogues or the command line.
export { createInference, type Inference, type InferenceOptions } from "./inference.ts";
export type { Provider } from "./messages.ts";
export { colorizePhoto, type PhotoJob, type PhotoResult, type Tools } from "./pipeline.ts";
export { PROBE_SIDE, type ProbeResult, probeDevices } from "./probe.ts";
export { type Recipe, recipeGraph, recipeSchema } from "./recipe.ts";
export { networkSize, roundModelSize } from "./size.ts";
