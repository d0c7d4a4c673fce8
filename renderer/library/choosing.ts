// Choosing photos as file managers do. Pure: from the choice before, the photos shown and a gesture to the choice after.
import type { Selection } from "../state/index.ts";

/** "only": a click; "toggle": with Ctrl; "range": with Shift; "add": with both. */
export type Gesture = "only" | "toggle" | "range" | "add";

export function gestureOf(event: {
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
}): Gesture {
  const isAdding = event.ctrlKey || event.metaKey;
  if (event.shiftKey) return isAdding ? "add" : "range";
  return isAdding ? "toggle" : "only";
}

/** @param at place of the photo that was meant, in `ids` */
export function chosen(before: Selection, ids: readonly string[], at: number, gesture: Gesture): Selection {
  const id = ids[at];
  if (id === undefined) return before;
  if (gesture === "only") return { ids: new Set([id]), anchor: id };
  if (gesture === "toggle") {
    const after = new Set(before.ids);
    if (!after.delete(id)) after.add(id);
    return { ids: after, anchor: id };
  }
  // A range begins at the anchor; where that is not shown any more, at the photo itself.
  const from = before.anchor === undefined ? at : ids.indexOf(before.anchor);
  const start = from === -1 ? at : from;
  const range = ids.slice(Math.min(start, at), Math.max(start, at) + 1);
  return {
    ids: new Set(gesture === "add" ? [...before.ids, ...range] : range),
    anchor: ids[start],
  };
}

/** The choice in the order in which photos are shown; what is not shown comes last. */
export function inOrder(chosenIds: ReadonlySet<string>, shown: readonly string[]): string[] {
  if (chosenIds.size === 0) return [];
  const ordered = new Set(shown.filter((id) => chosenIds.has(id)));
  for (const id of chosenIds) ordered.add(id);
  return [...ordered];
}
