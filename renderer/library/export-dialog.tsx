// Exporting: which photos, where to, in which form. Must never: offer to write over originals; exports are copies.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { PhotoQuery } from "../../app/api/library/contract.ts";
import { call, refresh } from "../engine/index.ts";
import { notify, tell } from "../state/index.ts";
import { Button, Dialog } from "../style/index.ts";
import { CheckBox } from "./check-box.tsx";
import { FolderChooser } from "./folder-chooser.tsx";

const FORMATS = ["same", "jpeg", "png", "tiff", "webp", "avif"] as const;
/** What was chosen the last time, for this window. */
let last = {
  out: "",
  format: "same" as (typeof FORMATS)[number],
  acceptedOnly: true,
  sideBySide: false,
  mark: false,
};

export interface ExportDialogProps {
  /** Those that are chosen; none: all of the query. */
  readonly photos: readonly string[];
  readonly query: PhotoQuery;
  /** How many the query has. */
  readonly shown: number;
  readonly onClose: () => void;
}

export function ExportDialog({ photos, query, shown, onClose }: ExportDialogProps) {
  const { t } = useTranslation();
  const [wish, setWish] = useState(last);
  const [isBusy, setBusy] = useState(false);
  const set = (change: Partial<typeof last>) => setWish((before) => ({ ...before, ...change }));
  const format = FORMATS.find((one) => one === wish.format) ?? "same";

  async function start(): Promise<void> {
    setBusy(true);
    try {
      last = wish;
      await call("startExport", { body: { ...wish, ...(photos.length > 0 ? { photos } : { query }) } });
      refresh("jobs");
      notify({ kind: "done", text: t("library.exportStarted") });
      onClose();
    } catch (thrown) {
      setBusy(false);
      tell(thrown);
    }
  }
  return (
    <Dialog
      title={t("library.exportTitle", { count: photos.length || shown })}
      about={t("library.exportAbout")}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{t("frame.cancel")}</Button>
          <Button kind="primary" disabled={wish.out === "" || isBusy} onClick={() => void start()}>
            {t("library.export")}
          </Button>
        </>
      }
    >
      <FolderChooser label={t("library.exportTo")} path={wish.out} onChange={(out) => set({ out })} />
      <div className="field">
        <label htmlFor="library-format">{t("library.format")}</label>
        <select
          id="library-format"
          className="input"
          value={format}
          onChange={(event) => set({ format: FORMATS.find((one) => one === event.target.value) ?? "same" })}
        >
          {FORMATS.map((one) => (
            <option key={one} value={one}>
              {t(`library.formats.${one}`)}
            </option>
          ))}
        </select>
      </div>
      <div className="lib-checks">
        <CheckBox isOn={wish.acceptedOnly} onChange={(acceptedOnly) => set({ acceptedOnly })}>
          {t("library.acceptedOnly")}
        </CheckBox>
        <CheckBox isOn={wish.sideBySide} onChange={(sideBySide) => set({ sideBySide })}>
          {t("library.sideBySide")}
        </CheckBox>
        <CheckBox isOn={wish.mark} onChange={(mark) => set({ mark })} hint={t("library.markHint")}>
          {t("library.mark")}
        </CheckBox>
      </div>
    </Dialog>
  );
}
