// Photos of the library as items of a batch, and a version's record run again.
// Owns: where results lie in a library folder. Must never: put two results in one file.
import { mkdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import {
  type Batch,
  createBatch,
  findVersion,
  getPhoto,
  type Library,
  type Photo,
  photosOf,
} from "../catalogue/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import { apiGraphSchema } from "../workflow/index.ts";
import type { Executor, JobResult } from "./executor.ts";
import { masksFolder } from "./masks.ts";
import type { Plan } from "./run.ts";

/** What of a version's parameters is looked at: see run.ts. */
const recordedSchema = z.object({
  models: z.array(z.object({ id: z.string(), sha256: z.string() })),
  tunes: z.string().optional(),
});

export interface Selection {
  /** Photo ids. */
  readonly photos?: readonly string[];
  /** An album's name. Neither: all photos whose file is there. */
  readonly album?: string;
}

/** The photos that are meant. @throws AutochromeError "not-found" for unknown ids or albums */
export function selectPhotos(library: Library, { photos, album }: Selection): Iterable<Photo> {
  if (photos !== undefined) return photos.map((id) => getPhoto(library, id));
  return photosOf(library, { missing: false, ...(album === undefined ? {} : { album }) });
}

/**
 * Queues photos of the library, each with every variant of the plan.
 * @param choose the variants of a photo, where it is not all of them
 * @throws AutochromeError "not-found" for unknown ids or albums, "usage" for none
 */
export function queuePhotos(
  library: Library,
  selection: Selection,
  plan: Plan,
  how: { readonly executor: string; readonly priority: number; readonly workflow?: string },
  choose: (photo: Photo) => Iterable<number> = () => plan.variants.keys(),
): Batch {
  function* items() {
    for (const photo of selectPhotos(library, selection)) {
      for (const variant of choose(photo)) {
        yield {
          photoId: photo.id,
          source: photo.path,
          sourceHash: photo.hash,
          target: (itemId: string) => `versions/${itemId.slice(-2)}/${itemId}`,
          variant,
        };
      }
    }
  }
  return createBatch(library.db, { recipe: plan, ...how }, items());
}

/**
 * Runs a version's record again, into a file of the caller's. On the CPU the bytes are those of the version.
 * @param target absolute path that does not exist
 * @throws AutochromeError "not-found" for an unknown version, "unreadable-file" where the original has changed,
 *   "model-missing" where a model is another one now; the file is gone again then
 */
export async function reproduceVersion(
  library: Library,
  executor: Executor,
  versionId: string,
  target: string,
  signal: AbortSignal,
): Promise<JobResult> {
  const version = findVersion(library.db, versionId);
  if (version === undefined) {
    throw new AutochromeError(
      "not-found",
      `There is no version ${versionId}.`,
      "Choose one of the photo's versions.",
    );
  }
  const record = recordedSchema.safeParse(version.parameters).data;
  await mkdir(dirname(target), { recursive: true });
  const result = await executor.run(
    {
      batchId: version.id,
      itemId: version.itemId,
      source: getPhoto(library, version.photoId).path,
      sourceHash: version.sourceHash,
      target,
      existing: "skip",
      graph: apiGraphSchema.parse(version.workflow),
      mayShrink: false,
      keepColours: false,
      // A tuned version was made of kept colours; its own are the same.
      colours:
        record?.tunes === undefined || version.chroma === undefined
          ? undefined
          : join(library.folder, version.chroma),
      masks: masksFolder(library),
      createdAt: version.createdAt,
    },
    signal,
  );
  const other = record?.models.find(
    ({ id, sha256 }) =>
      result.status === "done" && !result.models.some((used) => used.id === id && used.sha256 === sha256),
  );
  if (other !== undefined) {
    await unlink(result.output);
    throw new AutochromeError(
      "model-missing",
      `This version was made by another edition of the model ${other.id}.`,
      "Colour the photo anew, or bring that edition of the model.",
    );
  }
  return result;
}
