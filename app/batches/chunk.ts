// What goes between this computer and a pod: a chunk of a batch, and the record of each of its photos.
//
// Owns: the form of both. Must never: hold a path or a name of the user's: a photo is its content and its extension.
import { z } from "zod";
import { batchKey, grantSchema } from "../cluster/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import { apiGraphSchema } from "../workflow/index.ts";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const file = z.strictObject({ sha256: digest, size: z.int().min(0) });
export type StoredFile = Readonly<z.infer<typeof file>>;

const chunkItemSchema = z.strictObject({
  /** The item's id in the library's queue. */
  id: z.string().min(1),
  photo: file,
  /** ".jpg": what the original is called ends with it. */
  extension: z.string().regex(/^(\.[a-z0-9]{1,8})?$/),
  /** Place among the chunk's graphs. */
  graph: z.int().min(0),
  mayShrink: z.boolean(),
  keepColours: z.boolean(),
  /** The network's colours of an earlier version, where only they are tuned. */
  colours: file.optional(),
  /** Masks that the graph names; see maskName. */
  masks: z.array(file),
  /** ISO time, UTC, that is written into the result. */
  createdAt: z.string(),
});
export type ChunkItem = Readonly<z.infer<typeof chunkItemSchema>>;

export const chunkSchema = z.strictObject({
  form: z.literal(1),
  batch: z.string(),
  /** Under which the records go; another one for each chunk of each attempt. */
  index: z.int().min(0),
  graphs: z.array(apiGraphSchema).min(1),
  items: z.array(chunkItemSchema).min(1),
  /** Lets its reader at the chunk's photos, and write its results and records. */
  grant: grantSchema,
});
export type Chunk = Readonly<z.infer<typeof chunkSchema>>;

/** Which items an attempt covers, for whoever comes back after a crash. */
export const attemptSchema = z.strictObject({
  form: z.literal(1),
  attempt: z.int().min(1),
  /** Ids of items, by chunk. */
  chunks: z.array(z.array(z.string())),
});
export type Attempt = Readonly<z.infer<typeof attemptSchema>>;

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  next: z.string(),
  detail: z.string().optional(),
});

/** What became of a photo. */
export const recordSchema = z.discriminatedUnion("status", [
  z.object({
    status: z.literal("done"),
    id: z.string(),
    result: file,
    colours: file.optional(),
    width: z.int(),
    height: z.int(),
    format: z.enum(["jpeg", "png", "tiff", "webp", "avif"]),
    sourceHash: digest,
    graph: apiGraphSchema,
    device: z.string(),
    models: z.array(z.object({ id: z.string(), sha256: z.string() })),
    networkMs: z.number(),
    notes: z.array(z.string()),
    /** The pod that did it. */
    pod: z.string(),
  }),
  z.object({ status: z.literal("failed"), id: z.string(), error: errorSchema, pod: z.string() }),
]);
export type ItemRecord = Readonly<z.infer<typeof recordSchema>>;

/** Whether an error of reading says that what lies in the storage is not what we wrote: as good as never written. */
export function isAboutContent(thrown: unknown): boolean {
  if (thrown instanceof SyntaxError || thrown instanceof z.ZodError) return true;
  return thrown instanceof AutochromeError && ["storage-damaged", "not-found"].includes(thrown.code);
}

/** Bytes that a chunk, an attempt or a record has at most. */
export const MOST_BYTES = 64 * 2 ** 20;
/** Chunks that one attempt has at most. */
export const MOST_CHUNKS = 5000;
/** Attempts that a batch has at most. */
export const MOST_ATTEMPTS = 99;

/** The number that a chunk's records go under. */
export function recordIndex(attempt: number, chunk: number): number {
  return attempt * 10_000 + chunk;
}

export function chunkKey(batch: string, attempt: number, chunk: number): string {
  return batchKey(batch, `${attempt}-${chunk}`);
}

export function attemptKey(batch: string, attempt: number): string {
  return batchKey(batch, `attempt-${attempt}`);
}
