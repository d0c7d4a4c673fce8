// The tables, as types for the query builder. Columns are explained in migrations.ts.
// Must never: leave this room; other rooms get plain objects.
import type { Generated, GeneratedAlways } from "kysely";

export interface PhotoTable {
  number: Generated<number>;
  id: string;
  hash: string;
  path: string;
  name: string;
  name_key: string;
  size: number;
  mtime: number;
  format: string;
  width: number;
  height: number;
  bit_depth: number;
  colour: string;
  has_alpha: number;
  orientation: number;
  pages: number;
  icc_name: string | null;
  is_mono: number;
  taken_at: string | null;
  taken_precision: string | null;
  title: string | null;
  caption: string | null;
  place: string | null;
  people: string;
  keywords: string;
  rating: number | null;
  notes: string;
  imported_at: string;
  missing_since: string | null;
  taken_key: GeneratedAlways<string>;
  is_missing: GeneratedAlways<number>;
  tie: GeneratedAlways<number>;
  open_items: Generated<number>;
  has_failed: Generated<number>;
  versions: Generated<number>;
  undecided: Generated<number>;
  accepted: Generated<number>;
  blur: Generated<Uint8Array | null>;
  is_to_colour: GeneratedAlways<number>;
  is_to_review: GeneratedAlways<number>;
  is_accepted: GeneratedAlways<number>;
  is_failed: GeneratedAlways<number>;
}

export interface PhotoCopyTable {
  path: string;
  photo_id: string;
  size: number;
  mtime: number;
}

export interface PhotoSearchTable {
  rowid: number;
  title: string;
  caption: string;
  name: string;
  place: string;
  date: string;
  words: string;
}

export interface AlbumTable {
  number: Generated<number>;
  id: string;
  name: string;
  created_at: string;
}

export interface AlbumPhotoTable {
  album_number: number;
  photo_number: number;
  is_mono: number;
  is_missing: number;
  taken_key: string;
  name_key: string;
}

export interface TallyTable {
  album_number: number;
  is_mono: number;
  is_missing: number;
  photos: number;
}

export interface BatchTable {
  id: string;
  state: string;
  priority: number;
  executor: string;
  recipe: string;
  created_at: string;
  workflow: string | null;
}

export interface BatchItemTable {
  id: string;
  batch_id: string;
  position: number;
  turn: number;
  photo_id: string | null;
  source: string;
  source_hash: string | null;
  target: string;
  state: string;
  attempts: Generated<number>;
  lease_owner: string | null;
  lease_until: number | null;
  started_at: string | null;
  ms: number | null;
  result: string | null;
  error: string | null;
  variant: Generated<number>;
  tunes: string | null;
}

export interface VersionTable {
  id: string;
  photo_id: string;
  item_id: string;
  file: string;
  file_hash: string;
  width: number;
  height: number;
  format: string;
  source_hash: string;
  workflow: string;
  parameters: string;
  model_id: string;
  model_sha256: string;
  device: string;
  program: string;
  notes: string;
  created_at: string;
  review: Generated<string>;
  rating: number | null;
  note: string | null;
  chroma: string | null;
}

export interface SettingTable {
  key: string;
  value: string;
}

export interface PromptTable {
  seq: Generated<number>;
  id: string;
  number: number;
  client_id: string | null;
  graph: string;
  targets: string;
  extra_data: string;
  state: string;
  attempts: Generated<number>;
  lease_owner: string | null;
  lease_until: number | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  outputs: string | null;
  messages: string | null;
  place: number | null;
}

export interface SessionTable {
  number: Generated<number>;
  id: string;
  name: string;
  note: string;
  created_at: string;
}

export interface SessionPhotoTable {
  session_number: number;
  photo_number: number;
  position: number;
}

export interface WatchedFolderTable {
  path: string;
  album: string | null;
  position: number;
}

export interface SmartTallyTable {
  to_colour: number;
  to_review: number;
  accepted: number;
  failed: number;
}

export interface Tables {
  photo: PhotoTable;
  photo_copy: PhotoCopyTable;
  photo_search: PhotoSearchTable;
  album: AlbumTable;
  album_photo: AlbumPhotoTable;
  tally: TallyTable;
  smart_tally: SmartTallyTable;
  batch: BatchTable;
  batch_item: BatchItemTable;
  version: VersionTable;
  setting: SettingTable;
  prompt: PromptTable;
  session: SessionTable;
  session_photo: SessionPhotoTable;
  watched_folder: WatchedFolderTable;
}
