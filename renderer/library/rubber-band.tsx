// Choosing by a rectangle that is drawn over the grid, from between the photos. Must never: begin on a photo, which is
// dragged instead.
import { type PointerEvent, type RefObject, useRef, useState } from "react";
import { currentSelection, select } from "../state/index.ts";
import { type Box, photosIn, type Rows } from "./justify.ts";

/** So near to the border, in pixels, the grid scrolls along. */
const EDGE = 40;

export function useRubberBand(
  scroller: RefObject<HTMLDivElement | null>,
  rows: Rows,
  ids: readonly string[],
  margin: number,
) {
  const [box, setBox] = useState<Box>();
  const start = useRef({ x: 0, y: 0 });

  function onPointerDown(event: PointerEvent<HTMLDivElement>): void {
    const element = scroller.current;
    if (event.button !== 0 || element === null || event.pointerType === "touch") return;
    if (event.target instanceof Element && event.target.closest("[data-at]") !== null) return;
    const frame = element.getBoundingClientRect();
    if (event.clientX - frame.left > element.clientWidth) return; // the scroll bar
    const before = event.ctrlKey || event.metaKey || event.shiftKey ? [...currentSelection().ids] : [];
    const pointOf = (one: { clientX: number; clientY: number }) => ({
      x: one.clientX - frame.left,
      y: one.clientY - frame.top + element.scrollTop,
    });
    start.current = pointOf(event);
    if (before.length === 0) select([]);

    const onMove = (move: globalThis.PointerEvent) => {
      const point = pointOf(move);
      const next = {
        left: Math.min(point.x, start.current.x),
        top: Math.min(point.y, start.current.y),
        width: Math.abs(point.x - start.current.x),
        height: Math.abs(point.y - start.current.y),
      };
      if (next.width + next.height < 4) return;
      if (move.clientY > frame.bottom - EDGE) element.scrollTop += EDGE / 2;
      if (move.clientY < frame.top + EDGE) element.scrollTop -= EDGE / 2;
      setBox(next);
      const inRows = { ...next, left: next.left - margin, top: next.top - margin };
      const found = photosIn(rows, inRows).flatMap((at) => ids[at] ?? []);
      select([...before, ...found], found[0]);
    };
    const stop = new AbortController();
    const onEnd = () => {
      stop.abort();
      setBox(undefined);
    };
    window.addEventListener("pointermove", onMove, { signal: stop.signal });
    window.addEventListener("pointerup", onEnd, { signal: stop.signal });
    window.addEventListener("pointercancel", onEnd, { signal: stop.signal });
  }
  return { box, onPointerDown };
}

export function RubberBand({ box }: { readonly box: Box | undefined }) {
  return box === undefined ? null : <div className="lib-band" style={box} />;
}
