// Photos that are dropped anywhere on the window come in. Must never: mind photos that are dragged within the window.
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { notify, tell } from "../state/index.ts";
import { Icon } from "../style/index.ts";
import { isFileDrag } from "./dragging.ts";
import { importDrop } from "./importing.ts";

/** @param album name of the album that is shown: they come into it too */
export function DropZone({ album }: { readonly album: string | undefined }) {
  const { t } = useTranslation();
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    let depth = 0; // the pointer enters and leaves every element on its way
    const set = (next: number) => {
      depth = Math.max(0, next);
      setOver(depth > 0);
    };
    window.addEventListener("dragenter", (event) => isFileDrag(event) && set(depth + 1), { signal });
    window.addEventListener("dragleave", (event) => isFileDrag(event) && set(depth - 1), { signal });
    window.addEventListener("dragover", (event) => isFileDrag(event) && event.preventDefault(), { signal });
    window.addEventListener(
      "drop",
      (event) => {
        if (!isFileDrag(event) || event.dataTransfer === null) return;
        event.preventDefault();
        set(0);
        importDrop(event.dataTransfer, album).then((wasSome) => {
          if (!wasSome) notify({ kind: "problem", text: t("library.nothingDropped") });
        }, tell);
      },
      { signal },
    );
    return () => stop.abort();
  }, [t, album]);
  if (!isOver) return null;
  return (
    <div className="lib-drop" role="status">
      <Icon name="import" size={40} />
      <p>{album === undefined ? t("library.dropHere") : t("library.dropIntoAlbum", { name: album })}</p>
    </div>
  );
}
