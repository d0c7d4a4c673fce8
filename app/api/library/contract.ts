// What the window and the engine say to each other: addresses, questions, answers, events.
//
// Owns: the form of all of it; nothing else may invent a field. Everything is below /library. Ids, never paths, name what
// is asked for; paths only stand where a person chooses folders. Times are ISO, UTC. Must never: import from Node, since the
// window reads it too.
import { z } from "zod";

/** As everywhere: a code, a sentence, a next step. The window shows its own words for codes that it knows. */
export const problemSchema = z.object({ code: z.string(), message: z.string(), next: z.string() });
export type Problem = z.infer<typeof problemSchema>;

export const reviewSchema = z.enum(["undecided", "accepted", "rejected"]);
export type Review = z.infer<typeof reviewSchema>;

/** Where a photo stands on its way: what the smart albums are made of. */
export const photoStateSchema = z.enum(["plain", "working", "review", "accepted", "rejected", "failed"]);
export type PhotoState = z.infer<typeof photoStateSchema>;

// ---- the library --------------------------------------------------------------------------------------------------

export const librarySchema = z.object({
  folder: z.string(),
  photos: z.int(),
  missing: z.int(),
  /** Smart albums, by name, with their numbers of photos. */
  smart: z.object({
    /** Black-and-white, and nothing made of them yet. */
    toColour: z.int(),
    toReview: z.int(),
    accepted: z.int(),
    failed: z.int(),
  }),
  albums: z.array(z.object({ id: z.string(), name: z.string(), photos: z.int() })),
  /** Sentences: a network file system, a folder that cannot be written … */
  warnings: z.array(z.string()),
  version: z.string(),
});
export type LibraryFacts = z.infer<typeof librarySchema>;

// ---- photos -------------------------------------------------------------------------------------------------------

export const sortSchema = z.enum(["imported", "taken", "name"]);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** Which photos, and in which order. What is given must all hold. */
export const photoQuerySchema = z.object({
  album: z.string().optional(),
  /** A smart album. */
  smart: z.enum(["toColour", "toReview", "accepted", "failed", "missing"]).optional(),
  /** A session's photos. */
  session: z.string().optional(),
  /** As typed: words, and filters like album:… year:1936..1945 mono:yes rating:>3 state:review. */
  search: z.string().max(500).optional(),
  sort: sortSchema.default("imported"),
  descending: flag.default(false),
});
export type PhotoQuery = z.input<typeof photoQuerySchema>;

/** All photos of a query at once, in its order: enough to lay the grid out before a single picture is there. */
export const layoutSchema = z.object({
  ids: z.array(z.string()),
  /** Width / height × 1000, rounded; at the same places. */
  ratios: z.array(z.int()),
  /** First place of each heading ("1936", "" for undated), where the order is by time taken. */
  headings: z.array(z.object({ at: z.int(), text: z.string() })),
  /** What was not understood in the search text, as sentences. */
  hints: z.array(z.string()),
});
export type Layout = z.infer<typeof layoutSchema>;

/** What a cell of the grid shows. */
export const photoCardSchema = z.object({
  id: z.string(),
  name: z.string(),
  title: z.string().optional(),
  width: z.int(),
  height: z.int(),
  isMono: z.boolean(),
  isMissing: z.boolean(),
  takenAt: z.string().optional(),
  rating: z.int().optional(),
  state: photoStateSchema,
  /** The version that goes out: accepted, or else the newest that was not rejected. */
  version: z.string().optional(),
  versions: z.int(),
  /** A few bytes of it, base64 of a thumbhash; absent before there is a thumbnail. */
  blur: z.string().optional(),
});
export type PhotoCard = z.infer<typeof photoCardSchema>;

export const cardsQuerySchema = z.object({ ids: z.string().max(30_000) });
export const cardsSchema = z.object({ photos: z.array(photoCardSchema) });

