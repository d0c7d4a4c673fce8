// The one dialog for colouring: which photos, in which way, where, and how long it takes. Must never: start anything by itself.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { call, refresh, useEngine } from "../engine/index.ts";
import {
  currentlyShown,
  goTo,
  notify,
  remember,
  tell,
  useMemory,
  useSelection,
  useShown,
  wordsFor,
} from "../state/index.ts";
import { Button, Dialog } from "../style/index.ts";
import { duration } from "./duration.ts";
import "./work.css";

/** What `on` may be without an address. */
const PLACES = ["auto", "local", "cluster", "mixed"] as const;

export function ColourDialog({ onClose }: { readonly onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { colouring } = useMemory();
  const { ids } = useSelection();
  const shown = useShown();
  const presets = useEngine("presets");
  const [isStarting, setStarting] = useState(false);
  const { workflow, on } = colouring;
  const count = ids.size > 0 ? ids.size : shown.ids.length;
  const place = useEngine("place", { query: { on, photos: count } }, { isOn: count > 0, keep: true });
  const language = i18n.language.startsWith("zh") ? "zh" : "en";
  const known = presets.data?.presets ?? [];
  const chosen = known.find(({ name }) => name === workflow);

  async function start(): Promise<void> {
    setStarting(true);
    try {
      const { query } = currentlyShown();
      const which = ids.size > 0 ? { photos: [...ids] } : { query };
      await call("createBatch", { body: { ...which, workflow, on } });
      refresh("batches", "library");
      notify({
        kind: "done",
        text: t("work.started", { count }),
        action: { label: t("work.watch"), run: () => goTo({ room: "work" }) },
      });
      onClose();
    } catch (thrown) {
      tell(thrown);
      setStarting(false);
    }
  }

  return (
    <Dialog
      title={t("work.colourTitle", { count })}
      about={ids.size > 0 ? t("work.ofSelection") : t("work.ofShown")}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{t("frame.cancel")}</Button>
          <Button
            kind="primary"
            icon="colour"
            disabled={count === 0 || isStarting}
            onClick={() => void start()}
          >
            {t("work.start")}
          </Button>
        </>
      }
    >
      {count === 0 ? <p role="status">{t("work.noPhotos")}</p> : null}
      <div className="field">
        <label htmlFor="colour-workflow">{t("work.how")}</label>
        <select
          id="colour-workflow"
          className="input"
          value={workflow}
          onChange={({ target }) => remember({ colouring: { workflow: target.value, on } })}
        >
          <option value="auto">{t("work.autoPreset")}</option>
          {known.map(({ name, title }) => (
            <option key={name} value={name}>
              {title[language]}
            </option>
          ))}
        </select>
        <p className="hint">{chosen === undefined ? t("work.autoPresetHint") : chosen.about[language]}</p>
      </div>
      <div className="field">
        <label htmlFor="colour-place">{t("work.where")}</label>
        <select
          id="colour-place"
          className="input"
          value={on}
          onChange={({ target }) => remember({ colouring: { workflow, on: target.value } })}
        >
          {PLACES.map((one) => (
            <option key={one} value={one}>
              {t(`work.places.${one}`)}
            </option>
          ))}
        </select>
        <p className="hint" role="status">
          {place.error === null ? null : wordsFor(place.error).text}
          {place.data === undefined || place.error !== null
            ? null
            : [
                place.data.device,
                place.data.remainingMs === undefined || place.data.remainingMs < 1000
                  ? []
                  : t("work.takes", { time: duration(place.data.remainingMs, i18n.language) }),
              ]
                .flat()
                .join(" · ")}
        </p>
      </div>
    </Dialog>
  );
}
