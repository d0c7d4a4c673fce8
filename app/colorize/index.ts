// Colorize: the networks, each in a process of its own, and the size at which they see a photograph.
// Owns: inference. Must never: know about graphs, queues, catalogues or the command line.
export {
  type Colorizer,
  type ColorizerOptions,
  checkpointNames,
  createColorizer,
  modelByName,
  modelForCheckpoint,
  modelNames,
} from "./colorizer.ts";
export {
  createImageModels,
  type ImageModel,
  type ImageModels,
  type ImageModelsOptions,
  type Tile,
} from "./image-models.ts";
export type { Provider } from "./messages.ts";
export { PROBE_SIDE, type ProbeResult, probeDevices } from "./probe.ts";
export { networkSize, roundModelSize } from "./size.ts";
