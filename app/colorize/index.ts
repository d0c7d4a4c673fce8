// Colorize: the networks, each in a process of its own, and the size at which they see a photograph.
// Owns: inference. Must never: know about graphs, queues, catalogues or the command line.
export { createInferenceProcess, type Explain, type InferenceProcess } from "./child.ts";
export {
  type Colorizer,
  type ColorizerOptions,
  type Coloured,
  createColorizer,
  type Device,
  type Seen,
} from "./colorizer.ts";
export { PROBE_SIDE } from "./devices/attempt.ts";
export {
  type ChosenDevice,
  chooseDevice,
  type DevicesOptions,
  forgetDevices,
  probeDevices,
} from "./devices/choice.ts";
export type { DeviceReport } from "./devices/probe.ts";
export { type ExamineOptions, examineModel } from "./examine.ts";
export {
  createImageModels,
  type ImageModel,
  type ImageModels,
  type ImageModelsOptions,
  type Tile,
} from "./image-models.ts";
export { importModels, type Pulled, type PullOptions, pullModel } from "./intake.ts";
export type { Provider, Runtime, Values } from "./messages.ts";
export { networkSize, roundModelSize } from "./size.ts";
