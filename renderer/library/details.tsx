// The details of the photo that is chosen: what is known of it, to be changed in place, and what was made of it.
// Must never: write into files; a sidecar is written when it is asked for.
import { useTranslation } from "react-i18next";
import { type PhotoChange, type PhotoDetails, pictures } from "../../app/api/library/contract.ts";
import { useEngine } from "../engine/index.ts";
import { hashOf, tell, useSelection, wordsFor, wordsForProblem } from "../state/index.ts";
import { ActionButton, Icon } from "../style/index.ts";
import { changePhoto, shownDate } from "./deeds.ts";
import { DateField, Fact, StarsField, TagsField, TextField } from "./fields.tsx";
import { sizeWords, titleOf } from "./naming.ts";
import "./details.css";

export function Details() {
  const { t } = useTranslation();
  const { ids } = useSelection();
  const [only] = ids;
  return (
    <aside className="lib-details" aria-label={t("library.details")}>
      {only === undefined ? (
        <p className="lib-none">{t("library.chooseOne")}</p>
      ) : ids.size > 1 ? (
        <p className="lib-none">{t("library.severalChosen", { count: ids.size })}</p>
      ) : (
        <OnePhoto key={only} id={only} />
      )}
    </aside>
  );
}

function OnePhoto({ id }: { readonly id: string }) {
  const { t } = useTranslation();
  const { data: photo, error } = useEngine("photo", { params: { id } });
  if (error !== null) {
    return (
      <p className="lib-problem" role="alert">
        {Object.values(wordsFor(error)).join(" ")}
      </p>
    );
  }
  if (photo === undefined) return <p className="lib-none">{t("frame.loading")}</p>;
  const set = (change: PhotoChange) => void changePhoto(photo, change).catch(tell);
  const textOf = (text: string) => (text === "" ? null : text);
  return (
    <>
      <a className="lib-preview" href={hashOf({ room: "review", rest: id })} aria-label={t("library.review")}>
        <img
          alt={titleOf(photo)}
          src={pictures.photo(id, 640)}
          width={photo.width}
          height={photo.height}
          decoding="async"
        />
      </a>
      {photo.isMissing ? (
        <p className="lib-warning" role="status">
          <Icon name="warning" size={16} />
          {t("library.fileMissing")}
        </p>
      ) : null}
      {photo.error === undefined ? null : (
        <p className="lib-warning" role="status">
          <Icon name="warning" size={16} />
          <span>
            {t("library.colouringFailed")} {Object.values(wordsForProblem(photo.error)).join(" ")}
          </span>
        </p>
      )}
      <TextField
        label={t("library.titleField")}
        value={photo.title ?? ""}
        placeholder={photo.name}
        longest={1000}
        onChange={(title) => set({ title: textOf(title) })}
      />
      <DateField
        label={t("library.taken")}
        value={shownDate(photo)}
        onChange={(takenAt) => set({ takenAt })}
      />
      <TextField
        label={t("library.place")}
        value={photo.place ?? ""}
        longest={1000}
        onChange={(place) => set({ place: textOf(place) })}
      />
      <TagsField
        label={t("library.people")}
        values={photo.people}
        hint={t("library.peopleHint")}
        onChange={(people) => set({ people })}
      />
      <TagsField
        label={t("library.tags")}
        values={photo.keywords}
        hint={t("library.tagsHint")}
        onChange={(keywords) => set({ keywords })}
      />
      <TextField
        label={t("library.caption")}
        value={photo.caption ?? ""}
        longest={20_000}
        isLong
        onChange={(caption) => set({ caption: textOf(caption) })}
      />
      <StarsField
        label={t("library.rating")}
        value={photo.rating ?? 0}
        onChange={(rating) => set({ rating: rating === 0 ? null : rating })}
      />
      <Versions photo={photo} />
      <File photo={photo} />
    </>
  );
}

function Versions({ photo }: { readonly photo: PhotoDetails }) {
  const { t, i18n } = useTranslation();
  const day = new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium", timeStyle: "short" });
  if (photo.allVersions.length === 0) return null;
  return (
    <section className="lib-part">
      <h2>{t("library.versions", { count: photo.allVersions.length })}</h2>
      <ul className="lib-versions">
        {photo.allVersions.map(({ id, createdAt, model, device, review }) => (
          <li key={id}>
            <a href={hashOf({ room: "review", rest: photo.id, query: { version: id } })}>
              <img alt="" src={pictures.versionThumbnail(id)} loading="lazy" decoding="async" />
              <span>
                <strong>{t(`library.states.${review === "undecided" ? "review" : review}`)}</strong>
                <span className="lib-soft">
                  {model} · {device}
                </span>
                <time className="lib-soft" dateTime={createdAt}>
                  {day.format(new Date(createdAt))}
                </time>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function File({ photo }: { readonly photo: PhotoDetails }) {
  const { t, i18n } = useTranslation();
  const day = new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" });
  const on = (time: string) => day.format(new Date(time));
  return (
    <section className="lib-part">
      <h2>{t("library.file")}</h2>
      <dl className="lib-facts">
        <Fact name={t("library.fileName")}>
          <bdi>{photo.name}</bdi>
        </Fact>
        <Fact name={t("library.liesAt")}>
          <bdi>{photo.path}</bdi>
        </Fact>
        {photo.copies.length === 0 ? null : (
          <Fact name={t("library.copies")}>
            {photo.copies.map((path) => (
              <bdi key={path} className="lib-copy">
                {path}
              </bdi>
            ))}
          </Fact>
        )}
        {photo.missingSince === undefined ? null : (
          <Fact name={t("library.missingSince")}>{on(photo.missingSince)}</Fact>
        )}
        <Fact name={t("library.pixels")}>
          {photo.width.toLocaleString(i18n.language)} × {photo.height.toLocaleString(i18n.language)}
        </Fact>
        <Fact name={t("library.format")}>
          {[
            photo.format.toUpperCase(),
            t("library.bits", { count: photo.bitDepth }),
            sizeWords(photo.size, i18n.language),
            photo.pages > 1 ? t("library.pages", { count: photo.pages }) : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </Fact>
        {photo.iccName === undefined ? null : <Fact name={t("library.profile")}>{photo.iccName}</Fact>}
        <Fact name={t("library.importedAt")}>{on(photo.importedAt)}</Fact>
        {photo.albums.length === 0 ? null : (
          <Fact name={t("library.albums")}>
            {photo.albums.map(({ id, name }) => (
              <a key={id} className="lib-copy" href={hashOf({ room: "library", query: { album: id } })}>
                {name}
              </a>
            ))}
          </Fact>
        )}
      </dl>
      {photo.notes.map((note) => (
        <p key={note} className="lib-soft">
          {note}
        </p>
      ))}
      <div className="lib-file-actions">
        <ActionButton action="library.sidecar" icon="text" isQuiet={false} />
      </div>
    </section>
  );
}