/** How colours of a version are changed; what is absent stays as it was. */
export const tuneSchema = z.object({
  colorFactor: z.number().min(0).max(2).optional(),
  temperature: z.number().min(-1).max(1).optional(),
  tint: z.number().min(-1).max(1).optional(),
  vibrance: z.number().min(-1).max(1).optional(),
  protectSkin: z.number().min(0).max(1).optional(),
  blend: z.number().min(0).max(1).optional(),
  /** Name of a mask that was put before; null: everywhere. */
  mask: z.string().nullable().optional(),
});
export type Tune = z.infer<typeof tuneSchema>;

export const versionCardSchema = z.object({
  id: z.string(),
  photo: z.string(),
  width: z.int(),
  height: z.int(),
  format: z.string(),
  createdAt: z.string(),
  model: z.string(),
  modelSha256: z.string(),
  device: z.string(),
  program: z.string(),
  modelSize: z.int().optional(),
  /** Its colours can be tuned without the network. */
  isTunable: z.boolean(),
  /** How its colours are set now. */
  tune: tuneSchema,
  review: reviewSchema,
  rating: z.int().optional(),
  note: z.string().optional(),
  notes: z.array(z.string()),
});
export type VersionCard = z.infer<typeof versionCardSchema>;

export const photoDetailsSchema = photoCardSchema.extend({
  path: z.string(),
  /** Further files with the same content. */
  copies: z.array(z.string()),
  size: z.int(),
  format: z.string(),
  bitDepth: z.int(),
  pages: z.int(),
  iccName: z.string().optional(),
  hash: z.string(),
  caption: z.string().optional(),
  place: z.string().optional(),
  people: z.array(z.string()),
  keywords: z.array(z.string()),
  takenPrecision: z.enum(["year", "month", "day"]).optional(),
  importedAt: z.string(),
  missingSince: z.string().optional(),
  notes: z.array(z.string()),
  albums: z.array(z.object({ id: z.string(), name: z.string() })),
  allVersions: z.array(versionCardSchema),
  /** Why the last attempt to colour it failed. */
  error: problemSchema.optional(),
});
export type PhotoDetails = z.infer<typeof photoDetailsSchema>;

const text = (longest: number) => z.string().max(longest).nullable().optional();
/** Null clears a field, absent leaves it. Originals never change: this is written to the library. */
export const photoChangeSchema = z.strictObject({
  title: text(1000),
  caption: text(20_000),
  place: text(1000),
  people: z.array(z.string().min(1).max(200)).max(200).optional(),
  keywords: z.array(z.string().min(1).max(200)).max(500).optional(),
  /** 1936, 1936-02 or 1936-02-11. */
  takenAt: z
    .string()
    .regex(/^\d{4}(-\d{2}(-\d{2})?)?$/)
    .nullable()
    .optional(),
  rating: z.int().min(0).max(5).nullable().optional(),
});
export type PhotoChange = z.infer<typeof photoChangeSchema>;

export const timelineSchema = z.object({
  /** Photos by decade (1930), undated ones under null; oldest first. */
  decades: z.array(z.object({ decade: z.int().nullable(), photos: z.int() })),
});

/** The pyramid of a picture: level 0 is the whole in one tile, each next one twice as large, the last at full size. */
export const tilesSchema = z.object({ width: z.int(), height: z.int(), tileSize: z.int(), levels: z.int() });
export type TilesFacts = z.infer<typeof tilesSchema>;

// ---- albums, imports, watched folders -----------------------------------------------------------------------------

export const albumNameSchema = z.strictObject({ name: z.string().min(1).max(200) });
export const albumPhotosSchema = z.strictObject({
  add: z.array(z.string()).max(100_000).default([]),
  remove: z.array(z.string()).max(100_000).default([]),
});

export const importRequestSchema = z.strictObject({
  /** Files and folders of this computer. */
  paths: z.array(z.string().min(1).max(4096)).min(1).max(10_000),
  album: z.string().min(1).max(200).optional(),
  copy: z.boolean().default(false),
});
/** Folders of this computer, for choosing where there is no dialog of the system's. */
export const foldersSchema = z.object({
  path: z.string(),
  parent: z.string().nullable(),
  folders: z.array(z.object({ name: z.string(), path: z.string() })),
  /** Photos right in it. */
  photos: z.int(),
});
export const watchedSchema = z.object({
  folders: z.array(z.object({ path: z.string(), album: z.string().optional() })).max(100),
});

