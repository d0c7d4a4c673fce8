// What is shown where no photo is: why that is so, and what to do.
import { useTranslation } from "react-i18next";
import type { LibraryFacts, PhotoQuery } from "../../app/api/library/contract.ts";
import { runAction } from "../actions/index.ts";
import { refresh } from "../engine/index.ts";
import { goTo, usePlace, wordsFor } from "../state/index.ts";
import { Button, Empty } from "../style/index.ts";

export interface NothingProps {
  readonly query: PhotoQuery;
  readonly library: LibraryFacts | undefined;
  readonly hints: readonly string[];
}

export function Nothing({ query, library, hints }: NothingProps) {
  const { t } = useTranslation();
  const { query: words } = usePlace();
  if (query.search !== undefined) {
    const { search: _, ...others } = words;
    return (
      <Empty icon="search" title={t("library.nothingFound")}>
        <p>{hints.length > 0 ? hints.join(" ") : t("library.nothingFoundNext")}</p>
        <Button onClick={() => goTo({ room: "library", query: others })}>{t("library.clearSearch")}</Button>
      </Empty>
    );
  }
  if (query.album !== undefined) {
    return (
      <Empty icon="album" title={t("library.albumEmpty")}>
        <p>{t("library.albumEmptyNext")}</p>
        <Button onClick={() => goTo({ room: "library" })}>{t("library.toAll")}</Button>
      </Empty>
    );
  }
  if (library?.photos === 0) {
    return (
      <Empty icon="photos" title={t("library.noPhotos")}>
        <p>{t("library.noPhotosNext")}</p>
        <Button kind="primary" icon="import" onClick={() => runAction("library.import")}>
          {t("library.importFirst")}
        </Button>
      </Empty>
    );
  }
  return (
    <Empty icon="check" title={t(`library.smartEmpty.${query.smart ?? "other"}`)}>
      <Button onClick={() => goTo({ room: "library" })}>{t("library.toAll")}</Button>
    </Empty>
  );
}

/** The photos cannot be listed: why, what next, and again. */
export function Failed({ error }: { readonly error: unknown }) {
  const { t } = useTranslation();
  const { text, next } = wordsFor(error);
  return (
    <div role="alert">
      <Empty icon="warning" title={text}>
        <p>{next}</p>
        <Button icon="retry" onClick={() => refresh("layout", "library")}>
          {t("frame.tryAgain")}
        </Button>
      </Empty>
    </div>
  );
}
