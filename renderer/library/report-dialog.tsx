// What an import or export skipped, and why, file by file.
import { useTranslation } from "react-i18next";
import type { JobFacts } from "../../app/api/library/contract.ts";
import { wordsForProblem } from "../state/index.ts";
import { Button, Dialog } from "../style/index.ts";
import { importedBy } from "./use-job-ends.ts";

export function ReportDialog({ job, onClose }: { readonly job: JobFacts; readonly onClose: () => void }) {
  const { t } = useTranslation();
  const more = job.problemCount - job.problems.length;
  const isImport = job.kind === "import";
  return (
    <Dialog
      title={isImport ? t("library.importReport") : t("library.exportReport")}
      about={[
        isImport ? t("library.imported", { count: importedBy(job) }) : "",
        job.duplicates ? t("library.wereThere", { count: job.duplicates }) : "",
      ]
        .filter(Boolean)
        .join(" ")}
      isWide
      onClose={onClose}
      foot={
        <Button kind="primary" onClick={onClose}>
          {t("frame.close")}
        </Button>
      }
    >
      <ul className="lib-report" aria-label={t("library.skipped")}>
        {job.problems.map(({ file, error }, at) => {
          const { text, next } = wordsForProblem(error);
          return (
            <li key={at}>
              <bdi className="lib-report-file">{file}</bdi>
              <span>{text}</span>
              <span className="lib-soft">{next}</span>
            </li>
          );
        })}
      </ul>
      {more > 0 ? <p className="lib-soft">{t("library.andMore", { count: more })}</p> : null}
    </Dialog>
  );
}
