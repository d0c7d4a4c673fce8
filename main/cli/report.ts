// How `colorize` and `batch` report items. Owns: the form of an item's line. Must never: run anything.
import type { ItemEvent } from "../../app/batches/index.ts";
import { duration, type Output, printable } from "./output.ts";

/** What became of the items of this run. */
export interface Tally {
  done: number;
  failed: number;
  skipped: number;
}

/** @param before items that failed before the queue saw them */
export function reportItem(output: Output, event: ItemEvent, tally: Tally, before = 0): void {
  const { item, variant, result, error, status, ms, progress } = event;
  if (status !== "cancelled") tally[status]++;
  output.line({
    file: item.source,
    ...(item.photoId === undefined ? {} : { photo: item.photoId }),
    output: result?.output ?? null,
    status,
    ...(variant === undefined ? {} : { variant }),
    ...(result?.status === "done" ? { width: result.width, height: result.height } : {}),
    ms,
    ...(result?.status === "done" && result.notes.length > 0 ? { notes: result.notes } : {}),
    ...(error === undefined ? {} : { error }),
  });
  if (error !== undefined) output.fail(item.source, error);
  else if (result?.status === "skipped") output.say(`${printable(result.output)} is already there; skipped.`);
  else if (result?.status === "done") {
    const as = variant === undefined ? "" : `${variant}, `;
    output.say(`${printable(item.source)} → ${printable(result.output)} (${as}${duration(ms)})`);
    for (const note of result.notes) output.say(`  ${note}`);
  }
  const { counts, remainingMs } = progress;
  const total = before + counts.queued + counts.running + counts.done + counts.failed + counts.cancelled;
  const done = before + counts.done + counts.failed + counts.cancelled;
  output.progress({ done, total, failed: before + counts.failed, remainingMs });
}

export function tallySentence(tally: Tally, seconds: number): string {
  const parts = [`${tally.done} coloured`];
  if (tally.skipped > 0) parts.push(`${tally.skipped} skipped`);
  if (tally.failed > 0) parts.push(`${tally.failed} failed`);
  return `${parts.join(", ")} in ${duration(seconds * 1000)}.`;
}
