// One photo in the grid: its picture, what state it is in, its name for those who hear it.
// Must never: handle clicks and keys; the grid does, for all cells at once.
import type { TFunction } from "i18next";
import { memo, useMemo, useState } from "react";
import { type PhotoCard, pictures } from "../../app/api/library/contract.ts";
import { Icon, type IconName } from "../style/index.ts";
import { colourOf, useBlur } from "./blur.ts";
import { useCard } from "./cards.ts";
import { useWasSeen } from "./flight.ts";
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
  /** Given, not asked for: hundreds of cells come and go in a second. */
  readonly t: TFunction;
  readonly language: string;
}

export const Cell = memo(function Cell(props: CellProps) {
  const { photo, at, count, left, width, isChosen, isCurrent, t, language } = props;
  const card = useCard(photo);
  const wasSeen = useWasSeen();
  const name = useMemo(
    () => (card === undefined ? t("library.loadingPhoto") : cellName(card, t, language)),
    [card, t, language],
  );
  return (
    <div
      id={cellId(photo)}
      role="option"
      tabIndex={-1}
      className="lib-cell"
      aria-selected={isChosen}
      aria-setsize={count}
      aria-posinset={at + 1}
      aria-label={name}
      data-at={at}
      {...(isCurrent ? { "data-current": "" } : {})}
      style={{ left, width, backgroundColor: card?.blur === undefined ? undefined : colourOf(card.blur) }}
      draggable
    >
      {card !== undefined && wasSeen ? <Content {...props} card={card} /> : null}
      {isChosen ? (
        <span className="lib-cell-chosen">
          <Icon name="check" size={14} />
        </span>
      ) : null}
    </div>
  );
});

/** What is in a cell once it can be looked at. */
function Content({ card, isColoured, t }: CellProps & { readonly card: PhotoCard }) {
  const version = isColoured ? card.version : undefined;
  const badge = BADGES[card.state];
  return (
    <>
      <Picture key={version ?? ""} card={card} version={version} />
      <span className="lib-cell-foot">
        <span className="lib-cell-title">{titleOf(card)}</span>
        {version === undefined ? null : <span className="lib-cell-side">{t("library.coloured")}</span>}
      </span>
      {card.rating ? <span className="lib-cell-stars">{"★".repeat(card.rating)}</span> : null}
      {card.isMissing ? <Badge icon="warning" kind="missing" t={t} /> : null}
      {badge === undefined ? null : <Badge icon={badge} kind={card.state} t={t} />}
    </>
  );
}

function Badge({ icon, kind, t }: { readonly icon: IconName; readonly kind: string; readonly t: TFunction }) {
  return (
    <span className="lib-badge" data-kind={kind} title={t(`library.states.${kind}`)}>
      <Icon name={icon} size={14} />
    </span>
  );
}

/** The blurred picture, and the sharp one over it when it has come. */
function Picture({ card, version }: { readonly card: PhotoCard; readonly version: string | undefined }) {
  const [isBroken, setBroken] = useState(false);
  const blur = useBlur(card.blur);
  if (isBroken) {
    return (
      <span className="lib-cell-broken">
        <Icon name="photos" size={28} />
      </span>
    );
  }
  return (
    <img
      alt=""
      // Behind the picture until it is painted, which is some time after it was loaded.
      style={blur === undefined ? undefined : { backgroundImage: `url("${blur}")` }}
      src={version === undefined ? pictures.thumbnail(card.id) : pictures.versionThumbnail(version)}
      loading="lazy"
      decoding="async"
      fetchPriority="low"
      draggable={false}
      onError={() => setBroken(true)}
    />
  );
}
