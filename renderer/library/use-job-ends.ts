// Tells of imports and exports when they end: what came in, what was skipped, where things lie.
import type { TFunction } from "i18next";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import type { JobFacts } from "../../app/api/library/contract.ts";
import { onEvent, shell } from "../engine/index.ts";
import { notify, wordsForProblem } from "../state/index.ts";

/** How many photos an import brought in: those looked at, less those that were there or could not be read. */
export const importedBy = ({ done, duplicates = 0, problemCount }: JobFacts): number =>
  Math.max(0, done - duplicates - problemCount);

/** @param onReport shows what was skipped, and why */
export function useJobEnds(onReport: (job: JobFacts) => void): void {
  const { t } = useTranslation();
  useEffect(
    () =>
      onEvent((event) => {
        if (event.type !== "job" || event.job.state === "running") return;
        if (event.job.kind === "import" || event.job.kind === "export") tellEnd(event.job, t, onReport);
      }),
    [t, onReport],
  );
}

function tellEnd(job: JobFacts, t: TFunction, onReport: (job: JobFacts) => void): void {
  if (job.error !== undefined) {
    const { text, next } = wordsForProblem(job.error);
    notify({ kind: "problem", text, ...(next === "" ? {} : { next }) });
    return;
  }
  const report = { label: t("library.showSkipped"), run: () => onReport(job) };
  if (job.kind === "import") {
    const parts = [
      t("library.imported", { count: importedBy(job) }),
      job.duplicates ? t("library.wereThere", { count: job.duplicates }) : "",
      job.problemCount > 0 ? t("library.wereSkipped", { count: job.problemCount }) : "",
    ];
    notify({
      kind: job.problemCount > 0 ? "problem" : "done",
      text: parts.filter(Boolean).join(" "),
      ...(job.problemCount > 0 ? { action: report } : {}),
    });
    return;
  }
  const { output } = job;
  const desktop = shell();
  const showFolder =
    output === undefined || desktop === undefined
      ? {}
      : { action: { label: t("library.showFolder"), run: () => void desktop.showItem(output) } };
  notify({
    kind: job.problemCount > 0 ? "problem" : "done",
    text: [
      t("library.exported", { count: Math.max(0, job.done - job.problemCount) }),
      output === undefined ? "" : t("library.liesIn", { folder: output }),
      job.problemCount > 0 ? t("library.couldNotExport", { count: job.problemCount }) : "",
    ]
      .filter(Boolean)
      .join(" "),
    ...(job.problemCount > 0 ? { action: report } : showFolder),
  });
}
