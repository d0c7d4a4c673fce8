// An album in the sidebar: the way to it, what can be done with it, and a place where photos can be dropped.
import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { LibraryFacts } from "../../app/api/library/contract.ts";
import { hashOf, usePlace } from "../state/index.ts";
import { Icon } from "../style/index.ts";
import { putInto, removeAlbum } from "./album-deeds.ts";
import { ask } from "./asks.ts";
import { Count } from "./count.tsx";
import { isPhotoDrag } from "./dragging.ts";
import { chosenNow } from "./use-library-actions.ts";

type Album = LibraryFacts["albums"][number];

export function AlbumLink({ album, isHere }: { readonly album: Album; readonly isHere: boolean }) {
  const { t } = useTranslation();
  const [isOver, setOver] = useState(false);
  const { sort = "" } = usePlace().query;
  const { id, name, photos } = album;
  return (
    <li
      className="lib-album"
      data-over={isOver ? "" : undefined}
      onDragOver={(event) => {
        if (!isPhotoDrag(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        if (!isPhotoDrag(event)) return;
        event.preventDefault();
        void putInto(album, chosenNow(), t);
      }}
    >
      <a
        className="lib-link"
        href={hashOf({ room: "library", query: { sort, album: id } })}
        aria-current={isHere ? "page" : undefined}
      >
        <Icon name="album" />
        <span className="lib-link-name">{name}</span>
        <Count of={photos} />
      </a>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger className="lib-more" aria-label={t("library.albumMenu", { name })}>
          <Icon name="more" />
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="start" sideOffset={2}>
            <DropdownMenu.Item className="menu-item" onSelect={() => ask({ kind: "renameAlbum", id, name })}>
              {t("library.rename")}
            </DropdownMenu.Item>
            <DropdownMenu.Item className="menu-item" onSelect={() => void removeAlbum(album, t)}>
              {t("library.deleteAlbum")}
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </li>
  );
}
