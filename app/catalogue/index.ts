// The catalogue: photos, albums, versions, search and the queue's memory. The only room that knows SQL.
//
// Owns: the library folder and the database in it. Must never: write, move or delete an original, or colour anything.
export {
  type Album,
  addToAlbum,
  albumsOf,
  changeAlbum,
  createAlbum,
  deleteAlbum,
  findAlbum,
  getAlbum,
  listAlbums,
  removeFromAlbum,
  renameAlbum,
} from "./albums.ts";
export { backupLibrary, restoreLibrary } from "./backup.ts";
export {
  countBatches,
  hasEndedLease,
  itemsOf,
  type OpenBatch,
  openBatches,
  recentBatches,
} from "./batch-lists.ts";
export { type Card, readCards } from "./cards.ts";
export type { Database } from "./database.ts";
export { copyPathsOf, editPhoto, lastFailure, type PhotoEdit, removePhoto } from "./edit.ts";
export { type ImportEvent, type ImportOptions, type ImportResult, importPhotos } from "./import.ts";
export { checkLibrary, type LibraryFinding } from "./inspect.ts";
export { cancelBatch, cancelLeftOver, fillBatch } from "./large-batches.ts";
export {
  countDecades,
  countSmart,
  findPhotos,
  type Layout,
  type LayoutRequest,
  readLayout,
  type SmartAlbum,
} from "./layout.ts";
export { type Library, openLibrary } from "./library.ts";
export { listPhotos, type PageRequest, type PhotoPage, photosOf, type Sort } from "./pages.ts";
export { countPhotos, getPhoto, type Photo, type PhotoFilter } from "./photos.ts";
export { createPictures, type PictureSource, type Pictures, tilesOf } from "./pictures.ts";
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
export type { Hint } from "./query.ts";
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
export {
  changeSession,
  createSession,
  deleteSession,
  getSession,
  listSessions,
  type Session,
  type SessionFields,
  sessionPhotos,
} from "./sessions.ts";
export { fillSynthetic, syntheticWord } from "./synthetic.ts";
export { ensureBlur, ensureThumbnail, thumbnailPath } from "./thumbnails.ts";
export {
  changeVersion,
  chosenVersion,
  findVersion,
  listVersions,
  type NewVersion,
  reviewVersion,
  type Version,
} from "./versions.ts";
export { type Failure, type FileState, type Found, type Root, resolveSources, walk } from "./walk.ts";
export { listWatched, setWatched, type WatchedFolder } from "./watched.ts";
