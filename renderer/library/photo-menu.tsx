// The menu on photos: what can be done with those that are chosen. Must never: hold a command that is not in the registry.
import { ContextMenu } from "radix-ui";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { LibraryFacts } from "../../app/api/library/contract.ts";
import { useAllActions } from "../actions/index.ts";
import { Icon, type IconName } from "../style/index.ts";
import { putInto } from "./album-deeds.ts";
import { ask } from "./asks.ts";
import { chosenNow } from "./use-library-actions.ts";

export function PhotoMenu({
  albums,
  children,
}: {
  readonly albums: LibraryFacts["albums"];
  readonly children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <ContextMenu.Root>
      <ContextMenu.Trigger asChild>{children}</ContextMenu.Trigger>
      <ContextMenu.Portal>
        <ContextMenu.Content className="menu">
          <Item action="library.review" icon="review" />
          <Item action="colour" icon="colour" />
          <ContextMenu.Separator className="lib-separator" />
          <ContextMenu.Sub>
            <ContextMenu.SubTrigger className="menu-item">
              <Name icon="album">{t("library.addToAlbum")}</Name>
              <Icon name="next" size={14} />
            </ContextMenu.SubTrigger>
            <ContextMenu.Portal>
              <ContextMenu.SubContent className="menu lib-album-menu">
                {albums.slice(0, 20).map((album) => (
                  <ContextMenu.Item
                    key={album.id}
                    className="menu-item"
                    onSelect={() => void putInto(album, chosenNow(), t)}
                  >
                    {album.name}
                  </ContextMenu.Item>
                ))}
                {albums.length === 0 ? null : <ContextMenu.Separator className="lib-separator" />}
                <ContextMenu.Item className="menu-item" onSelect={() => ask({ kind: "album" })}>
                  {t("library.anotherAlbum")}
                </ContextMenu.Item>
              </ContextMenu.SubContent>
            </ContextMenu.Portal>
          </ContextMenu.Sub>
          <Item action="library.removeFromAlbum" icon="close" />
          <Item action="library.startSession" icon="play" />
          <ContextMenu.Separator className="lib-separator" />
          <Item action="library.export" icon="export" />
          <Item action="library.sidecar" icon="text" />
          <Item action="library.showFile" icon="folder" />
          <Item action="library.details" icon="info" />
          <ContextMenu.Separator className="lib-separator" />
          <Item action="library.remove" icon="trash" />
        </ContextMenu.Content>
      </ContextMenu.Portal>
    </ContextMenu.Root>
  );
}

/** A command, where it is there now. */
function Item({ action: id, icon }: { readonly action: string; readonly icon: IconName }) {
  const { t } = useTranslation();
  const action = useAllActions().find((one) => one.id === id);
  if (action === undefined) return null;
  return (
    <ContextMenu.Item
      className="menu-item"
      disabled={action.isPossible?.() === false}
      onSelect={() => void action.run()}
    >
      <Name icon={icon}>{t(`actions.${id}`)}</Name>
      {action.keys?.[0] === undefined ? null : <kbd>{action.keys[0]}</kbd>}
    </ContextMenu.Item>
  );
}

function Name({ icon, children }: { readonly icon: IconName; readonly children: ReactNode }) {
  return (
    <span className="lib-menu-name">
      <Icon name={icon} size={16} />
      {children}
    </span>
  );
}
