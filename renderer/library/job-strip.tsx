// Imports and exports under way: how far they are, and a way to stop them.
import { useTranslation } from "react-i18next";
import { call, refresh, useEngine } from "../engine/index.ts";
import { tell } from "../state/index.ts";
import { Button, Progress } from "../style/index.ts";

export function JobStrip() {
  const { t, i18n } = useTranslation();
  const jobs = useEngine("jobs").data?.jobs ?? [];
  const running = jobs.filter(
    ({ kind, state }) => state === "running" && (kind === "import" || kind === "export"),
  );
  return running.map(({ id, kind, done, total, remainingMs, problemCount }) => {
    const numbers = { done: done.toLocaleString(i18n.language), total: total?.toLocaleString(i18n.language) };
    const text = [
      t(total === undefined ? `library.jobs.${kind}Begun` : `library.jobs.${kind}`, numbers),
      remainingMs === undefined ? "" : t("library.minutesLeft", { count: Math.ceil(remainingMs / 60_000) }),
      problemCount > 0 ? t("library.wereSkipped", { count: problemCount }) : "",
    ]
      .filter(Boolean)
      .join(t("library.dot"));
    return (
      <div key={id} className="lib-job">
        <span>{text}</span>
        <Progress share={total === undefined || total === 0 ? 0 : done / total} label={text} />
        <Button
          kind="quiet"
          icon="stop"
          onClick={() => call("stopJob", { params: { id } }).then(() => refresh("jobs"), tell)}
        >
          {t("library.stop")}
        </Button>
      </div>
    );
  });
}
