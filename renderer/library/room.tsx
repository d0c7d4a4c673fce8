// The library: all photos, the ways to them, and what can be done with them.
// Owns: which query is shown, and that it is there again when one comes back from another room. Must never: know how a part
// of it works.
import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { JobFacts, Layout, PhotoQuery } from "../../app/api/library/contract.ts";
import { shell, useEngine } from "../engine/index.ts";
import {
  currentPlace,
  currentSelection,
  goTo,
  select,
  show,
  tell,
  useMemory,
  usePlace,
} from "../state/index.ts";
import { Icon } from "../style/index.ts";
import { queryOf, wordsOf } from "./asking.ts";
import { ask } from "./asks.ts";
import { Details } from "./details.tsx";
import { Dialogs } from "./dialogs.tsx";
import { DropZone } from "./drop-zone.tsx";
import { Grid } from "./grid.tsx";
import { HeadingBar, titleFor } from "./heading-bar.tsx";
import { importPaths } from "./importing.ts";
import { JobStrip } from "./job-strip.tsx";
import { Failed, Nothing } from "./nothing.tsx";
import { PhotoMenu } from "./photo-menu.tsx";
import { Sidebar } from "./sidebar.tsx";
import { TopBar } from "./top-bar.tsx";
import { useJobEnds } from "./use-job-ends.ts";
import { review, useLibraryActions } from "./use-library-actions.ts";
import "./library.css";

/** The words of the address at which one left the room. */
let lastWords: Readonly<Record<string, string>> | undefined;

export function LibraryRoom() {
  const { t } = useTranslation();
  const words = useWords();
  const query = useMemo(() => queryOf(words), [words]);
  const memory = useMemory();
  const library = useEngine("library").data;
  const sessions = useEngine("sessions").data?.sessions ?? [];
  const shown = useShownLayout(query);
  const albumName = library?.albums.find(({ id }) => id === words.album)?.name;
  useLibraryActions(albumName);
  useJobEnds(showReport);
  useEffect(() => shell()?.onOpenPaths((paths) => void importPaths(paths).catch(tell)), []);

  const { layout } = shown;
  return (
    <div className="lib" data-details={memory.isDetailsOpen ? "" : undefined}>
      <Sidebar library={library} />
      <TopBar albums={library?.albums.map(({ name }) => name) ?? []} />
      <div className="lib-main">
        <HeadingBar title={titleFor(words, library, sessions, t)} layout={layout} />
        {library?.warnings.map((warning) => (
          <p key={warning} className="lib-warning lib-bar-warning" role="status">
            <Icon name="warning" size={16} />
            {warning}
          </p>
        ))}
        <JobStrip />
        <div className="lib-photos" aria-busy={layout === undefined}>
          {shown.error !== null && layout === undefined ? <Failed error={shown.error} /> : null}
          {layout === undefined ? null : layout.ids.length === 0 ? (
            <Nothing query={query} library={library} hints={layout.hints} />
          ) : (
            <PhotoMenu albums={library?.albums ?? []}>
              <div className="lib-grid-holder">
                <Grid layout={layout} query={shown.name} rowHeight={memory.rowHeight} onOpen={review} />
              </div>
            </PhotoMenu>
          )}
        </div>
      </div>
      {memory.isDetailsOpen ? <Details /> : null}
      <Dialogs library={library} albumName={albumName} />
      <DropZone album={albumName} />
    </div>
  );
}

const showReport = (job: JobFacts): void => ask({ kind: "report", job });

/** The address's words; who comes back without any finds what was shown before. */
function useWords(): Readonly<Record<string, string>> {
  const { query, room } = usePlace();
  useEffect(() => {
    if (Object.keys(currentPlace().query).length === 0 && lastWords !== undefined) {
      goTo({ room: "library", query: lastWords }, { isSilent: true });
    }
  }, []);
  const latest = useRef(query);
  useEffect(() => {
    if (room === "library") latest.current = query;
  }, [room, query]);
  useEffect(
    () => () => {
      lastWords = latest.current;
    },
    [],
  );
  return query;
}

/** What is not shown any more is not chosen any more either: nobody would see what a command is about to touch. */
function keepChosen(shown: readonly string[]): void {
  const { ids, anchor } = currentSelection();
  if (ids.size === 0) return;
  const kept = shown.filter((id) => ids.has(id));
  if (kept.length < ids.size) select(kept, anchor);
}

interface Shown {
  readonly layout: Layout | undefined;
  /** Of the query that the layout belongs to: while another is fetched, the last one stays. */
  readonly name: string;
  readonly error: Error | null;
}

function useShownLayout(query: PhotoQuery): Shown {
  const { data, error, isPlaceholderData } = useEngine("layout", { query: wordsOf(query) }, { keep: true });
  const name = JSON.stringify(query);
  const last = useRef(name);
  if (!isPlaceholderData) last.current = name;
  const shownBefore = useRef(name);
  useEffect(() => {
    if (data === undefined || isPlaceholderData) return;
    show(query, data.ids);
    keepChosen(shownBefore.current === name ? data.ids : []);
    shownBefore.current = name;
  }, [data, isPlaceholderData, query, name]);
  return { layout: data, name: last.current, error };
}
