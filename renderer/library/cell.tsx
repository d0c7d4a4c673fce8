// One photo in the grid: its picture, what state it is in, its name for those who hear it.
// Must never: handle clicks and keys; the grid does, for all cells at once.
import { memo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type PhotoCard, pictures } from "../../app/api/library/contract.ts";
import { Icon, type IconName } from "../style/index.ts";
import { colourOf, useBlur } from "./blur.ts";
import { useCard } from "./cards.ts";
import { useIsFlying } from "./flight.ts";
import { cellName, titleOf } from "./naming.ts";

const BADGES: Partial<Record<PhotoCard["state"], IconName>> = {
  working: "work",
  review: "compare",
  accepted: "check",
  rejected: "close",
  failed: "warning",
};

export const cellId = (photo: string): string => `photo-${photo}`;

export interface CellProps {
  readonly photo: string;
  readonly at: number;
  /** Of all photos that are shown. */
  readonly count: number;
  readonly left: number;
  readonly width: number;
  readonly isChosen: boolean;
  readonly isCurrent: boolean;
  /** Shows the coloured version, where there is one. */
  readonly isColoured: boolean;
}

export const Cell = memo(function Cell({
  photo,
  at,
  count,
  left,
  width,
  isChosen,
  isCurrent,
  isColoured,
}: CellProps) {
  const { t, i18n } = useTranslation();
  const card = useCard(photo);
  const version = isColoured ? card?.version : undefined;
  const badge = card === undefined ? undefined : BADGES[card.state];
  return (
    <div
      id={cellId(photo)}
      role="option"
      tabIndex={-1}
      className="lib-cell"
      aria-selected={isChosen}
      aria-setsize={count}
      aria-posinset={at + 1}
      aria-label={card === undefined ? t("library.loadingPhoto") : cellName(card, t, i18n.language)}
      data-at={at}
      {...(isCurrent ? { "data-current": "" } : {})}
      style={{ left, width }}
      draggable
    >
      {card === undefined ? null : <Picture key={version ?? ""} card={card} version={version} />}
      {card === undefined ? null : (
        <>
          <span className="lib-cell-foot">
            <span className="lib-cell-title">{titleOf(card)}</span>
            {version === undefined ? null : <span className="lib-cell-side">{t("library.coloured")}</span>}
          </span>
          {card.rating ? <span className="lib-cell-stars">{"★".repeat(card.rating)}</span> : null}
        </>
      )}
      {card?.isMissing === true ? <Badge icon="warning" kind="missing" /> : null}
      {card === undefined || badge === undefined ? null : <Badge icon={badge} kind={card.state} />}
      {isChosen ? (
        <span className="lib-cell-chosen">
          <Icon name="check" size={14} />
        </span>
      ) : null}
    </div>
  );
});

function Badge({ icon, kind }: { readonly icon: IconName; readonly kind: string }) {
  const { t } = useTranslation();
  return (
    <span className="lib-badge" data-kind={kind} title={t(`library.states.${kind}`)}>
      <Icon name={icon} size={14} />
    </span>
  );
}

function Picture({ card, version }: { readonly card: PhotoCard; readonly version: string | undefined }) {
  const [state, setState] = useState<"waiting" | "there" | "broken">("waiting");
  const isFlying = useIsFlying();
  const blur = useBlur(state === "there" ? undefined : card.blur);
  const [wasAsked, setAsked] = useState(!isFlying);
  if (!isFlying && !wasAsked) setAsked(true);
  if (state === "broken") {
    return (
      <span className="lib-cell-broken">
        <Icon name="photos" size={28} />
      </span>
    );
  }
  return (
    <>
      <span
        className="lib-cell-blur"
        style={
          state === "there"
            ? undefined
            : {
                backgroundColor: card.blur === undefined ? undefined : colourOf(card.blur),
                backgroundImage: blur === undefined ? undefined : `url("${blur}")`,
              }
        }
      />
      {wasAsked ? (
        <img
          alt=""
          src={version === undefined ? pictures.thumbnail(card.id) : pictures.versionThumbnail(version)}
          loading="lazy"
          decoding="async"
          fetchPriority="low"
          draggable={false}
          onLoad={() => setState("there")}
          onError={() => setState("broken")}
        />
      ) : null}
    </>
  );
}
