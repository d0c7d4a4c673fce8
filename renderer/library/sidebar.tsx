// The ways into the library: all photos, smart albums, albums, decades, sessions. Links, so that back and forward work.
// Must never: load photos.
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import type { LibraryFacts } from "../../app/api/library/contract.ts";
import { useEngine } from "../engine/index.ts";
import { hashOf, usePlace } from "../state/index.ts";
import { ActionButton, Icon, type IconName } from "../style/index.ts";
import { AlbumLink } from "./album-link.tsx";
import { filterIn } from "./asking.ts";
import { Count } from "./count.tsx";
import "./sidebar.css";

const SMART: readonly { readonly name: keyof LibraryFacts["smart"]; readonly icon: IconName }[] = [
  { name: "toColour", icon: "colour" },
  { name: "toReview", icon: "compare" },
  { name: "accepted", icon: "check" },
  { name: "failed", icon: "warning" },
];

export function Sidebar({ library }: { readonly library: LibraryFacts | undefined }) {
  const { t } = useTranslation();
  const { query } = usePlace();
  const decades = useEngine("timeline").data?.decades ?? [];
  const sessions = useEngine("sessions").data?.sessions ?? [];
  const most = Math.max(1, ...decades.map(({ photos }) => photos));
  const shownYears = filterIn(query.search ?? "", "year");
  const isAll = Object.keys(query).every((key) => key === "sort");
  const sort = query.sort === undefined ? {} : { sort: query.sort };
  return (
    <nav className="lib-sidebar" aria-label={t("library.sidebar")}>
      <ul className="lib-links">
        <Way to={sort} icon="photos" count={library?.photos} isHere={isAll}>
          {t("library.all")}
        </Way>
        {SMART.map(({ name, icon }) => (
          <Way
            key={name}
            to={{ ...sort, smart: name }}
            icon={icon}
            count={library?.smart[name]}
            isHere={query.smart === name}
          >
            {t(`library.smart.${name}`)}
          </Way>
        ))}
        {(library?.missing ?? 0) > 0 || query.smart === "missing" ? (
          <Way
            to={{ ...sort, smart: "missing" }}
            icon="search"
            count={library?.missing}
            isHere={query.smart === "missing"}
          >
            {t("library.smart.missing")}
          </Way>
        ) : null}
      </ul>

      <Section
        title={t("library.albums")}
        side={<ActionButton action="library.newAlbum" icon="plus" isIconOnly />}
      >
        {(library?.albums ?? []).map((album) => (
          <AlbumLink key={album.id} album={album} isHere={query.album === album.id} />
        ))}
        {library?.albums.length === 0 ? <li className="lib-none">{t("library.noAlbums")}</li> : null}
      </Section>

      {decades.length === 0 ? null : (
        <Section title={t("library.timeline")}>
          {decades.map(({ decade, photos }) => {
            const years = `${decade ?? ""}..${(decade ?? 0) + 9}`;
            const inside = (
              <>
                <span>{decade === null ? t("library.undated") : t("library.decade", { decade })}</span>
                <span className="lib-bar" aria-hidden="true">
                  <span style={{ width: `${(photos / most) * 100}%` }} />
                </span>
                <Count of={photos} />
              </>
            );
            return (
              <li key={decade ?? "undated"}>
                {decade === null ? (
                  <span className="lib-link lib-decade-link">{inside}</span>
                ) : (
                  <a
                    className="lib-link lib-decade-link"
                    href={hashOf({ room: "library", query: { search: `year:${years}` } })}
                    aria-current={shownYears === years ? "page" : undefined}
                  >
                    {inside}
                  </a>
                )}
              </li>
            );
          })}
        </Section>
      )}

      {sessions.length === 0 ? null : (
        <Section title={t("library.sessions")}>
          {sessions.map(({ id, name, photos, undecided }) => (
            <Way
              key={id}
              to={{ ...sort, session: id }}
              icon="review"
              count={photos}
              isHere={query.session === id}
              about={
                undecided === 0 ? t("library.sessionDone") : t("library.undecided", { count: undecided })
              }
            >
              {name}
            </Way>
          ))}
        </Section>
      )}
    </nav>
  );
}

function Section({
  title,
  side,
  children,
}: {
  readonly title: string;
  readonly side?: ReactNode;
  readonly children: ReactNode;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div className="lib-section-head">
        <h2 id={id}>{title}</h2>
        {side}
      </div>
      <ul className="lib-links">{children}</ul>
    </section>
  );
}

interface WayProps {
  readonly to: Readonly<Record<string, string>>;
  readonly icon: IconName;
  readonly count: number | undefined;
  readonly isHere: boolean;
  readonly about?: string;
  readonly children: ReactNode;
}

function Way({ to, icon, count, isHere, about, children }: WayProps) {
  return (
    <li>
      <a
        className="lib-link"
        href={hashOf({ room: "library", query: to })}
        aria-current={isHere ? "page" : undefined}
        title={about}
      >
        <Icon name={icon} />
        <span className="lib-link-name">{children}</span>
        {count === undefined ? null : <Count of={count} />}
      </a>
    </li>
  );
}
