// The grid of photos: justified rows, only those in sight are there, chosen and walked through as in a file manager.
//
// Owns: what is rendered, the keys and the pointer on it, where it is scrolled to. Must never: fetch anything but cards, or
// walk through all photos while scrolling.

import { useVirtualizer } from "@tanstack/react-virtual";
import type { TFunction } from "i18next";
import {
  type DragEvent,
  type KeyboardEvent,
  type MouseEvent,
  memo,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useTranslation } from "react-i18next";
import type { Layout } from "../../app/api/library/contract.ts";
import { select, useSelection } from "../state/index.ts";
import { cards } from "./cards.ts";
import { Cell, cellId } from "./cell.tsx";
import { chosen, type Gesture, gestureOf } from "./choosing.ts";
import { startPhotoDrag } from "./dragging.ts";
import { noteScroll } from "./flight.ts";
import { useFlip } from "./flip.ts";
import { rememberedScroll, rememberScroll } from "./grid-memory.ts";
import { boxOf, justify, photoBeside, type Rows, rowAt } from "./justify.ts";
import { RubberBand, useRubberBand } from "./rubber-band.tsx";
import { Scrubber } from "./scrubber.tsx";
import { useWidth } from "./use-width.ts";
import "./grid.css";

const GAP = 6;
const HEADING = 46;
/** Around the rows; part of what scrolls. */
const MARGIN = 14;

export interface GridProps {
  readonly layout: Layout;
  /** A name for what is shown; where the grid was is remembered by it. */
  readonly query: string;
  readonly rowHeight: number;
  readonly onOpen: (photo: string) => void;
}

export function Grid({ layout, query, rowHeight, onOpen }: GridProps) {
  const { t, i18n } = useTranslation();
  const { ids } = layout;
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller) - 2 * MARGIN;
  const rows = useMemo(
    () =>
      justify(
        { ratios: layout.ratios, headings: layout.headings.map(({ at }) => at) },
        { width: Math.max(1, width), rowHeight, gap: GAP, headingHeight: HEADING },
      ),
    [layout, width, rowHeight],
  );
  const selection = useSelection();
  const [current, setCurrent] = useState(selection.anchor);
  const flip = useFlip();

  const virtualizer = useVirtualizer({
    count: width <= 0 ? 0 : rows.count,
    getScrollElement: () => scroller.current,
    estimateSize: (row) => (rows.rowHeight[row] ?? 0) + (rows.heading[row] === -1 ? rows.gap : 0),
    scrollMargin: MARGIN,
    overscan: 3,
  });
  useLayoutEffect(() => {
    virtualizer.measure();
    const element = scroller.current;
    if (element === null || width <= 0) return;
    const top = rememberedScroll(query, ids, rows);
    if (Math.abs(element.scrollTop - top) > 1) element.scrollTop = top;
  }, [virtualizer, rows, ids, query, width]);

  const items = virtualizer.getVirtualItems();
  useWantedCards(rows, ids, items[0]?.index, items.at(-1)?.index);

  const showPhoto = useCallback(
    (at: number) => {
      const element = scroller.current;
      if (element === null) return;
      const { top, height } = boxOf(rows, at);
      const above = top + MARGIN - HEADING;
      const below = top + height + 2 * MARGIN - element.clientHeight;
      if (element.scrollTop > above) element.scrollTop = above;
      else if (element.scrollTop < below) element.scrollTop = below;
    },
    [rows],
  );
  const choose = useCallback(
    (at: number, gesture: Gesture) => {
      const after = chosen({ ids: selection.ids, anchor: selection.anchor }, ids, at, gesture);
      select(after.ids, after.anchor);
      setCurrent(ids[at]);
    },
    [ids, selection],
  );

  function onKeyDown(event: KeyboardEvent<HTMLDivElement>): void {
    const known = current === undefined ? -1 : ids.indexOf(current);
    const at = known === -1 ? (rows.first[rowAt(rows, scroller.current?.scrollTop ?? 0)] ?? 0) : known;
    if (event.key === " ") {
      event.preventDefault();
      choose(at, event.shiftKey ? "range" : "toggle");
      return;
    }
    if (event.key === "Enter" && known !== -1 && !event.ctrlKey) {
      event.preventDefault();
      onOpen(ids[at] ?? "");
      return;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / (rowHeight + GAP)));
    const next = known === -1 ? at : photoAfterKey(event.key, rows, at, page);
    if (next === undefined || event.altKey || ids.length === 0) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) setCurrent(ids[next]);
    else choose(next, event.shiftKey ? "range" : "only");
    showPhoto(next);
  }

  function onClick(event: MouseEvent): void {
    const at = atOf(event.target);
    if (at !== undefined) choose(at, gestureOf(event));
  }
  /** A menu is for what is chosen; another photo is chosen first. */
  function onContextMenu(event: MouseEvent): void {
    const at = atOf(event.target);
    if (at !== undefined && !selection.ids.has(ids[at] ?? "")) choose(at, "only");
  }
  function onDragStart(event: DragEvent): void {
    const at = atOf(event.target);
    const id = at === undefined ? undefined : ids[at];
    if (at === undefined || id === undefined) return;
    if (!selection.ids.has(id)) choose(at, "only");
    startPhotoDrag(event, t("library.photos", { count: selection.ids.has(id) ? selection.ids.size : 1 }));
  }

  useHover(ids, flip.hover);
  const band = useRubberBand(scroller, rows, ids, MARGIN);
  const isCurrentShown =
    current !== undefined && items.some(({ index }) => hasPhoto(rows, ids, index, current));
  return (
    <div className="lib-grid-frame">
      <div
        ref={scroller}
        id="library-grid"
        className="lib-grid"
        role="listbox"
        aria-multiselectable
        aria-label={t("library.grid")}
        tabIndex={0}
        {...(isCurrentShown ? { "aria-activedescendant": cellId(current) } : {})}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onDoubleClick={(event) => {
          const at = atOf(event.target);
          if (at !== undefined) onOpen(ids[at] ?? "");
        }}
        onContextMenu={onContextMenu}
        onDragStart={onDragStart}
        onPointerDown={band.onPointerDown}
        onScroll={(event) => {
          const { scrollTop } = event.currentTarget;
          noteScroll(scrollTop, event.timeStamp);
          rememberScroll(query, ids, rows, scrollTop);
        }}
      >
        <div className="lib-rows" style={{ height: rows.height + 2 * MARGIN }}>
          {items.map(({ index }) => (
            <Row
              key={index}
              row={index}
              rows={rows}
              layout={layout}
              chosenIds={selection.ids}
              current={current}
              isColoured={flip.isColoured}
              flipped={flip.hovered}
              t={t}
              language={i18n.language}
            />
          ))}
          <RubberBand box={band.box} />
        </div>
      </div>
      <Scrubber scroller={scroller} rows={rows} headings={layout.headings} />
    </div>
  );
}

