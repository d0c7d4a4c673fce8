// Between the bar and the photos: what is shown and how many; or what is chosen, and what can be done with it.
import { useTranslation } from "react-i18next";
import type { Layout, LibraryFacts, ReviewSession } from "../../app/api/library/contract.ts";
import { useSelection } from "../state/index.ts";
import { ActionButton } from "../style/index.ts";

export interface HeadingBarProps {
  readonly title: string;
  readonly layout: Layout | undefined;
}

export function HeadingBar({ title, layout }: HeadingBarProps) {
  const { t } = useTranslation();
  const { ids } = useSelection();
  return (
    <div className="lib-heading-bar" data-chosen={ids.size > 0 ? "" : undefined}>
      <h1>{title}</h1>
      <p role="status" className="lib-total">
        {ids.size > 0
          ? t("library.chosen", { count: ids.size })
          : layout === undefined
            ? ""
            : t("library.photos", { count: layout.ids.length })}
      </p>
      {ids.size === 0 ? (
        <p className="lib-hints">{layout?.hints.join(" ")}</p>
      ) : (
        <div className="lib-chosen-bar" role="toolbar" aria-label={t("library.withChosen")}>
          <ActionButton action="colour" icon="colour" label={t("library.colour")} />
          <ActionButton action="library.review" icon="review" label={t("library.review")} />
          <ActionButton action="library.addToAlbum" icon="album" label={t("library.addToAlbum")} />
          <ActionButton action="library.startSession" icon="play" label={t("library.startSession")} />
          <ActionButton action="library.export" icon="export" label={t("library.export")} />
          <ActionButton action="library.remove" icon="trash" isIconOnly />
          <ActionButton action="library.clearSelection" icon="close" isIconOnly />
        </div>
      )}
    </div>
  );
}

/** What the photos that are shown are called. */
export function titleFor(
  query: Readonly<Record<string, string>>,
  library: LibraryFacts | undefined,
  sessions: readonly ReviewSession[],
  t: (key: string) => string,
): string {
  const { album, smart, session, search } = query;
  if (album !== undefined) return library?.albums.find(({ id }) => id === album)?.name ?? t("library.album");
  if (session !== undefined) return sessions.find(({ id }) => id === session)?.name ?? t("library.session");
  if (smart !== undefined) return t(`library.smart.${smart}`);
  return search === undefined ? t("library.all") : t("library.found");
}
