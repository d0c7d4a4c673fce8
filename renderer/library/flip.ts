// Which side of photos the grid shows: the originals or what was made of them. Hovering over one shows its other side.
import { useCallback, useRef, useState } from "react";
import { createStore, useStore } from "../store.ts";

const HOVER_MS = 350;

const coloured = createStore(false);

/** Turns all photos of the grid over. */
export function flipAll(): void {
  coloured.set(!coloured.get());
}

export const useIsColoured = (): boolean => useStore(coloured);

export interface Flip {
  readonly isColoured: boolean;
  /** The photo that the pointer rests on. */
  readonly hovered: string | undefined;
  /** @param photo what the pointer is over now */
  readonly hover: (photo: string | undefined) => void;
}

export function useFlip(): Flip {
  const [hovered, setHovered] = useState<string>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const over = useRef<string>(undefined);
  const hover = useCallback((photo: string | undefined) => {
    if (photo === over.current) return;
    over.current = photo;
    clearTimeout(timer.current);
    setHovered(undefined);
    if (photo !== undefined) timer.current = setTimeout(() => setHovered(photo), HOVER_MS);
  }, []);
  return { isColoured: useIsColoured(), hovered, hover };
}
