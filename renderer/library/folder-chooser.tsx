// Choosing a folder: with the system's dialog where the desktop's shell is around, else by walking through the folders of
// the computer that the engine runs on. Must never: show more than folders and numbers of photos.
import { useEffect, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { shell, useEngine } from "../engine/index.ts";
import { tell, wordsFor } from "../state/index.ts";
import { Button, Icon } from "../style/index.ts";

export interface FolderChooserProps {
  /** The folder that is open, or chosen; "": where the engine begins. */
  readonly path: string;
  readonly onChange: (path: string) => void;
  readonly label: string;
}

/** Walks through folders; the one that is open is the one that is chosen. */
export function FolderWalk({ path, onChange, label }: FolderChooserProps) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [typed, setTyped] = useState<string>();
  const { data, error, isPending } = useEngine("folders", path === "" ? {} : { query: { path } }, {
    keep: true,
  });
  const here = data?.path ?? path;
  useEffect(() => {
    if (path === "" && data !== undefined) onChange(data.path);
  }, [path, data, onChange]);
  function goTyped(): void {
    if (typed !== undefined && typed.trim() !== here) onChange(typed.trim());
    setTyped(undefined);
  }
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="lib-folder-line">
        <Button
          icon="up"
          aria-label={t("library.parentFolder")}
          disabled={!data?.parent}
          onClick={() => onChange(data?.parent ?? "")}
        />
        <input
          id={id}
          className="input"
          spellCheck={false}
          value={typed ?? here}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={goTyped}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            goTyped();
          }}
        />
      </div>
      {error === null ? (
        <ul className="lib-folders" aria-label={t("library.folders")} aria-busy={isPending}>
          {data?.folders.map((folder) => (
            <li key={folder.path}>
              <button type="button" className="lib-folder" onClick={() => onChange(folder.path)}>
                <Icon name="folder" size={16} />
                <span>{folder.name}</span>
              </button>
            </li>
          ))}
          {data?.folders.length === 0 ? <li className="lib-none">{t("library.noFolders")}</li> : null}
        </ul>
      ) : (
        <p className="lib-problem" role="alert">
          {Object.values(wordsFor(error)).join(" ")}
        </p>
      )}
      {data === undefined || error !== null ? null : (
        <p className="hint">{t("library.photosHere", { count: data.photos, lng: i18n.language })}</p>
      )}
    </div>
  );
}

/** One folder: a line with a button where there is a dialog of the system's, else the walk. */
export function FolderChooser({ path, onChange, label }: FolderChooserProps) {
  const { t } = useTranslation();
  const id = useId();
  const desktop = shell();
  if (desktop === undefined) return <FolderWalk path={path} onChange={onChange} label={label} />;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="lib-folder-line">
        <input id={id} className="input" readOnly value={path} placeholder={t("library.noFolderChosen")} />
        <Button
          icon="folder"
          onClick={() => desktop.chooseFolders().then(([first]) => first && onChange(first), tell)}
        >
          {t("library.choose")}
        </Button>
      </div>
    </div>
  );
}
