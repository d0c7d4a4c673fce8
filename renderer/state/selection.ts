// Which photos are chosen, for all rooms: the grid chooses, others act on it. Must never: hold more than ids.
import type { PhotoQuery } from "../../app/api/library/contract.ts";
import { createStore, useStore } from "../store.ts";

export interface Selection {
  readonly ids: ReadonlySet<string>;
  /** The last one that was chosen: ranges begin here. */
  readonly anchor: string | undefined;
}

const selection = createStore<Selection>({ ids: new Set(), anchor: undefined });
/** What the library shows now: what "all" means, and what the review goes through. */
interface Shown {
  readonly query: PhotoQuery;
  readonly ids: readonly string[];
}
const shown = createStore<Shown>({ query: {}, ids: [] });

export function select(ids: Iterable<string>, anchor?: string): void {
  selection.set({ ids: new Set(ids), anchor });
}
export const currentSelection = (): Selection => selection.get();
export function useSelection(): Selection {
  return useStore(selection);
}

export function show(query: PhotoQuery, ids: readonly string[]): void {
  shown.set({ query, ids });
}
export const currentlyShown = (): Shown => shown.get();
export function useShown(): Shown {
  return useStore(shown);
}
