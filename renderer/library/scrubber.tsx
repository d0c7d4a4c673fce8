// The years beside the grid: where one is, and the way to any other year, by pointer and by keys.
// Must never: make the grid render while it is scrolled; it listens for itself.
import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Layout } from "../../app/api/library/contract.ts";
import { type Rows, rowAt } from "./justify.ts";

/** Labels nearer than this share of the height would overlap. */
const NEAREST = 0.045;

export interface ScrubberProps {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly rows: Rows;
  readonly headings: Layout["headings"];
}

export function Scrubber({ scroller, rows, headings }: ScrubberProps) {
  const { t } = useTranslation();
  const tops = useMemo(
    () => headings.map(({ at }) => rows.top[(rows.row[at] ?? 1) - 1] ?? 0),
    [rows, headings],
  );
  const marks = useMemo(() => marksOf(headings, tops, rows.height), [rows, headings, tops]);
  const [top, setTop] = useState(0);
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const onScroll = () => setTop(element.scrollTop);
    onScroll();
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => element.removeEventListener("scroll", onScroll);
  }, [scroller]);

  if (headings.length < 2) return null;
  const section = sectionAt(rows, tops, top);
  const words = (at: number) => headings[at]?.text || t("library.undated");
  const range = Math.max(1, rows.height - (scroller.current?.clientHeight ?? 0));
  const share = Math.min(1, top / range);

  function goToHeading(at: number): void {
    const place = tops[Math.max(0, Math.min(headings.length - 1, at))];
    if (place !== undefined && scroller.current !== null) scroller.current.scrollTop = place;
  }
  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[
      event.key
    ];
    const target =
      event.key === "Home"
        ? 0
        : event.key === "End"
          ? headings.length - 1
          : step === undefined
            ? undefined
            : section + step;
    if (target === undefined) return;
    event.preventDefault();
    goToHeading(target);
  }
  function onPointer(event: PointerEvent<HTMLDivElement>): void {
    const frame = event.currentTarget.getBoundingClientRect();
    const at = Math.max(0, Math.min(1, (event.clientY - frame.top) / frame.height));
    if (scroller.current !== null) scroller.current.scrollTop = at * range;
  }

  return (
    <div
      className="lib-scrubber"
      role="slider"
      tabIndex={0}
      aria-label={t("library.years")}
      aria-controls="library-grid"
      aria-orientation="vertical"
      aria-valuemin={0}
      aria-valuemax={headings.length - 1}
      aria-valuenow={section}
      aria-valuetext={words(section)}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setHeld(true);
        onPointer(event);
      }}
      onPointerMove={(event) => (isHeld ? onPointer(event) : undefined)}
      onPointerUp={() => setHeld(false)}
      onPointerCancel={() => setHeld(false)}
    >
      {marks.map(({ text, share: place }) => (
        <span key={text} className="lib-decade" style={{ top: `${place * 100}%` }}>
          {text || t("library.undatedShort")}
        </span>
      ))}
      <span className="lib-here" style={{ top: `${share * 97}%` }}>
        {isHeld ? <span className="lib-here-words">{words(section)}</span> : null}
      </span>
    </div>
  );
}

function sectionAt(rows: Rows, tops: readonly number[], top: number): number {
  const here = rows.top[rowAt(rows, top + 1)] ?? 0;
  const after = tops.findIndex((one) => one > here);
  return Math.max(0, (after === -1 ? tops.length : after) - 1);
}

/** A label for each decade, where there is room for it. */
function marksOf(headings: Layout["headings"], tops: readonly number[], height: number) {
  const marks: { text: string; share: number }[] = [];
  let decade: string | undefined;
  headings.forEach(({ text }, at) => {
    const own = text === "" ? "" : `${text.slice(0, -1)}0`;
    const share = (tops[at] ?? 0) / Math.max(1, height);
    if (own === decade || share - (marks.at(-1)?.share ?? -1) < NEAREST) return;
    decade = own;
    marks.push({ text: own, share: Math.min(share, 0.965) });
  });
  return marks;
}
