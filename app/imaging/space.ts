// RGB colour spaces: the light that levels stand for, and the levels of light, as tables for whole photographs.
//
// A photo's levels are read and written in its own space, so that no conversion comes between the original's lightness
// and the result's: libvips' 16-bit conversions are off by up to 0.7 L in deep shadows.
// Must never: know about files.
import { fromLinear, invert, LUMINANCE, multiply, toLinear } from "./lab.ts";

/** Level 0–1 → linear light 0–1, rising. */
export type Curve = (level: number) => number;

/** What the levels of a photo mean. */
export interface ColourSpace {
  /** Tables are kept under this name. */
  readonly id: string;
  readonly curves: readonly [Curve, Curve, Curve];
  /** What each linear component adds to luminance; the three add up to 1. */
  readonly luminance: readonly number[];
  /** Linear sRGB → linear RGB of this space, row-major; neutral stays neutral. Undefined where they are the same. */
  readonly fromSrgb: readonly number[] | undefined;
}

export const SRGB: ColourSpace = {
  id: "sRGB",
  curves: [toLinear, toLinear, toLinear],
  luminance: LUMINANCE,
  fromSrgb: undefined,
};

/** Colorants of sRGB adapted to D50, as profiles give them: columns red, green, blue. */
const SRGB_COLORANTS = [
  0.43607, 0.38515, 0.14307, 0.22249, 0.71687, 0.06061, 0.01392, 0.09708, 0.7141,
] as const;
/** The same of Display P3. */
const P3_COLORANTS = [
  [0.51512, 0.2412, -0.00105],
  [0.29198, 0.69225, 0.04189],
  [0.1571, 0.06657, 0.78407],
] as const;

/** A space from a profile's colorants (X, Y, Z under D50 of red, green, blue) and curves. */
export function spaceFromColorants(
  id: string,
  colorants: readonly (readonly [number, number, number])[],
  curves: readonly [Curve, Curve, Curve],
): ColourSpace | undefined {
  const columns = [0, 1, 2].flatMap((row) => colorants.map((colour) => colour[row]!));
  const toSrgb = whitened(multiply(invert(SRGB_COLORANTS), columns));
  const luminance = [0, 1, 2].map(
    (column) =>
      LUMINANCE[0] * toSrgb[column]! +
      LUMINANCE[1] * toSrgb[3 + column]! +
      LUMINANCE[2] * toSrgb[6 + column]!,
  );
  const fromSrgb = whitened(invert(toSrgb));
  // Colorants that do not span a space, or of imaginary brightness: nothing that a photo was taken or saved in.
  if (!fromSrgb.every((value) => Math.abs(value) < 10) || !luminance.every((share) => share > -0.1)) {
    return undefined;
  }
  return { id, curves, luminance, fromSrgb };
}

/** The space of grey levels with a tone curve of their own. Results are written as sRGB, not in this space. */
export function spaceFromGrey(id: string, curve: Curve): ColourSpace {
  return { id, curves: [curve, curve, curve], luminance: LUMINANCE, fromSrgb: undefined };
}

/** libvips converts 16-bit pixels of photos whose profile is a table to this. */
export const DISPLAY_P3: ColourSpace = (() => {
  const space = spaceFromColorants("Display P3", P3_COLORANTS, SRGB.curves);
  if (space === undefined) throw new Error("Display P3 is a colour space");
  return space;
})();

/** Whether a space is sRGB up to the rounding of profiles: within 1/1000 of linear light. */
export function isLikeSrgb(space: ColourSpace): boolean {
  const matrix = space.fromSrgb ?? IDENTITY;
  if (matrix.some((value, index) => Math.abs(value - IDENTITY[index]!) > 0.004)) return false;
  return space.curves.every((curve) =>
    Array.from({ length: 129 }, (_, i) => i / 128).every((x) => Math.abs(curve(x) - toLinear(x)) < 0.001),
  );
}

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const;

