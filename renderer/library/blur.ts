// Blurred placeholders: a photo's colour at once, its shapes a moment later, never at the cost of scrolling.
//
// Owns: decoding of thumbhashes, a few milliseconds a frame, the newest first. Must never: decode what nobody shows any more.
import { useSyncExternalStore } from "react";
import { thumbHashToAverageRGBA, thumbHashToDataURL } from "thumbhash";

/** Of a frame, in milliseconds. */
const BUDGET = 5;
const MOST = 4000;
const pictures = new Map<string, string>();
const waiting = new Map<string, Set<() => void>>();
let isRunning = false;

const bytesOf = (hash: string): Uint8Array => Uint8Array.from(atob(hash), (char) => char.charCodeAt(0));

/** The average colour, as CSS; undefined for a hash that is none. */
export function colourOf(hash: string): string | undefined {
  try {
    const { r, g, b } = thumbHashToAverageRGBA(bytesOf(hash));
    return `rgb(${[r, g, b].map((one) => Math.round(one * 255)).join(" ")})`;
  } catch {
    return undefined;
  }
}

function decodeSome(): void {
  const end = performance.now() + BUDGET;
  while (waiting.size > 0 && performance.now() < end) {
    const [hash, listeners] = [...waiting].at(-1)!;
    waiting.delete(hash);
    pictures.set(hash, pictureOf(hash));
    for (const listener of listeners) listener();
  }
  for (const hash of pictures.keys()) {
    if (pictures.size <= MOST) break;
    pictures.delete(hash);
  }
  isRunning = waiting.size > 0;
  if (isRunning) requestAnimationFrame(decodeSome);
}

function pictureOf(hash: string): string {
  try {
    return thumbHashToDataURL(bytesOf(hash));
  } catch {
    return ""; // not a hash: the plain ground stays
  }
}

/** The blurred picture, as an address; undefined until it is there. */
export function useBlur(hash: string | undefined): string | undefined {
  return useSyncExternalStore(
    (listener) => {
      if (hash === undefined || pictures.has(hash)) return () => undefined;
      waiting.set(hash, (waiting.get(hash) ?? new Set()).add(listener));
      if (!isRunning) {
        isRunning = true;
        requestAnimationFrame(decodeSome);
      }
      return () => {
        const listeners = waiting.get(hash);
        listeners?.delete(listener);
        if (listeners?.size === 0) waiting.delete(hash);
      };
    },
    () => (hash === undefined ? undefined : pictures.get(hash) || undefined),
  );
}
