// Before and after, photo by photo: look, decide, go on. Goes through what the library shows or what was selected there.
// Owns: which photo and version is on the easel. Must never: show a version that is not the photo's.
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { PhotoDetails, VersionCard } from "../../app/api/library/contract.ts";
import { type Action, useActions } from "../actions/index.ts";
import { useEngine } from "../engine/index.ts";
import {
  currentlyShown,
  currentSelection,
  goTo,
  remember,
  useMemory,
  usePlace,
  wordsFor,
} from "../state/index.ts";
import { ActionButton, Button, Empty } from "../style/index.ts";
import { decide, rate } from "./deeds.ts";
import { Easel, MODES, type Mode } from "./easel.tsx";
import "./review.css";

/** What is gone through: the selection where there are several, else all that the library shows. */
function row(): readonly string[] {
  const { ids } = currentSelection();
  const shown = currentlyShown().ids;
  return ids.size > 1 ? shown.filter((id) => ids.has(id)) : shown;
}

export function ReviewRoom() {
  const { t } = useTranslation();
  const place = usePlace();
  const ids = row();
  const id = place.rest === "" ? ids[0] : place.rest;
  const photo = useEngine("photo", { params: { id: id ?? "" } }, { isOn: id !== undefined, keep: true });
  if (id === undefined) {
    return (
      <Empty icon="review" title={t("review.nothing")}>
        <p>{t("review.nothingNext")}</p>
        <Button kind="primary" icon="photos" onClick={() => goTo({ room: "library" })}>
          {t("review.toLibrary")}
        </Button>
      </Empty>
    );
  }
  if (photo.error !== null) {
    const { text, next } = wordsFor(photo.error);
    return (
      <Empty icon="warning" title={text}>
        <p>{next}</p>
        <Button onClick={() => goTo({ room: "library" })}>{t("review.toLibrary")}</Button>
      </Empty>
    );
  }
  if (photo.data === undefined) return <p className="waiting">{t("frame.loading")}</p>;
  return <Table key={photo.data.id} photo={photo.data} ids={ids} />;
}

function versionOf(
  { allVersions, version }: PhotoDetails,
  wished: string | undefined,
): VersionCard | undefined {
  return (
    allVersions.find(({ id }) => id === wished) ??
    allVersions.find(({ id }) => id === version) ??
    allVersions.at(-1)
  );
}

