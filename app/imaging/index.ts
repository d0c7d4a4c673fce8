// Imaging: files ↔ pixels ↔ CIE Lab. What a file is, its pixels and what they mean, chroma under lightness, encoding,
// thumbnails, metadata. Owns: every byte that is read from or written into a picture file.
// Must never: know about catalogues, queues or networks, or write to a source.
export { depthIn, extensionFor, outputFormatFor } from "./encode.ts";
export { THUMBNAIL_SIDE } from "./ingest.ts";
export { gamutFactor, labToRgb, rgbToLab } from "./lab.ts";
export {
  closeMetadata,
  type PhotoDate,
  type PhotoMetadata,
  readMetadata,
  writeResultMetadata,
} from "./metadata.ts";
export { inspectImage, type Limits, matchesExtension, PHOTO_EXTENSIONS } from "./open.ts";
export type {
  Chroma,
  ImageFacts,
  ImageFormat,
  Ingested,
  NetworkInput,
  OutputFormat,
  Provenance,
  RenderOptions,
  RenderResult,
} from "./types.ts";
export { createPixelWorkers, type PixelWorkers } from "./workers.ts";
