// Into which album? One that is there, or a new one of the name that is typed.
import { Command } from "cmdk";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { LibraryFacts } from "../../app/api/library/contract.ts";
import { Dialog, Icon } from "../style/index.ts";
import { makeAlbum, putInto } from "./album-deeds.ts";

export interface AlbumDialogProps {
  readonly albums: LibraryFacts["albums"];
  readonly photos: readonly string[];
  readonly onClose: () => void;
}

export function AlbumDialog({ albums, photos, onClose }: AlbumDialogProps) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const name = typed.trim();
  const isNew = name !== "" && !albums.some((album) => album.name.toLowerCase() === name.toLowerCase());
  return (
    <Dialog
      title={t("library.addToAlbum")}
      about={t("library.addToAlbumAbout", { count: photos.length })}
      onClose={onClose}
    >
      <Command label={t("library.addToAlbum")} loop className="lib-albums">
        <Command.Input
          autoFocus
          className="input"
          placeholder={t("library.albumHint")}
          value={typed}
          onValueChange={setTyped}
          maxLength={200}
        />
        <Command.List label={t("library.albums")}>
          {albums.map((album) => (
            <Command.Item
              key={album.id}
              value={album.id}
              keywords={[album.name]}
              className="menu-item"
              onSelect={() => {
                onClose();
                void putInto(album, photos, t);
              }}
            >
              <span className="lib-menu-name">
                <Icon name="album" size={16} />
                {album.name}
              </span>
              <span className="lib-count">{album.photos}</span>
            </Command.Item>
          ))}
          {isNew ? (
            <Command.Item
              forceMount
              value={`new ${name}`}
              keywords={[name]}
              className="menu-item"
              onSelect={() => {
                onClose();
                void makeAlbum(name, photos, t);
              }}
            >
              <span className="lib-menu-name">
                <Icon name="plus" size={16} />
                {t("library.createNamed", { name })}
              </span>
            </Command.Item>
          ) : null}
        </Command.List>
        {!isNew && albums.length === 0 ? <p className="lib-none">{t("library.typeAlbum")}</p> : null}
      </Command>
    </Dialog>
  );
}
