// The one thing that cannot be undone here, asked before it is done: photos leave the library, with what was made of them.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { notify, select, tell } from "../state/index.ts";
import { Button, Dialog } from "../style/index.ts";
import { removeFromLibrary } from "./deeds.ts";

export function RemoveDialog({
  photos,
  onClose,
}: {
  readonly photos: readonly string[];
  readonly onClose: () => void;
}) {
  const { t } = useTranslation();
  const [isBusy, setBusy] = useState(false);
  async function remove(): Promise<void> {
    setBusy(true);
    try {
      await removeFromLibrary(photos);
      select([]);
      notify({ kind: "done", text: t("library.removed", { count: photos.length }) });
    } catch (thrown) {
      tell(thrown);
    }
    onClose();
  }
  return (
    <Dialog
      title={t("library.removeTitle", { count: photos.length })}
      about={t("library.removeAbout")}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{t("frame.cancel")}</Button>
          <Button kind="danger" icon="trash" disabled={isBusy} onClick={() => void remove()}>
            {t("library.removeNow")}
          </Button>
        </>
      }
    >
      {null}
    </Dialog>
  );
}
