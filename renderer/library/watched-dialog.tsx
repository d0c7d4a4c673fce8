// Folders that are watched: photos that appear in them come in by themselves.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { call, queryClient, refresh, useEngine } from "../engine/index.ts";
import { tell } from "../state/index.ts";
import { Button, Dialog, Icon } from "../style/index.ts";
import { FolderChooser } from "./folder-chooser.tsx";

type Watched = { readonly path: string; readonly album?: string | undefined };

export function WatchedDialog({ onClose }: { readonly onClose: () => void }) {
  const { t } = useTranslation();
  const folders: readonly Watched[] = useEngine("watched").data?.folders ?? [];
  const [isAdding, setAdding] = useState(false);
  const [path, setPath] = useState("");

  async function set(next: readonly Watched[]): Promise<void> {
    try {
      await call("setWatched", { body: { folders: next } });
      queryClient.setQueryData(["watched", {}], { folders: next });
      setAdding(false);
    } catch (thrown) {
      tell(thrown);
    } finally {
      refresh("watched");
    }
  }
  return (
    <Dialog
      title={t("library.watchedTitle")}
      about={t("library.watchedAbout")}
      onClose={onClose}
      foot={
        isAdding ? (
          <>
            <Button onClick={() => setAdding(false)}>{t("frame.cancel")}</Button>
            <Button
              kind="primary"
              disabled={path === "" || folders.some((one) => one.path === path)}
              onClick={() => void set([...folders, { path }])}
            >
              {t("library.watchThis")}
            </Button>
          </>
        ) : (
          <>
            <Button icon="plus" onClick={() => setAdding(true)}>
              {t("library.addFolder")}
            </Button>
            <Button kind="primary" onClick={onClose}>
              {t("frame.close")}
            </Button>
          </>
        )
      }
    >
      {isAdding ? <FolderChooser label={t("library.folder")} path={path} onChange={setPath} /> : null}
      {!isAdding && folders.length === 0 ? <p className="lib-none">{t("library.noWatched")}</p> : null}
      {isAdding ? null : (
        <ul className="lib-paths" aria-label={t("library.watchedTitle")}>
          {folders.map((folder) => (
            <li key={folder.path}>
              <Icon name="folder" size={16} />
              <span>
                <bdi>{folder.path}</bdi>
                {folder.album === undefined ? null : (
                  <span className="lib-soft"> {t("library.intoNamed", { name: folder.album })}</span>
                )}
              </span>
              <Button
                kind="quiet"
                icon="close"
                aria-label={t("library.takeOut", { name: folder.path })}
                onClick={() => void set(folders.filter((one) => one !== folder))}
              />
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