/** Long work that is no batch: an import, an export, a model that is fetched. */
export const jobSchema = z.object({
  id: z.string(),
  kind: z.enum(["import", "export", "pull", "report"]),
  state: z.enum(["running", "done", "failed", "stopped"]),
  done: z.int(),
  /** Absent until it is known. */
  total: z.int().optional(),
  remainingMs: z.int().optional(),
  /** What was skipped or failed, and why; the first hundred. */
  problems: z.array(z.object({ file: z.string(), error: problemSchema })),
  problemCount: z.int(),
  /** For imports: photos that were there already. */
  duplicates: z.int().optional(),
  /** Where an export or a report lies. */
  output: z.string().optional(),
  error: problemSchema.optional(),
});
export type JobFacts = z.infer<typeof jobSchema>;
export const startedSchema = z.object({ job: z.string() });

// ---- batches ------------------------------------------------------------------------------------------------------

export const batchRequestSchema = z.strictObject({
  /** These, or all of a query's. */
  photos: z.array(z.string()).min(1).max(1_000_000).optional(),
  query: photoQuerySchema.optional(),
  /** A preset's name, "auto", or the name of a saved workflow. */
  workflow: z.string().default("quick"),
  models: z.array(z.string()).max(8).optional(),
  modelSizes: z.array(z.int().min(64).max(2048)).max(8).optional(),
  colorFactor: z.number().min(0).max(2).optional(),
  /** auto, local, cluster, mixed, or a server's address. */
  on: z.string().default("auto"),
});
export type BatchRequest = z.input<typeof batchRequestSchema>;

export const batchSchema = z.object({
  id: z.string(),
  state: z.enum(["active", "paused", "cancelled", "finished"]),
  createdAt: z.string(),
  executor: z.string(),
  /** What the network runs on, in words; absent before it runs. */
  device: z.string().optional(),
  /** The preset's or workflow's name. */
  workflow: z.string(),
  counts: z.object({
    queued: z.int(),
    running: z.int(),
    done: z.int(),
    failed: z.int(),
    cancelled: z.int(),
  }),
  remainingMs: z.int().optional(),
  /** What it waits for, in sentences; empty while all is well. */
  words: z.array(z.string()),
  /** Why it stands still, where the place as a whole cannot work. */
  error: problemSchema.optional(),
});
export type BatchFacts = z.infer<typeof batchSchema>;
export const batchItemSchema = z.object({
  id: z.string(),
  photo: z.string().optional(),
  name: z.string(),
  state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
  ms: z.int().optional(),
  error: problemSchema.optional(),
});
export const batchActionSchema = z.enum(["pause", "resume", "cancel", "retry"]);

/** Where "auto" would run now, and how long so many photos would take. */
export const placeSchema = z.object({
  on: z.string(),
  device: z.string(),
  sentence: z.string(),
  remainingMs: z.int().optional(),
});

// ---- versions, sessions, exports ----------------------------------------------------------------------------------

export const versionChangeSchema = z.strictObject({
  review: reviewSchema.optional(),
  rating: z.int().min(0).max(5).nullable().optional(),
  note: text(20_000),
});
export type VersionChange = z.infer<typeof versionChangeSchema>;
export const tuneRequestSchema = z.strictObject({
  versions: z.array(z.string()).min(1).max(10_000),
  tune: tuneSchema,
});
export const maskSchema = z.object({ mask: z.string() });

export const sessionSchema = z.object({
  id: z.string(),
  name: z.string(),
  note: z.string(),
  createdAt: z.string(),
  photos: z.int(),
  undecided: z.int(),
  accepted: z.int(),
  rejected: z.int(),
});
export type ReviewSession = z.infer<typeof sessionSchema>;
export const newSessionSchema = z.strictObject({
  name: z.string().min(1).max(200),
  note: z.string().max(20_000).default(""),
  photos: z.array(z.string()).max(100_000),
});
/** What is absent stays: so no defaults here. */
export const sessionChangeSchema = newSessionSchema.extend({ note: z.string().max(20_000) }).partial();

