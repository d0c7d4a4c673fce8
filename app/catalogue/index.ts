// The catalogue: photos, albums, versions, search and the queue's memory. The only room that knows SQL.
//
// Owns: the library folder and the database in it. Must never: write, move or delete an original, or colour anything.
export {
  type Album,
  addToAlbum,
  createAlbum,
  deleteAlbum,
  getAlbum,
  listAlbums,
  removeFromAlbum,
  renameAlbum,
} from "./albums.ts";
export { backupLibrary, restoreLibrary } from "./backup.ts";
export type { Database } from "./database.ts";
export { type ImportEvent, type ImportOptions, type ImportResult, importPhotos } from "./import.ts";
export { checkLibrary, type LibraryFinding } from "./inspect.ts";
export { type Library, openLibrary } from "./library.ts";
export { listPhotos, type PageRequest, type PhotoPage, photosOf, type Sort } from "./pages.ts";
export { countPhotos, getPhoto, type Photo, type PhotoFilter } from "./photos.ts";
export {
  addPrompt,
  claimPrompt,
  countOpenPrompts,
  deadPrompts,
  extendPromptLease,
  type FinishedPrompt,
  findPrompt,
  finishPrompt,
  type HistoryRequest,
  isFinished,
  type JobsRequest,
  listPromptIds,
  type NewPrompt,
  openPrompts,
  type PromptState,
  promptHistory,
  releasePrompt,
  removeFinished,
  removePending,
  type StoredPrompt,
} from "./prompts.ts";
export {
  type Batch,
  type BatchItem,
  type BatchState,
  type Counts,
  claimItem,
  completeItem,
  countItems,
  createBatch,
  extendLeases,
  failItem,
  getBatch,
  type ItemState,
  listBatches,
  listItems,
  type NewItem,
  releaseDead,
  releaseItem,
  retryFailed,
  setBatchState,
} from "./queue.ts";
export { fillSynthetic, syntheticWord } from "./synthetic.ts";
export { ensureThumbnail, thumbnailPath } from "./thumbnails.ts";
export {
  chosenVersion,
  findVersion,
  listVersions,
  type NewVersion,
  reviewVersion,
  type Version,
} from "./versions.ts";
export { type Failure, type FileState, type Found, type Root, resolveSources, walk } from "./walk.ts";
