// Importing: from where, into which album, copied or left where they are, and whether the folder is watched from now on.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { call, EngineError, refresh, shell, useEngine } from "../engine/index.ts";
import { tell } from "../state/index.ts";
import { Button, Dialog, Icon } from "../style/index.ts";
import { CheckBox } from "./check-box.tsx";
import { FolderWalk } from "./folder-chooser.tsx";
import { importPaths, uploadFiles } from "./importing.ts";

export interface ImportDialogProps {
  /** Names, for the album to put them into. */
  readonly albums: readonly string[];
  /** Of the album that is shown. */
  readonly album: string | undefined;
  readonly onWatched: () => void;
  readonly onClose: () => void;
}

export function ImportDialog({ albums, album: shownAlbum, onWatched, onClose }: ImportDialogProps) {
  const { t } = useTranslation();
  const desktop = shell();
  const folders = useEngine("folders", {}, { isOn: desktop === undefined });
  const isElsewhere = folders.error instanceof EngineError && folders.error.status === 403;
  const [paths, setPaths] = useState<readonly string[]>([]);
  const [folder, setFolder] = useState("");
  const [files, setFiles] = useState<readonly File[]>([]);
  const [album, setAlbum] = useState(shownAlbum ?? "");
  const [copy, setCopy] = useState(false);
  const [watch, setWatch] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const chosen = desktop === undefined ? (folder === "" ? [] : [folder]) : paths;
  const isUpload = files.length > 0;

  async function start(): Promise<void> {
    setBusy(true);
    const into = album.trim() || undefined;
    try {
      if (isUpload) await uploadFiles(files, into);
      else {
        await importPaths(chosen, { album: into, copy });
        if (watch) await addWatched(chosen, into);
      }
      onClose();
    } catch (thrown) {
      setBusy(false);
      tell(thrown);
    }
  }
  const add = (more: string[]) => setPaths((before) => [...new Set([...before, ...more])]);

  return (
    <Dialog
      title={t("library.importTitle")}
      about={t("library.importAbout")}
      isWide
      onClose={onClose}
      foot={
        <>
          {isElsewhere ? null : (
            <Button kind="quiet" icon="folder" onClick={onWatched}>
              {t("library.watchedTitle")}
            </Button>
          )}
          <span className="lib-spring" />
          <Button onClick={onClose}>{t("frame.cancel")}</Button>
          <Button
            kind="primary"
            icon="import"
            disabled={isBusy || (!isUpload && chosen.length === 0)}
            onClick={() => void start()}
          >
            {isUpload ? t("library.importFiles", { count: files.length }) : t("library.import")}
          </Button>
        </>
      }
    >
      {desktop === undefined ? null : (
        <div className="field">
          <div className="lib-folder-line">
            <Button icon="folder" onClick={() => desktop.chooseFolders().then(add, tell)}>
              {t("library.chooseFolders")}
            </Button>
            <Button icon="photos" onClick={() => desktop.chooseFiles().then(add, tell)}>
              {t("library.chooseFiles")}
            </Button>
          </div>
          <ul className="lib-paths" aria-label={t("library.importFrom")}>
            {paths.map((path) => (
              <li key={path}>
                <bdi>{path}</bdi>
                <Button
                  kind="quiet"
                  icon="close"
                  aria-label={t("library.takeOut", { name: path })}
                  onClick={() => setPaths(paths.filter((one) => one !== path))}
                />
              </li>
            ))}
          </ul>
        </div>
      )}
      {desktop === undefined && !isElsewhere && !isUpload ? (
        <FolderWalk label={t("library.importFrom")} path={folder} onChange={setFolder} />
      ) : null}
      {desktop === undefined ? <Uploads files={files} onChange={setFiles} /> : null}
      <div className="field">
        <label htmlFor="library-import-album">{t("library.intoAlbum")}</label>
        <input
          id="library-import-album"
          className="input"
          list="library-album-names"
          maxLength={200}
          autoComplete="off"
          placeholder={t("library.noAlbumChosen")}
          value={album}
          onChange={(event) => setAlbum(event.target.value)}
        />
        <datalist id="library-album-names">
          {albums.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
      {isUpload || isElsewhere ? (
        <p className="lib-note">
          <Icon name="info" size={16} /> {t("library.uploadsAreCopied")}
        </p>
      ) : (
        <div className="lib-checks">
          <CheckBox isOn={copy} onChange={setCopy} hint={t("library.copyHint")}>
            {t("library.copyIn")}
          </CheckBox>
          <CheckBox isOn={watch} onChange={setWatch} hint={t("library.watchHint")}>
            {t("library.watch")}
          </CheckBox>
        </div>
      )}
    </Dialog>
  );
}

/** Files of the computer that the browser runs on, which may be another one. */
function Uploads({
  files,
  onChange,
}: {
  readonly files: readonly File[];
  readonly onChange: (files: readonly File[]) => void;
}) {
  const { t } = useTranslation();
  if (files.length > 0) {
    return (
      <p className="lib-note">
        {t("library.filesChosen", { count: files.length })}
        <Button kind="quiet" onClick={() => onChange([])}>
          {t("library.takeBack")}
        </Button>
      </p>
    );
  }
  return (
    <div className="lib-uploads">
      <label className="button">
        <Icon name="photos" />
        {t("library.uploadFiles")}
        <input
          type="file"
          className="visually-hidden"
          multiple
          accept="image/*,.tif,.tiff,.dng"
          onChange={(event) => onChange([...(event.target.files ?? [])])}
        />
      </label>
      <span className="lib-soft">{t("library.orDrop")}</span>
    </div>
  );
}

async function addWatched(paths: readonly string[], album: string | undefined): Promise<void> {
  const { folders } = await call("watched");
  const others = folders.filter(({ path }) => !paths.includes(path));
  const added = paths.map((path) => (album === undefined ? { path } : { path, album }));
  await call("setWatched", { body: { folders: [...others, ...added] } });
  refresh("watched");
}
