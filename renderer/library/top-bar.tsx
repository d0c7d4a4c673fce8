// Above the photos: search, order, size, and what is done most.
import { useTranslation } from "react-i18next";
import { runAction } from "../actions/index.ts";
import { currentPlace, goTo, remember, useMemory, usePlace, useShown } from "../state/index.ts";
import { ActionButton, Button } from "../style/index.ts";
import { SORTS } from "./asking.ts";
import { useIsColoured } from "./flip.ts";
import { SearchBox } from "./search-box.tsx";
import { LARGEST, SMALLEST } from "./use-library-actions.ts";
import "./bar.css";

export function TopBar({ albums }: { readonly albums: readonly string[] }) {
  const { t } = useTranslation();
  const { query } = usePlace();
  const memory = useMemory();
  const isColoured = useIsColoured();
  useShown(); // what can be done depends on whether there are photos
  return (
    <header className="lib-top">
      <Button icon="import" onClick={() => runAction("library.import")} aria-keyshortcuts="Control+I">
        {t("library.import")}
      </Button>
      <SearchBox text={query.search ?? ""} albums={albums} onChange={search} />
      <select
        className="input lib-sort"
        aria-label={t("library.sort")}
        value={query.sort ?? "taken"}
        onChange={(event) => {
          const sort = event.target.value === "taken" ? "" : event.target.value;
          goTo({ room: "library", query: { ...query, sort } }, { isSilent: true });
        }}
      >
        {SORTS.map((sort) => (
          <option key={sort} value={sort}>
            {t(`library.sorts.${sort}`)}
          </option>
        ))}
      </select>
      <input
        type="range"
        className="lib-size"
        aria-label={t("library.size")}
        title={t("library.size")}
        min={SMALLEST}
        max={LARGEST}
        step={10}
        value={memory.rowHeight}
        onChange={(event) => remember({ rowHeight: event.target.valueAsNumber })}
      />
      <ActionButton action="library.flip" icon="compare" isIconOnly aria-pressed={isColoured} />
      <ActionButton action="library.export" icon="export" isIconOnly />
      <ActionButton action="library.details" icon="info" isIconOnly aria-pressed={memory.isDetailsOpen} />
      <Button kind="primary" icon="colour" onClick={() => runAction("colour")} aria-keyshortcuts="C">
        {t("library.colour")}
      </Button>
    </header>
  );
}

function search(text: string): void {
  const { search: _, ...others } = currentPlace().query;
  goTo({ room: "library", query: text === "" ? others : { ...others, search: text } }, { isSilent: true });
}
