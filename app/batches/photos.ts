// Photos of the library as items of a batch, and a version's record run again.
// Owns: where results lie in a library folder. Must never: put two results in one file.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type Batch,
  createBatch,
  findVersion,
  getPhoto,
  type Library,
  photosOf,
} from "../catalogue/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import { findModel } from "../modelstore/index.ts";
import { apiGraphSchema } from "../workflow/index.ts";
import type { Executor, JobResult } from "./executor.ts";
import { NO_MODEL, type Plan } from "./run.ts";

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
 * @throws AutochromeError "not-found" for an unknown version, "unreadable-file" where the original has changed
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
  if (version.modelId !== NO_MODEL && findModel(version.modelId).sha256 !== version.modelSha256) {
    throw new AutochromeError(
      "model-missing",
      `This version was made by another edition of the model ${version.modelId}.`,
      "Colour the photo anew, or bring that edition of the model.",
    );
  }
  await mkdir(dirname(target), { recursive: true });
  return executor.run(
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
}
