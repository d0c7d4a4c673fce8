// Photos of the library as items of a batch, and a version's record run again.
// Owns: where results lie in a library folder. Must never: put two results in one file.
import { mkdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import {
  type Batch,
  createBatch,
  findVersion,
  getPhoto,
  type Library,
  photosOf,
} from "../catalogue/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import { apiGraphSchema } from "../workflow/index.ts";
import type { Executor, JobResult } from "./executor.ts";
import type { Plan } from "./run.ts";

/** What of a version's parameters is looked at: see run.ts. */
const recordedModels = z.object({ models: z.array(z.object({ id: z.string(), sha256: z.string() })) });

export interface Selection {
  /** Photo ids. */
  readonly photos?: readonly string[];
  /** An album's name. Neither: all photos whose file is there. */
  readonly album?: string;
}

/** Queues photos of the library. @throws AutochromeError "not-found" for unknown ids or albums, "usage" for none */
export function queuePhotos(
  library: Library,
  selection: Selection,
  plan: Plan,
  how: { readonly executor: string; readonly priority: number },
): Batch {
  function* items() {
    const photos =
      selection.photos === undefined
        ? photosOf(library, {
            missing: false,
            ...(selection.album === undefined ? {} : { album: selection.album }),
          })
        : selection.photos.map((id) => getPhoto(library, id));
    for (const photo of photos) {
      yield {
        photoId: photo.id,
        source: photo.path,
        sourceHash: photo.hash,
        target: (itemId: string) => `versions/${itemId.slice(-2)}/${itemId}`,
      };
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
  await mkdir(dirname(target), { recursive: true });
  const result = await executor.run(
    {
      itemId: version.itemId,
      source: getPhoto(library, version.photoId).path,
      sourceHash: version.sourceHash,
      target,
      existing: "skip",
      graph: apiGraphSchema.parse(version.workflow),
      createdAt: version.createdAt,
    },
    signal,
  );
  const recorded = recordedModels.safeParse(version.parameters).data?.models ?? [];
  const other = recorded.find(
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