/** Place of the photo that an event is about. */
function atOf(target: EventTarget | null): number | undefined {
  const cell = target instanceof Element ? target.closest<HTMLElement>("[data-at]") : null;
  return cell === null ? undefined : Number(cell.dataset.at);
}

/** Heard by the window, since turning a photo over takes away what the pointer is on, and nobody is told of its leaving. */
function useHover(ids: readonly string[], hover: (photo: string | undefined) => void): void {
  useEffect(() => {
    const onOver = (event: PointerEvent) => hover(ids[atOf(event.target) ?? -1]);
    window.addEventListener("pointerover", onOver);
    return () => window.removeEventListener("pointerover", onOver);
  }, [ids, hover]);
}

interface RowProps {
  readonly row: number;
  readonly rows: Rows;
  readonly layout: Layout;
  readonly chosenIds: ReadonlySet<string>;
  readonly current: string | undefined;
  readonly isColoured: boolean;
  readonly flipped: string | undefined;
  readonly t: TFunction;
  readonly language: string;
}

const Row = memo(function Row(props: RowProps) {
  const { row, rows, layout, chosenIds, current, isColoured, flipped, t, language } = props;
  const style = { top: (rows.top[row] ?? 0) + MARGIN, height: rows.rowHeight[row] ?? 0 };
  const heading = layout.headings[rows.heading[row] ?? -1];
  if (heading !== undefined) {
    // Names of photos begin with their date: what a heading says is said there.
    return (
      <div className="lib-heading" style={style} aria-hidden="true">
        {heading.text || t("library.undated")}
      </div>
    );
  }
  const first = rows.first[row] ?? 0;
  return (
    <div className="lib-row" style={style} role="presentation">
      {layout.ids.slice(first, first + (rows.photos[row] ?? 0)).map((id, index) => (
        <Cell
          key={id}
          photo={id}
          at={first + index}
          count={layout.ids.length}
          left={rows.left[first + index] ?? 0}
          width={rows.width[first + index] ?? 0}
          isChosen={chosenIds.has(id)}
          isCurrent={id === current}
          isColoured={isColoured !== (id === flipped)}
          t={t}
          language={language}
        />
      ))}
    </div>
  );
});

function photoAfterKey(key: string, rows: Rows, at: number, page: number): number | undefined {
  const last = rows.row.length - 1;
  switch (key) {
    case "ArrowRight":
      return Math.min(last, at + 1);
    case "ArrowLeft":
      return Math.max(0, at - 1);
    case "ArrowDown":
      return photoBeside(rows, at, 1);
    case "ArrowUp":
      return photoBeside(rows, at, -1);
    case "PageDown":
      return photoBeside(rows, at, page);
    case "PageUp":
      return photoBeside(rows, at, -page);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return undefined;
  }
}

function hasPhoto(rows: Rows, ids: readonly string[], row: number, photo: string): boolean {
  const first = rows.first[row] ?? 0;
  return ids.slice(first, first + (rows.photos[row] ?? 0)).includes(photo);
}

/** What is in sight comes first, then a screen in the direction of scrolling, then one behind. */
function useWantedCards(
  rows: Rows,
  ids: readonly string[],
  firstRow: number | undefined,
  lastRow: number | undefined,
): void {
  const before = useRef(0);
  useEffect(() => {
    if (firstRow === undefined || lastRow === undefined) return cards.want([]);
    const first = rows.first[firstRow] ?? 0;
    const end = (rows.first[lastRow] ?? 0) + (rows.photos[lastRow] ?? 0);
    const screen = Math.min(200, end - first);
    const ahead = ids.slice(end, end + screen);
    const behind = ids.slice(Math.max(0, first - screen), first).reverse();
    const isUp = first < before.current;
    before.current = first;
    cards.want([...ids.slice(first, end), ...(isUp ? [...behind, ...ahead] : [...ahead, ...behind])]);
  }, [rows, ids, firstRow, lastRow]);
}