function Table({ photo, ids }: { readonly photo: PhotoDetails; readonly ids: readonly string[] }) {
  const { t, i18n } = useTranslation();
  const { query } = usePlace();
  const { review } = useMemory();
  const [isFlipped, setFlipped] = useState(false);
  const version = versionOf(photo, query.version);
  const at = ids.indexOf(photo.id);
  const { mode, isAdvancing } = review;
  const versionId = version?.id;

  const actions = useMemo<Action[]>(() => {
    const go = (step: number) => {
      const next = ids[at + step];
      if (next !== undefined) goTo({ room: "review", rest: next }, { isSilent: true });
    };
    const onVersion = (work: (one: VersionCard) => Promise<void>) => () => {
      const one = photo.allVersions.find(({ id }) => id === versionId);
      return one === undefined ? undefined : work(one);
    };
    const isPossible = () => versionId !== undefined;
    const decideAs = (decision: "accepted" | "rejected" | "undecided") =>
      onVersion(async (one) => {
        await decide(one, decision);
        if (isAdvancing && decision !== "undecided") go(1);
      });
    const other = (step: number) => () => {
      const all = photo.allVersions;
      const place = all.findIndex(({ id }) => id === versionId);
      const next = all[(place + step + all.length) % all.length];
      if (next !== undefined) {
        goTo({ room: "review", rest: photo.id, query: { version: next.id } }, { isSilent: true });
      }
    };
    const isSeveral = () => photo.allVersions.length > 1;
    return [
      { id: "review.next", keys: ["ArrowRight"], isPossible: () => at + 1 < ids.length, run: () => go(1) },
      { id: "review.previous", keys: ["ArrowLeft"], isPossible: () => at > 0, run: () => go(-1) },
      { id: "review.accept", keys: ["A"], isPossible, run: decideAs("accepted") },
      { id: "review.reject", keys: ["X"], isPossible, run: decideAs("rejected") },
      { id: "review.undecide", keys: ["U"], isPossible, run: decideAs("undecided") },
      { id: "review.flip", keys: ["Space"], isPossible, run: () => setFlipped((before) => !before) },
      { id: "review.nextVersion", keys: ["V"], isPossible: isSeveral, run: other(1) },
      { id: "review.previousVersion", keys: ["Shift+V"], isPossible: isSeveral, run: other(-1) },
      { id: "review.back", keys: ["Escape"], run: () => goTo({ room: "library" }) },
      ...MODES.map(
        (one, place): Action => ({
          id: `review.mode.${one}`,
          keys: [`F${place + 1}`],
          isPossible,
          run: () => remember({ review: { ...review, mode: one } }),
        }),
      ),
      ...[0, 1, 2, 3, 4, 5].map(
        (stars): Action => ({
          id: `review.rate${stars}`,
          keys: [String(stars)],
          isHidden: stars > 0,
          isPossible,
          run: onVersion((one) => rate(one, stars === 0 ? null : stars)),
        }),
      ),
    ];
  }, [photo, ids, at, versionId, isAdvancing, review]);
  useActions(actions);

  const name = photo.title ?? photo.name;
  return (
    <div className="review">
      <header className="review-bar">
        <ActionButton action="review.back" icon="back" isIconOnly />
        <h1>
          <bdi>{name}</bdi>
        </h1>
        {at < 0 ? null : (
          <span className="review-soft">{t("review.place", { at: at + 1, all: ids.length })}</span>
        )}
        <fieldset className="review-modes" aria-label={t("review.modes")}>
          {MODES.map((one) => (
            <ActionButton
              key={one}
              action={`review.mode.${one}`}
              label={t(`review.mode.${one}`)}
              aria-pressed={mode === one}
            />
          ))}
        </fieldset>
      </header>
      {version === undefined ? (
        <Easel photo={photo} version={undefined} mode="single" isFlipped={false} />
      ) : (
        <Easel photo={photo} version={version} mode={asMode(mode)} isFlipped={isFlipped} />
      )}
      <footer className="review-bar">
        <ActionButton action="review.previous" icon="back" isIconOnly />
        <ActionButton action="review.next" icon="next" isIconOnly />
        {version === undefined ? (
          <p role="status">{photo.error === undefined ? t("review.noVersion") : photo.error.message}</p>
        ) : (
          <>
            <ActionButton
              action="review.accept"
              icon="check"
              isQuiet={version.review !== "accepted"}
              aria-pressed={version.review === "accepted"}
            />
            <ActionButton
              action="review.reject"
              icon="close"
              isQuiet={version.review !== "rejected"}
              aria-pressed={version.review === "rejected"}
            />
            <ActionButton action="review.flip" icon="compare" />
            <span className="review-soft" role="status">
              {[
                t(`review.states.${version.review}`),
                version.rating === undefined ? [] : "★".repeat(version.rating),
                photo.allVersions.length > 1
                  ? t("review.versionPlace", {
                      at: photo.allVersions.findIndex(({ id }) => id === version.id) + 1,
                      all: photo.allVersions.length,
                    })
                  : [],
                version.model,
                new Date(version.createdAt).toLocaleDateString(i18n.language, { dateStyle: "medium" }),
              ]
                .flat()
                .join(" · ")}
            </span>
          </>
        )}
        <label className="review-advance">
          <input
            type="checkbox"
            checked={isAdvancing}
            onChange={({ target }) => remember({ review: { ...review, isAdvancing: target.checked } })}
          />
          {t("review.advance")}
        </label>
      </footer>
    </div>
  );
}

/** A mode that this room does not have (yet) is the slider. */
function asMode(mode: string): Mode {
  return MODES.find((one) => one === mode) ?? "slider";
}
