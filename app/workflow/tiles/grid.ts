// Where the tiles of a picture lie, and how much each of them counts where they overlap.
//
// Neighbours share a seam in the middle of their overlap, along which one fades into the other. What lies outside of it, a
// quarter of the overlap at each tile's edge, is thrown away: there a network saw nothing of what comes next.
// Must never: know what is in a tile.

/** Tiles along one side of a picture. All numbers are pixels of the source. */
export interface Side {
  /** Of the picture. */
  readonly length: number;
  /** Of every tile. Larger than the picture where the picture has only one. */
  readonly tile: number;
  readonly starts: readonly number[];
  /** seams[i] is between tile i and the next: that one counts nothing up to `from`, and alone after `to`. */
  readonly seams: readonly { readonly from: number; readonly to: number }[];
}

/**
 * As few tiles as can be, evenly spaced.
 * @param overlap of neighbours, at least; half a tile at most
 */
export function tilesAlong(length: number, tile: number, overlap: number): Side {
  const lap = Math.min(overlap, Math.floor(tile / 2));
  const count = length <= tile ? 1 : 1 + Math.ceil((length - tile) / (tile - lap));
  const starts = Array.from({ length: count }, (_, i) =>
    i === 0 ? 0 : Math.floor((i * (length - tile)) / (count - 1)),
  );
  const half = Math.floor(lap / 4);
  const seams = starts.slice(1).map((start, i) => {
    const middle = Math.floor((start + starts[i]! + tile) / 2);
    return { from: middle - half, to: middle + half };
  });
  return { length, tile, starts, seams };
}

/** The part of a result's side that a tile counts in. */
export interface Share {
  /** First pixel of the result. */
  readonly from: number;
  /** One for each pixel from there on, 0–1. The shares of all tiles add up to 1 everywhere. */
  readonly weights: Float64Array;
}

/** @param scale pixels of the result for one of the source */
export function shareOf(side: Side, index: number, scale: number): Share {
  const before = side.seams[index - 1];
  const after = side.seams[index];
  const from = (before?.from ?? 0) * scale;
  const to = (after?.to ?? side.length) * scale;
  const weights = Float64Array.from({ length: to - from }, (_, i) => {
    const place = (from + i + 0.5) / scale;
    if (before !== undefined && place < before.to) return faded(before, place);
    return after === undefined ? 1 : 1 - faded(after, place);
  });
  return { from, weights };
}

/** How much the tile behind a seam counts at a place. */
function faded({ from, to }: Side["seams"][number], place: number): number {
  if (place < from) return 0;
  return place >= to ? 1 : (place - from) / (to - from);
}

/** How many pixels of the result are settled once this tile is there, and those before it. */
export function settledBy(side: Side, index: number, scale: number): number {
  return (side.seams[index]?.from ?? side.length) * scale;
}
