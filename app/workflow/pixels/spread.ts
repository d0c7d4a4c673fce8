// Colours spread from places in a picture, as far as its lightness stays alike.
//
// After Yatziv and Sapiro 2006, "Fast Image and Video Colorization Using Chrominance Blending": a colour reaches a place by
// the way on which lightness changes least; colours that meet are blended by how far they have come. It is computed on a
// small copy and brought up along the lightness of the picture itself (Kopf et al. 2007, "Joint Bilateral Upsampling").
// Must never: change lightness.
import type { LabPlanes, LabStrip } from "../../imaging/index.ts";
import { smoothKeepingEdges } from "./planes.ts";

/** A colour and where it comes from: places in the small copy, by x + y · width. */
export interface Source {
  readonly a: number;
  readonly b: number;
  readonly places: readonly number[];
}

/** Planes of the small copy: how much the colours count (0–1), and a and b times that. */
export interface Spread {
  readonly small: LabPlanes;
  readonly weight: Float32Array;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** Lightness (L units) that a way may climb before it is at its end; a way costs at most 1. */
const CLIMB = 16;
/** What it climbs for nothing at each step: shading, not an edge. */
const FREE = 1;
/** From this cost on a colour fades. */
const FADES_FROM = 0.5;
/** How fast a colour gives way to a nearer one: the power of the distance. */
const YIELDING = 4;
/** Variation of the small copy that counts as grain, L units. */
const GRAIN = 3;
/** Difference of lightness from which on a neighbour in the small copy is another surface. */
const OTHER_SURFACE = 14;
/** What it counts nevertheless, for places that are like none of their neighbours. */
const FLOOR = 0.02;

/** @param reach how far a colour goes where nothing is in its way, in pixels of the small copy, above 0 */
export function spreadColours(small: LabPlanes, sources: readonly Source[], reach: number): Spread {
  const size = small.L.length;
  const [weight, a, b] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)];
  const shares = new Float32Array(size);
  const guide = smoothKeepingEdges(small.L, small.width, 2, GRAIN ** 2);
  for (const source of sources) {
    const costs = costsFrom(source.places, guide, small.width, reach);
    for (let i = 0; i < size; i++) {
      const cost = costs[i]!;
      if (cost >= 1) continue;
      const fading = Math.max(0, (cost - FADES_FROM) / (1 - FADES_FROM));
      const presence = 1 - fading * fading * (3 - 2 * fading);
      const share = presence * Math.max(0.01, cost) ** -YIELDING;
      weight[i] = Math.max(weight[i]!, presence);
      shares[i]! += share;
      a[i]! += share * source.a;
      b[i]! += share * source.b;
    }
  }
  for (let i = 0; i < size; i++) {
    if (shares[i] === 0) continue;
    a[i]! *= weight[i]! / shares[i]!;
    b[i]! *= weight[i]! / shares[i]!;
  }
  return { small, weight, a, b };
}

/** Steps into which costs are sorted (Dial 1969: shortest ways with buckets instead of a heap). */
const BUCKETS = 512;

/** The cost of the cheapest way from any of the places; Infinity where it is 1 or more. */
function costsFrom(
  places: readonly number[],
  guide: Float32Array,
  width: number,
  reach: number,
): Float32Array {
  const height = guide.length / width;
  const costs = new Float32Array(guide.length).fill(Infinity);
  const buckets: number[][] = Array.from({ length: BUCKETS }, () => []);
  const enter = (place: number, way: number) => {
    // As it is stored: otherwise a place could be entered again and again with the same cost.
    const cost = Math.fround(way);
    if (cost >= 1 || cost >= costs[place]!) return;
    costs[place] = cost;
    buckets[Math.floor(cost * BUCKETS)]?.push(place);
  };
  for (const place of places) enter(place, 0);
  for (const [index, bucket] of buckets.entries()) {
    for (let next = bucket.pop(); next !== undefined; next = bucket.pop()) {
      const cost = costs[next]!;
      // It was reached more cheaply in the meantime.
      if (Math.floor(cost * BUCKETS) !== index) continue;
      const [x, y] = [next % width, Math.floor(next / width)];
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const length = Math.hypot(nx - x, ny - y);
          const step = Math.abs(guide[ny * width + nx]! - guide[next]!);
          enter(ny * width + nx, cost + length / reach + Math.max(0, step - FREE * length) / CLIMB);
        }
      }
    }
  }
  return costs;
}

/**
 * Lays the colours into a strip of the picture itself, in place.
 * @param full the picture's size in pixels
 */
export function layColours(
  strip: LabStrip,
  spread: Spread,
  full: { readonly width: number; readonly height: number },
  strength: number,
): void {
  const { small } = spread;
  const column = (x: number) => neighboursOf(x, full.width, small.width);
  const columns = Array.from({ length: full.width }, (_, x) => column(x));
  for (let row = 0; row < strip.height; row++) {
    const [above, below, down] = neighboursOf(strip.y + row, full.height, small.height);
    for (let x = 0; x < full.width; x++) {
      const [left, right, across] = columns[x]!;
      const i = row * full.width + x;
      let [total, weight, a, b] = [0, 0, 0, 0];
      const take = (place: number, nearness: number) => {
        const difference = (small.L[place]! - strip.L[i]!) / OTHER_SURFACE;
        const likeness = Math.max(0, 1 - difference * difference) ** 2 + FLOOR;
        total += nearness * likeness;
        weight += nearness * likeness * spread.weight[place]!;
        a += nearness * likeness * spread.a[place]!;
        b += nearness * likeness * spread.b[place]!;
      };
      take(above * small.width + left, (1 - down) * (1 - across));
      take(above * small.width + right, (1 - down) * across);
      take(below * small.width + left, down * (1 - across));
      take(below * small.width + right, down * across);
      if (weight === 0) continue;
      strip.a[i]! += (strength * (a - weight * strip.a[i]!)) / total;
      strip.b[i]! += (strength * (b - weight * strip.b[i]!)) / total;
    }
  }
}

/** The two places of a small axis that a place of the full one lies between, and the share of the second. */
function neighboursOf(
  place: number,
  full: number,
  small: number,
): readonly [first: number, second: number, share: number] {
  const at = Math.min(small - 1, Math.max(0, ((place + 0.5) * small) / full - 0.5));
  const first = Math.floor(at);
  return [first, Math.min(small - 1, first + 1), at - first];
}
