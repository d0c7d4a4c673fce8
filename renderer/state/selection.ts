// Which photos are chosen, for all rooms: the grid chooses, others act on it. Must never: hold more than ids.
import { useSyncExternalStore } from "react";
import type { PhotoQuery } from "../../app/api/library/contract.ts";

export interface Selection {
  readonly ids: ReadonlySet<string>;
  /** The last one that was chosen: ranges begin here. */
  readonly anchor: string | undefined;
}

let selection: Selection = { ids: new Set(), anchor: undefined };
/** What the library shows now: what "all" means, and what the review goes through. */
let shown: { readonly query: PhotoQuery; readonly ids: readonly string[] } = { query: {}, ids: [] };
const listeners = new Set<() => void>();
function tellAll(): void {
  for (const listener of listeners) listener();
}
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function select(ids: Iterable<string>, anchor?: string): void {
  selection = { ids: new Set(ids), anchor };
  tellAll();
}
export const currentSelection = (): Selection => selection;
export function useSelection(): Selection {
  return useSyncExternalStore(subscribe, () => selection);
}

export function show(query: PhotoQuery, ids: readonly string[]): void {
  shown = { query, ids };
  tellAll();
}
export const currentlyShown = () => shown;
export function useShown() {
  return useSyncExternalStore(subscribe, () => shown);
}
