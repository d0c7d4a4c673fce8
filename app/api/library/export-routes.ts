// Exporting for windows: versions out of the library, as a job. Must never: write into the library's folder, or for
// somebody who does not sit at this computer.
import { basename } from "node:path";
import { exportPhotos } from "../../batches/index.ts";
import { getPhoto, type Photo } from "../../catalogue/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH } from "./answering.ts";
import { requireLocal, requireOutside } from "./computer-paths.ts";
import { routes as at, exportRequestSchema, startedSchema } from "./contract.ts";
import type { Desk, JobReport } from "./desk.ts";
import { plain, problemOf } from "./problems.ts";
import { chosenPhotos } from "./selection.ts";

export function exportRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, surroundings, jobs, doors } = desk;
  endpoint(
    routes,
    {
      ...at.startExport,
      tag: "Library",
      summary: "Copies versions into a folder of this computer",
      body: exportRequestSchema,
      answers: {
        200: { description: "The job", schema: startedSchema },
        400: "Not understood, or the library's own folder",
        403: "Only at the computer itself",
        404: "There is no such album",
      },
    },
    async (c, { body }) => {
      requireLocal(desk);
      const out = await requireOutside(library, body.out);
      const ids = await chosenPhotos(library, body, c.req.raw.signal);
      const { acceptedOnly, format, sideBySide, mark: isMarked } = body;
      const job = jobs.start("export", async (report, signal) => {
        let done = 0;
        const tell = (problem?: JobReport["problem"]) =>
          report({ done: ++done, total: ids.length, ...(problem === undefined ? {} : { problem }) });
        report({ total: ids.length, output: out });
        await exportPhotos({
          ...{
            library,
            workers: surroundings.workers,
            out,
            acceptedOnly,
            format,
            sideBySide,
            isMarked,
            signal,
          },
          quality: doors.config().quality,
          photos: photosOf(ids, (id, thrown) => tell({ file: id, error: problemOf(thrown) })),
          onPhoto(event) {
            const file = event.photo.name;
            if (event.status === "done") return tell();
            tell({ file, error: event.status === "failed" ? plain(event.error) : without(acceptedOnly) });
          },
        });
        return { output: out };
      });
      return c.json({ job }, 200, FRESH);
    },
  );

  /** Photos may have been removed since they were chosen: the others still go out. */
  function* photosOf(
    ids: readonly string[],
    onGone: (id: string, thrown: unknown) => void,
  ): Generator<Photo, void, undefined> {
    for (const id of ids) {
      let photo: Photo;
      try {
        photo = getPhoto(library, id);
      } catch (thrown) {
        onGone(basename(id), thrown);
        continue;
      }
      yield photo;
    }
  }
}

function without(acceptedOnly: boolean) {
  return {
    code: "not-found",
    message: acceptedOnly
      ? "No version of it is accepted."
      : "It has no coloured version that was not rejected.",
    next: acceptedOnly ? "Review it first, or export more than accepted ones." : "Colour it first.",
  };
}
