// The easel: one photo and one version of it, compared as the mode says. Owns: the slider's place. Neutral surroundings, so that
// colours are judged as they are.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type PhotoDetails, pictures, type VersionCard } from "../../app/api/library/contract.ts";

export const MODES = ["slider", "side", "single"] as const;
export type Mode = (typeof MODES)[number];

/** Pixels of the longer side that are asked for: the screen's, in steps, so that a resize does not fetch anew. */
function sideFor(): number {
  const wished = Math.max(screen.width, screen.height) * devicePixelRatio;
  return Math.min(4096, Math.ceil(wished / 1024) * 1024);
}

export function Easel({
  photo,
  version,
  mode,
  isFlipped,
}: {
  readonly photo: PhotoDetails;
  readonly version: VersionCard | undefined;
  readonly mode: Mode;
  /** Before instead of after, where only one is shown. */
  readonly isFlipped: boolean;
}) {
  const { t } = useTranslation();
  const [share, setShare] = useState(50);
  const side = sideFor();
  const name = photo.title ?? photo.name;
  const before = (
    <img src={pictures.photo(photo.id, side)} alt={t("review.beforeOf", { name })} draggable={false} />
  );
  if (version === undefined) return <div className="easel">{before}</div>;
  const after = (
    <img src={pictures.version(version.id, side)} alt={t("review.afterOf", { name })} draggable={false} />
  );
  if (mode === "single") return <div className="easel">{isFlipped ? before : after}</div>;
  if (mode === "side") {
    return (
      <div className="easel" data-mode="side">
        <figure>
          {before}
          <figcaption>{t("review.before")}</figcaption>
        </figure>
        <figure>
          {after}
          <figcaption>{t("review.after")}</figcaption>
        </figure>
      </div>
    );
  }
  const cut = isFlipped ? 100 : share;
  return (
    <div className="easel">
      <div className="easel-slider" style={{ aspectRatio: `${photo.width} / ${photo.height}` }}>
        {after}
        <div className="easel-before" style={{ clipPath: `inset(0 ${100 - cut}% 0 0)` }}>
          {before}
        </div>
        <div className="easel-line" style={{ left: `${cut}%` }} aria-hidden="true" />
        <input
          type="range"
          min={0}
          max={100}
          value={share}
          aria-label={t("review.slider")}
          onChange={({ target }) => setShare(Number(target.value))}
        />
      </div>
    </div>
  );
}
