// Whether the grid is passing too fast for anything to be seen: pictures are not asked for then, placeholders are enough.
import { useRef, useSyncExternalStore } from "react";

/** Pixels a millisecond: three screens a second. */
const FAST = 3;
const LANDED_MS = 90;

let isFlying = false;
let last = { top: 0, at: 0 };
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
function set(next: boolean): void {
  if (next === isFlying) return;
  isFlying = next;
  for (const listener of listeners) listener();
}

/** Called at every step of scrolling. @param top in pixels @param now in milliseconds */
export function noteScroll(top: number, now: number): void {
  const passed = now - last.at;
  // After a rest the first step says nothing about speed, but a jump over screens is one.
  const speed = Math.abs(top - last.top) / Math.max(8, Math.min(passed, 100));
  last = { top, at: now };
  clearTimeout(timer);
  timer = setTimeout(() => set(false), LANDED_MS);
  set(speed > FAST);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether there was time to see this: false as long as it only flies past; once true it stays so. */
export function useWasSeen(): boolean {
  const wasSeen = useRef(false);
  return useSyncExternalStore(subscribe, () => {
    wasSeen.current ||= !isFlying;
    return wasSeen.current;
  });
}
