// What was done and can be undone, for every room. Must never: hold more than it can undo.
import { useSyncExternalStore } from "react";

export interface Deed {
  /** What it is called in the words, with values for them. */
  readonly label: string;
  readonly values?: Readonly<Record<string, string | number>>;
  readonly redo: () => Promise<void>;
  readonly undo: () => Promise<void>;
}
interface History {
  readonly done: readonly Deed[];
  readonly undone: readonly Deed[];
}

const MOST = 500;
let history: History = { done: [], undone: [] };
const listeners = new Set<() => void>();
function set(next: History): void {
  history = next;
  for (const listener of listeners) listener();
}

/** Does it now, and remembers how to undo it. @throws what the deed throws; nothing is remembered then */
export async function perform(deed: Deed): Promise<void> {
  await deed.redo();
  set({ done: [...history.done, deed].slice(-MOST), undone: [] });
}

/** @returns what was undone; undefined where there is nothing */
export async function undo(): Promise<Deed | undefined> {
  const deed = history.done.at(-1);
  if (deed === undefined) return undefined;
  set({ done: history.done.slice(0, -1), undone: history.undone });
  await deed.undo();
  set({ done: history.done, undone: [...history.undone, deed] });
  return deed;
}

export async function redo(): Promise<Deed | undefined> {
  const deed = history.undone.at(-1);
  if (deed === undefined) return undefined;
  set({ done: history.done, undone: history.undone.slice(0, -1) });
  await deed.redo();
  set({ done: [...history.done, deed], undone: history.undone });
  return deed;
}

export function useHistory(): History {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => history,
  );
}
