// Where the grid was, for each query: by the photo that was at its top, so that other photos may come and go meanwhile.
import { boxOf, type Rows, rowAt } from "./justify.ts";

interface Anchor {
  readonly photo: string;
  /** Pixels from the top of that photo's row to the top of what is seen. */
  readonly offset: number;
}
const anchors = new Map<string, Anchor>();

/** @param top what is scrolled away, in pixels; at the very top nothing holds on to a photo */
export function rememberScroll(query: string, ids: readonly string[], rows: Rows, top: number): void {
  const at = rows.first[rowAt(rows, top)] ?? 0;
  const photo = ids[at];
  if (top <= 0 || photo === undefined) anchors.delete(query);
  else anchors.set(query, { photo, offset: top - boxOf(rows, at).top });
}

/** @returns pixels to scroll to; 0 where nothing is remembered or the photo is not there any more */
export function rememberedScroll(query: string, ids: readonly string[], rows: Rows): number {
  const anchor = anchors.get(query);
  if (anchor === undefined) return 0;
  const at = ids.indexOf(anchor.photo);
  return at === -1 ? 0 : Math.max(0, boxOf(rows, at).top + anchor.offset);
}
