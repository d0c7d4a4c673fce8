// What was done and can be undone, for every room. Must never: hold more than it can undo.
import { createStore, useStore } from "../store.ts";

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
const history = createStore<History>({ done: [], undone: [] });

/** Does it now, and remembers how to undo it. @throws what the deed throws; nothing is remembered then */
export async function perform(deed: Deed): Promise<void> {
  await deed.redo();
  history.set({ done: [...history.get().done, deed].slice(-MOST), undone: [] });
}

/** @returns what was undone; undefined where there is nothing */
export async function undo(): Promise<Deed | undefined> {
  const deed = history.get().done.at(-1);
  if (deed === undefined) return undefined;
  history.set({ done: history.get().done.slice(0, -1), undone: history.get().undone });
  await deed.undo();
  history.set({ done: history.get().done, undone: [...history.get().undone, deed] });
  return deed;
}

export async function redo(): Promise<Deed | undefined> {
  const deed = history.get().undone.at(-1);
  if (deed === undefined) return undefined;
  history.set({ done: history.get().done, undone: history.get().undone.slice(0, -1) });
  await deed.redo();
  history.set({ done: [...history.get().done, deed], undone: history.get().undone });
  return deed;
}

export function useHistory(): History {
  return useStore(history);
}
