// How much of a picture is made of upright and level edges, as walls, windows and roofs are. Plain arithmetic on a small
// grey picture. Must never: look for anything but edges.
import type { GreyPicture } from "../imaging/index.ts";

/** Edges of a scan and of its frame lie here, as a share of the longer side. */
const MARGIN = 0.04;
/** An edge is this many times as steep as the picture's mean, and never less than so many levels a pixel. */
const STEEP = 2;
const LEAST_STEEP = 6;
/** Upright or level within 8 degrees: the share that the lesser part of a slope may be of the greater one. */
const ALONG = Math.tan((8 * Math.PI) / 180);
/** A few edges in an empty picture are no evidence: this share of the area counts as edges of no direction. */
const EMPTY = 0.01;
/** One line counts for so much of the picture's width or height at most: a frame is no building. */
const LINE = 0.1;
/** Pixels that must be left within the margin in each direction. */
const LEAST_SIDE = 8;

/**
 * The geometric mean of two shares of a picture's strong edges: of those that are upright and of those that are level. High
 * only where there are many of both: trunks and reeds have one kind, waves the other, foliage and faces have few of either.
 * @param picture best 384 pixels long, at which the thresholds of this room were found
 * @returns 0–0.5; 0 for pictures that are too small, pictures without edges, and those with edges of one kind only
 */
export function straightness({ width, height, levels }: GreyPicture): number {
  const margin = Math.max(1, Math.round(MARGIN * Math.max(width, height)));
  const columns = width - 2 * margin;
  const rows = height - 2 * margin;
  if (columns < LEAST_SIDE || rows < LEAST_SIDE) return 0;
  const across = new Float32Array(columns * rows);
  const down = new Float32Array(columns * rows);
  let sum = 0;
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at++) {
      const here = (y + margin) * width + x + margin;
      // Sobel's slopes, in levels a pixel
      const [a, b, c] = [levels[here - width - 1]!, levels[here - width]!, levels[here - width + 1]!];
      const [d, e] = [levels[here - 1]!, levels[here + 1]!];
      const [f, g, h] = [levels[here + width - 1]!, levels[here + width]!, levels[here + width + 1]!];
      across[at] = (c + 2 * e + h - a - 2 * d - f) / 8;
      down[at] = (f + 2 * g + h - a - 2 * b - c) / 8;
      sum += Math.hypot(across[at]!, down[at]!);
    }
  }
  const steep = Math.max(LEAST_STEEP, (STEEP * sum) / across.length);
  let edges = 0;
  const upright = new Uint32Array(columns);
  const level = new Uint32Array(rows);
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at++) {
      const dx = Math.abs(across[at]!);
      const dy = Math.abs(down[at]!);
      if (Math.hypot(dx, dy) <= steep) continue;
      edges++;
      if (dy < ALONG * dx) upright[x]!++;
      else if (dx < ALONG * dy) level[y]!++;
    }
  }
  const counted = Math.sqrt(capped(upright, LINE * rows) * capped(level, LINE * columns));
  return counted / (edges + EMPTY * columns * rows);
}

function capped(counts: Uint32Array, most: number): number {
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0);
}
