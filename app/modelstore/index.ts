// Model store: which model files exist, where they come from, whether they are intact.
// Owns: the manifest, the folders of model files. Must never: load a model into memory or know how one is run.

export { type Downloaded, type DownloadOptions, type DownloadTrouble, download } from "./download.ts";
export { readExportRecord } from "./export-record.ts";
export { type Description, findByDigest, type Installed, PUBLISHED, type Published } from "./manifest.ts";
export { isPack, type ModelFile, type PackedModel, type PackOptions, readPack, writePack } from "./pack.ts";
export {
  embeddedModel,
  type Model,
  type ModelState,
  type ModelStore,
  openModelStore,
  verifyModel,
} from "./store.ts";
export { openUserModels, type UserModel, type UserModels } from "./user-models.ts";