/** Rows that add up to 1: profiles round their numbers, and white must stay white. */
function whitened(matrix: readonly number[]): number[] {
  return matrix.map((value, index) => {
    const row = index - (index % 3);
    return value / (matrix[row]! + matrix[row + 1]! + matrix[row + 2]!);
  });
}

/** Luminance of a level 0–1 triple. */
export function luminanceIn(space: ColourSpace, red: number, green: number, blue: number): number {
  const [r, g, b] = space.curves;
  const [y0, y1, y2] = space.luminance;
  return y0! * r(red) + y1! * g(green) + y2! * b(blue);
}

/** A space's levels of one bit depth. */
export interface LevelTables {
  /** What a level adds to luminance 0–1, by channel. */
  readonly redY: Float32Array;
  readonly greenY: Float32Array;
  readonly blueY: Float32Array;
  /** Level (not rounded) at linear light (i / {@link rootsFor})², by channel; one entry to spare for interpolation. */
  readonly red: Float32Array;
  readonly green: Float32Array;
  readonly blue: Float32Array;
}

/**
 * Entries of the tables from light to level. They are spaced by the square root of light: as close in shadows as the
 * eye and 16 bits need them, and few enough to stay in a processor's nearest cache. With 8 bits a level is at least 36
 * entries wide, so that the nearest entry is within 1/72 level of the exact value; with 16 they are interpolated.
 */
export function rootsFor(bitDepth: 8 | 16): number {
  return bitDepth === 8 ? 8192 : 16384;
}

/** Linear light → level, rounded, by one of the tables red, green, blue. Light is clamped to 0–1. */
export function leveller(bitDepth: 8 | 16): (light: number, table: Float32Array) => number {
  const roots = rootsFor(bitDepth);
  const rootOf = (light: number) => roots * Math.sqrt(light < 0 ? 0 : light > 1 ? 1 : light);
  if (bitDepth === 8) return (light, table) => (table[(rootOf(light) + 0.5) | 0]! + 0.5) | 0;
  return (light, table) => {
    const root = rootOf(light);
    const index = root | 0;
    return (table[index]! + (root - index) * (table[index + 1]! - table[index]!) + 0.5) | 0;
  };
}

/** Spaces whose tables are kept; folders hold photos of few spaces. */
const KEPT = 4;
const kept = new Map<string, LevelTables>();

/** The tables of a space, made once. */
export function levelTablesFor(space: ColourSpace, bitDepth: 8 | 16): LevelTables {
  const key = `${space.id} ${bitDepth}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const tables = makeTables(space, bitDepth);
  const [oldest] = kept.keys();
  if (kept.size >= KEPT && oldest !== undefined) kept.delete(oldest);
  kept.set(key, tables);
  return tables;
}

function makeTables(space: ColourSpace, bitDepth: 8 | 16): LevelTables {
  const top = bitDepth === 8 ? 255 : 65535;
  const roots = rootsFor(bitDepth);
  const [red, green, blue] = space.curves;
  const lights = (curve: Curve, share: number) =>
    Float32Array.from({ length: top + 1 }, (_, level) => share * curve(level / top));
  const [y0, y1, y2] = space.luminance;
  const redLevels = levels(red, top, roots);
  return {
    redY: lights(red, y0!),
    greenY: lights(green, y1!),
    blueY: lights(blue, y2!),
    red: redLevels,
    green: green === red ? redLevels : levels(green, top, roots),
    blue: blue === red ? redLevels : levels(blue, top, roots),
  };
}

function levels(curve: Curve, top: number, roots: number): Float32Array {
  const table = new Float32Array(roots + 2);
  let from = 0;
  for (let i = 0; i <= roots; i++) {
    from = solve(curve, (i / roots) ** 2, from);
    table[i] = from * top;
  }
  table[roots + 1] = table[roots]!;
  return table;
}

/** The level at or above `from` whose light is the given one. */
function solve(curve: Curve, light: number, from: number): number {
  if (curve === toLinear) return fromLinear(light);
  let low = from;
  let high = 1;
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (curve(middle) < light) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
