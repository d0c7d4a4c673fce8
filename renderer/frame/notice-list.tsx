// The notices as they are seen and heard. Must never: steal the focus.
import { useTranslation } from "react-i18next";
import { dismiss, useNotices } from "../state/index.ts";
import { Button, Icon } from "../style/index.ts";

export function Notices() {
  const { t } = useTranslation();
  const notices = useNotices();
  return (
    <section className="notices" aria-label={t("frame.notices")} aria-live="polite">
      {notices.map(({ id, kind, text, next, action }) => (
        <div key={id} className="notice" data-kind={kind} role={kind === "problem" ? "alert" : "status"}>
          <Icon name={kind === "problem" ? "warning" : "check"} />
          <div>
            <p>{text}</p>
            {next === undefined ? null : <p className="next">{next}</p>}
          </div>
          {action === undefined ? null : (
            <Button
              onClick={() => {
                action.run();
                dismiss(id);
              }}
            >
              {action.label}
            </Button>
          )}
          <Button kind="quiet" icon="close" aria-label={t("frame.close")} onClick={() => dismiss(id)} />
        </div>
      ))}
    </section>
  );
}
