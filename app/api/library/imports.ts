// Imports as jobs: what windows hear while photos come in. Must never: tell of every single photo, since each window lays
// its whole grid out anew then.
import { basename } from "node:path";
import { type ImportEvent, type ImportResult, importPhotos } from "../../catalogue/index.ts";
import type { Desk, JobReport } from "./desk.ts";
import { paced } from "./pace.ts";
import { plain } from "./problems.ts";

export interface ImportWish {
  readonly album?: string | undefined;
  readonly copy?: boolean | undefined;
}

type Parts = Pick<Desk, "library" | "surroundings" | "events">;

/** Least time between two events that the library has grown. */
const GROWN_MS = 2000;

/**
 * Imports, and tells windows what has changed.
 * @param report hears of the progress, of what failed and why, and how many photos were there already
 */
export async function importAndTell(
  { library, surroundings, events }: Parts,
  sources: readonly string[],
  { album, copy }: ImportWish,
  report: (facts: JobReport, event: ImportEvent) => void,
  signal: AbortSignal,
): Promise<ImportResult> {
  const growing = paced(GROWN_MS, () => events.publish({ type: "library" }));
  const changed: string[] = [];
  let duplicates = 0;
  try {
    const { workers } = surroundings;
    const onEvent = (event: ImportEvent) => {
      const { status, path, photoId, error, progress } = event;
      if (status === "duplicate" || status === "unchanged") duplicates++;
      if (status === "imported") growing.ask();
      if ((status === "moved" || status === "missing") && photoId !== undefined) changed.push(photoId);
      const problem = error === undefined ? undefined : { file: basename(path), error: plain(error) };
      report({ ...progress, duplicates, ...(problem === undefined ? {} : { problem }) }, event);
    };
    return await importPhotos(library, sources, { workers, album, copy, signal, onEvent });
  } finally {
    growing.end();
    if (changed.length > 0) events.publish({ type: "photos", ids: changed });
    events.publish({ type: "library" });
  }
}

/**
 * Starts an import as a job.
 * @param after done when it is over, whatever became of it
 * @param before what is known to be skipped already
 * @returns the job's id
 */
export function startImport(
  desk: Parts & Pick<Desk, "jobs">,
  sources: readonly string[],
  wish: ImportWish,
  after: () => Promise<void> = async () => undefined,
  before: readonly NonNullable<JobReport["problem"]>[] = [],
): string {
  return desk.jobs.start("import", async (report, signal) => {
    try {
      for (const problem of before) report({ problem });
      if (sources.length > 0) await importAndTell(desk, sources, wish, report, signal);
      return {};
    } finally {
      await after();
    }
  });
}
