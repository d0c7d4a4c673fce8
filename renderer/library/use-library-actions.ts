// The library's commands, for keys, palette, menus and buttons alike. Must never: do what another room's command does.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { type Action, useActions } from "../actions/index.ts";
import { call, shell } from "../engine/index.ts";
import {
  currentlyShown,
  currentMemory,
  currentSelection,
  goTo,
  notify,
  remember,
  select,
  show,
  tell,
  usePlace,
} from "../state/index.ts";
import { ask } from "./asks.ts";
import { inOrder } from "./choosing.ts";
import { removeFromAlbum, writeSidecars } from "./deeds.ts";
import { flipAll } from "./flip.ts";

export const SMALLEST = 100;
export const LARGEST = 420;
const STEP = 1.25;

/** What is chosen, in the order that is seen. */
export const chosenNow = (): string[] => inOrder(currentSelection().ids, currentlyShown().ids);

/** Opens a photo in the review, which goes through what is chosen, or else through all that is shown. */
export function review(photo?: string): void {
  const chosen = chosenNow();
  const first = photo ?? chosen[0] ?? currentlyShown().ids[0];
  if (first === undefined) return;
  if (chosen.length > 1 && chosen.includes(first)) show(currentlyShown().query, chosen);
  goTo({ room: "review", rest: first });
}

function resize(factor: number): void {
  const rowHeight = Math.round(Math.min(LARGEST, Math.max(SMALLEST, currentMemory().rowHeight * factor)));
  remember({ rowHeight });
}

async function showFile(): Promise<void> {
  const [id] = chosenNow();
  if (id === undefined) return;
  const { path } = await call("photo", { params: { id } });
  await shell()?.showItem(path);
}

/** @param albumName of the album that is shown */
export function useLibraryActions(albumName: string | undefined): void {
  const { t } = useTranslation();
  const { query } = usePlace();
  const { album } = query;
  const actions = useMemo<Action[]>(() => {
    const hasChosen = () => currentSelection().ids.size > 0;
    const hasShown = () => currentlyShown().ids.length > 0;
    return [
      { id: "library.import", keys: ["Ctrl+I"], run: () => ask({ kind: "import" }) },
      { id: "library.watched", run: () => ask({ kind: "watched" }) },
      {
        id: "library.search",
        keys: ["Ctrl+F", "/"],
        run: () => document.getElementById("library-search")?.focus(),
      },
      {
        id: "library.selectAll",
        keys: ["Ctrl+A"],
        isPossible: hasShown,
        run: () => select(currentlyShown().ids, currentSelection().anchor),
      },
      {
        id: "library.clearSelection",
        keys: ["Escape"],
        isPossible: hasChosen,
        run: () => select([], currentSelection().anchor),
      },
      { id: "library.review", keys: ["R"], isPossible: hasShown, run: () => review() },
      { id: "library.addToAlbum", keys: ["B"], isPossible: hasChosen, run: () => ask({ kind: "album" }) },
      { id: "library.newAlbum", keys: ["N"], run: () => ask({ kind: "newAlbum" }) },
      ...(album === undefined || albumName === undefined
        ? []
        : [
            {
              id: "library.removeFromAlbum",
              keys: ["Backspace"],
              isPossible: hasChosen,
              run: async () => {
                const chosen = chosenNow();
                await removeFromAlbum(album, albumName, chosen).catch(tell);
                select([]);
              },
            },
          ]),
      { id: "library.startSession", keys: ["S"], isPossible: hasShown, run: () => ask({ kind: "session" }) },
      { id: "library.export", keys: ["Ctrl+E"], isPossible: hasShown, run: () => ask({ kind: "export" }) },
      {
        id: "library.sidecar",
        isPossible: hasChosen,
        run: async () => {
          const chosen = chosenNow();
          await writeSidecars(chosen).then(
            () => notify({ kind: "done", text: t("library.sidecarsWritten", { count: chosen.length }) }),
            tell,
          );
        },
      },
      ...(shell() === undefined
        ? []
        : [{ id: "library.showFile", isPossible: hasChosen, run: () => showFile().catch(tell) }]),
      { id: "library.remove", keys: ["Delete"], isPossible: hasChosen, run: () => ask({ kind: "remove" }) },
      { id: "library.flip", keys: ["V"], run: flipAll },
      {
        id: "library.details",
        keys: ["I"],
        run: () => remember({ isDetailsOpen: !currentMemory().isDetailsOpen }),
      },
      { id: "library.larger", keys: ["+", "="], run: () => resize(STEP) },
      { id: "library.smaller", keys: ["-"], run: () => resize(1 / STEP) },
    ];
  }, [t, album, albumName]);
  useActions(actions);
}
