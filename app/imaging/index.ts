// Imaging: files ↔ pixels ↔ CIE Lab. What a file is, its pixels and what they mean, chroma under lightness, encoding,
// thumbnails, metadata. Owns: every byte that is read from or written into a picture file.
// Must never: know about catalogues, queues or networks, or write to a source.

export { saturate, whiteFactors } from "./adjust.ts";
export type { ChromaOrigin } from "./chroma-file.ts";
export { levelSize, TILE_SIDE, type TileGroup, tileGroup, tileLevels } from "./displayed.ts";
export { extensionFor, outputFormatFor, type SaveOptions } from "./encode.ts";
export { rgbToLab } from "./lab.ts";
export {
  changeWhite,
  greyWorld,
  type LabChange,
  type LabConverter,
  type LabPlanes,
  type LabStrip,
  labConverter,
  mapLab,
  readLab,
  smallLab,
} from "./lab-rows.ts";
export { applyMask } from "./mask-alpha.ts";
export {
  closeMetadata,
  type PhotoDate,
  type PhotoMetadata,
  readMetadata,
  writeResultMetadata,
} from "./metadata.ts";
export { inspectImage, type Limits, matchesExtension, PHOTO_EXTENSIONS } from "./open.ts";
export {
  buildPixels,
  descriptionOf,
  fromSharp,
  type Making,
  type Mask,
  mapRows,
  type Origin,
  type Picture,
  type PictureProfile,
  type PixelReader,
  type Pixels,
  type PixelWriter,
  reading,
  readPixels,
  type Samples,
  stripRows,
  topOf,
  toSharp,
  type Workplace,
  writePixels,
} from "./picture.ts";
export { addPngText, readPngText } from "./png-text.ts";
export { scratchFilesOf, withScratch } from "./scratch.ts";
export { channelOfFile, previewOfFile } from "./shown.ts";
export { type SidecarFields, writeSidecarFile } from "./sidecar.ts";
export { type GreyPicture, scaleGrey, smallGreyOfFile } from "./small-grey.ts";
export { NEUTRAL_TUNING, type Tuning } from "./tuning.ts";
export type {
  Chroma,
  ImageFacts,
  ImageFormat,
  Ingested,
  MergeOptions,
  OutputFormat,
  Provenance,
  SaveResult,
} from "./types.ts";
export type { ModuleTask, TaskControl } from "./worker.ts";
export { createPixelWorkers, type PixelWorkers } from "./workers.ts";