export const exportRequestSchema = z.strictObject({
  out: z.string().min(1).max(4096),
  photos: z.array(z.string()).max(1_000_000).optional(),
  query: photoQuerySchema.optional(),
  acceptedOnly: z.boolean().default(false),
  format: z.enum(["same", "jpeg", "png", "tiff", "webp", "avif"]).default("same"),
  sideBySide: z.boolean().default(false),
  /** A small "colourised" in the corner. */
  mark: z.boolean().default(false),
});
export const reportRequestSchema = z.strictObject({ out: z.string().min(1).max(4096) });

// ---- workflows, models, devices, cluster, settings ----------------------------------------------------------------

export const presetSchema = z.object({
  name: z.string(),
  isPreset: z.boolean(),
  title: z.object({ en: z.string(), zh: z.string() }),
  about: z.object({ en: z.string(), zh: z.string() }),
});
export type Preset = z.infer<typeof presetSchema>;

export const modelSchema = z.object({
  id: z.string(),
  isInstalled: z.boolean(),
  isDefault: z.boolean(),
  bytes: z.int(),
  licence: z.string(),
  about: z.string(),
  goodFor: z.string(),
  input: z.string(),
  /** What it is good for, in the window's languages. */
  words: z.object({ en: z.string(), zh: z.string() }).optional(),
  /** It can be fetched by a program; otherwise its file has to be got by hand and imported. */
  canPull: z.boolean().optional(),
});
/** A model file or a pack of models on the engine's computer. */
export const modelImportSchema = z.strictObject({
  path: z.string().min(1).max(4096),
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
    .optional(),
});
export type ModelFacts = z.infer<typeof modelSchema>;

export const deviceSchema = z.object({
  device: z.string(),
  works: z.boolean(),
  isUsed: z.boolean(),
  /** One line: name and speed, or why not. */
  sentence: z.string(),
  next: z.string().optional(),
});
export type DeviceFacts = z.infer<typeof deviceSchema>;
export const findingSchema = z.object({
  about: z.string(),
  ok: z.boolean(),
  found: z.string(),
  next: z.string().optional(),
});
export type Finding = z.infer<typeof findingSchema>;
export const contextsSchema = z.object({ contexts: z.array(z.string()), current: z.string().optional() });

/** Settings that the window shows; secrets are never told, only whether they are set. */
export const settingsSchema = z.object({
  values: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** Set in the environment, so that they cannot be changed here. */
  fixed: z.array(z.string()),
  file: z.string(),
  /** Those of the values that are true or false only because the setting itself is a secret. */
  secrets: z.array(z.string()).optional(),
  /** Changed since the engine started; they take effect when it starts again. */
  restart: z.array(z.string()).optional(),
});
/** Null or an empty text takes a setting back to what it is without being set. */
export const settingsChangeSchema = z.record(
  z.string(),
  z.union([z.string().max(10_000), z.number(), z.boolean(), z.null()]),
);
export type SettingsFacts = z.infer<typeof settingsSchema>;
/** The window's own memory (language, theme, shortcuts, panels), kept by the engine so that every window has it. */
export const windowStateSchema = z.record(z.string(), z.unknown());

// ---- events -------------------------------------------------------------------------------------------------------

/** Sent as server-sent events; whoever missed some asks for everything anew. */
export const eventSchema = z.discriminatedUnion("type", [
  /** These photos changed, or all (absent). */
  z.object({ type: z.literal("photos"), ids: z.array(z.string()).optional() }),
  z.object({ type: z.literal("library") }),
  z.object({ type: z.literal("batch"), batch: batchSchema }),
  z.object({ type: z.literal("job"), job: jobSchema }),
  z.object({ type: z.literal("settings") }),
]);
export type LibraryEvent = z.infer<typeof eventSchema>;

/** Addresses of pictures, for `src`. All may be kept for ever by the browser: another content has another id. */
export const pictures = {
  thumbnail: (photo: string) => `/library/photos/${photo}/thumbnail`,
  photo: (photo: string, side: number) => `/library/photos/${photo}/picture?side=${side}`,
  version: (version: string, side: number) => `/library/versions/${version}/picture?side=${side}`,
  versionThumbnail: (version: string) => `/library/versions/${version}/thumbnail`,
  /** `of`: "photos/ID" or "versions/ID". */
  tile: (of: string, level: number, column: number, row: number) =>
    `/library/${of}/tiles/${level}/${column}/${row}`,
} as const;

/** Every route. The engine makes them from this list, and the window calls them by name. */
export const routes = {
  library: { method: "get", path: "/library" },
  events: { method: "get", path: "/library/events" },
  layout: { method: "get", path: "/library/layout" },
  cards: { method: "get", path: "/library/photos" },
  photo: { method: "get", path: "/library/photos/{id}" },
  changePhoto: { method: "patch", path: "/library/photos/{id}" },
  removePhoto: { method: "delete", path: "/library/photos/{id}" },
  writeSidecar: { method: "post", path: "/library/photos/{id}/sidecar" },
  photoTiles: { method: "get", path: "/library/photos/{id}/tiles" },
  timeline: { method: "get", path: "/library/timeline" },
  createAlbum: { method: "post", path: "/library/albums" },
  renameAlbum: { method: "patch", path: "/library/albums/{id}" },
  deleteAlbum: { method: "delete", path: "/library/albums/{id}" },
  changeAlbum: { method: "post", path: "/library/albums/{id}/photos" },
  startImport: { method: "post", path: "/library/imports" },
  upload: { method: "post", path: "/library/uploads" },
  folders: { method: "get", path: "/library/folders" },
  watched: { method: "get", path: "/library/watched" },
  setWatched: { method: "put", path: "/library/watched" },
  jobs: { method: "get", path: "/library/jobs" },
  stopJob: { method: "delete", path: "/library/jobs/{id}" },
  batches: { method: "get", path: "/library/batches" },
  createBatch: { method: "post", path: "/library/batches" },
  batch: { method: "get", path: "/library/batches/{id}" },
  batchItems: { method: "get", path: "/library/batches/{id}/items" },
  changeBatch: { method: "post", path: "/library/batches/{id}/{action}" },
  place: { method: "get", path: "/library/place" },
  changeVersion: { method: "patch", path: "/library/versions/{id}" },
  versionTiles: { method: "get", path: "/library/versions/{id}/tiles" },
  look: { method: "post", path: "/library/versions/{id}/look" },
  tune: { method: "post", path: "/library/tunings" },
  putMask: { method: "post", path: "/library/masks" },
  sessions: { method: "get", path: "/library/sessions" },
  createSession: { method: "post", path: "/library/sessions" },
  changeSession: { method: "patch", path: "/library/sessions/{id}" },
  deleteSession: { method: "delete", path: "/library/sessions/{id}" },
  report: { method: "post", path: "/library/sessions/{id}/report" },
  startExport: { method: "post", path: "/library/exports" },
  presets: { method: "get", path: "/library/presets" },
  workflow: { method: "get", path: "/library/workflows/{name}" },
  saveWorkflow: { method: "put", path: "/library/workflows/{name}" },
  deleteWorkflow: { method: "delete", path: "/library/workflows/{name}" },
  models: { method: "get", path: "/library/models" },
  pullModel: { method: "post", path: "/library/models/{id}/pull" },
  importModel: { method: "post", path: "/library/models" },
  removeModel: { method: "delete", path: "/library/models/{id}" },
  defaultModel: { method: "post", path: "/library/models/{id}/default" },
  devices: { method: "get", path: "/library/devices" },
  contexts: { method: "get", path: "/library/cluster/contexts" },
  checkCluster: { method: "post", path: "/library/cluster/check" },
  settings: { method: "get", path: "/library/settings" },
  changeSettings: { method: "patch", path: "/library/settings" },
  windowState: { method: "get", path: "/library/window" },
  changeWindowState: { method: "patch", path: "/library/window" },
  healthReport: { method: "get", path: "/library/health" },
} as const;
export type RouteName = keyof typeof routes;
