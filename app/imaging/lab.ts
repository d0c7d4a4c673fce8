// CIE Lab of sRGB, exactly. Whole photographs go through the tables of space.ts and the loop of merge.ts.
//
// Formulas: IEC 61966-2-1 for sRGB; CIE 1976 L*a*b* under D65; matrix and white as OpenCV's float conversion uses
// them, because DDColor was trained on its numbers.
// Must never: know about files.

const X_WHITE = 0.950456;
const Z_WHITE = 1.088754;
/** Rows give X, Y, Z of linear RGB. */
const M = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227] as const;

// The inverse is computed, not copied: Lab → RGB must undo RGB → Lab to the last digit, so that L stays L.
const INVERSE = invert(M);
/** What each linear component adds to luminance. */
export const LUMINANCE = [M[3], M[4], M[5]] as const;

/** Linear RGB of (X/Xn, Y, Z/Zn), row-major. */
export const XYZ_TO_RGB = INVERSE.map((value, index) =>
  index % 3 === 0 ? value * X_WHITE : index % 3 === 2 ? value * Z_WHITE : value,
) as readonly number[];

export type Triple = readonly [number, number, number];

/** sRGB component 0–1 → linear light 0–1. */
export function toLinear(component: number): number {
  return component <= 0.04045 ? component / 12.92 : ((component + 0.055) / 1.055) ** 2.4;
}

/** Linear light → sRGB component; clamps to 0–1 first. */
export function fromLinear(light: number): number {
  const clamped = Math.min(1, Math.max(0, light));
  return clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
}

/** Luminance 0–1 → L* 0–100. */
export function lightnessOf(luminance: number): number {
  return luminance > 0.008856 ? 116 * Math.cbrt(luminance) - 16 : 903.3 * luminance;
}

/** L* 0–100 → luminance 0–1, the exact inverse of {@link lightnessOf}. */
export function luminanceOf(lightness: number): number {
  return lightness > 903.3 * 0.008856 ? ((lightness + 16) / 116) ** 3 : lightness / 903.3;
}

/** sRGB 0–1 → L 0–100, a, b. */
export function rgbToLab(red: number, green: number, blue: number): Triple {
  return linearToLab(toLinear(red), toLinear(green), toLinear(blue));
}

/** Linear sRGB 0–1 → L 0–100, a, b. */
export function linearToLab(r: number, g: number, b: number): Triple {
  const y = M[3] * r + M[4] * g + M[5] * b;
  const fx = pivot((M[0] * r + M[1] * g + M[2] * b) / X_WHITE);
  const fy = pivot(y);
  const fz = pivot((M[6] * r + M[7] * g + M[8] * b) / Z_WHITE);
  return [lightnessOf(y), 500 * (fx - fy), 200 * (fy - fz)];
}

/** L 0–100, a, b → linear RGB, not clamped: outside 0–1 where the colour does not exist in sRGB. */
export function labToLinear(lightness: number, a: number, b: number): Triple {
  const y = luminanceOf(lightness);
  const fy = pivot(y);
  const x = unpivot(fy + a / 500);
  const z = unpivot(fy - b / 200);
  const T = XYZ_TO_RGB;
  return [
    T[0]! * x + T[1]! * y + T[2]! * z,
    T[3]! * x + T[4]! * y + T[5]! * z,
    T[6]! * x + T[7]! * y + T[8]! * z,
  ];
}

/** L, a, b → sRGB 0–1, clipped. */
export function labToRgb(lightness: number, a: number, b: number): Triple {
  const [red, green, blue] = labToLinear(lightness, a, b);
  return [fromLinear(red), fromLinear(green), fromLinear(blue)];
}

/** How far outside 0–1 a linear component may be before a colour counts as not existing: below a level of 16 bits. */
export const SLACK = 1e-5;

/** Halvings by which the largest chroma that exists is found. */
export const BISECTIONS = 10;

/**
 * The largest factor 0–1 (to 1/1024) by which (a, b) can be multiplied so that the colour exists in sRGB at this
 * lightness. L and hue stay. Bisection: at fixed L each linear component is a cubic of the factor, and neutral fits.
 */
export function gamutFactor(lightness: number, a: number, b: number): number {
  const luminance = luminanceOf(lightness);
  return gamutFactorAt(luminance, pivot(luminance), a / 500, b / 200);
}

/** {@link gamutFactor} for loops that already have luminance, f(luminance), a/500 and b/200. */
export function gamutFactorAt(luminance: number, fy: number, da: number, db: number): number {
  if (fits(luminance, fy + da, fy - db)) return 1;
  let low = 0;
  let high = 1;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (fits(luminance, fy + da * middle, fy - db * middle)) low = middle;
    else high = middle;
  }
  return low;
}

const [T0 = 0, T1 = 0, T2 = 0, T3 = 0, T4 = 0, T5 = 0, T6 = 0, T7 = 0, T8 = 0] = XYZ_TO_RGB;

function fits(luminance: number, fx: number, fz: number): boolean {
  const x = unpivot(fx);
  const z = unpivot(fz);
  const red = T0 * x + T1 * luminance + T2 * z;
  if (red < -SLACK || red > 1 + SLACK) return false;
  const green = T3 * x + T4 * luminance + T5 * z;
  if (green < -SLACK || green > 1 + SLACK) return false;
  const blue = T6 * x + T7 * luminance + T8 * z;
  return blue >= -SLACK && blue <= 1 + SLACK;
}

/** CIE's f of X/Xn, Y or Z/Zn. */
export function pivot(t: number): number {
  return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
}

/** f beyond which it is a cube root, before it a straight line. */
export const FOOT_END = 0.20689303442;

/** The inverse of {@link pivot}. */
export function unpivot(f: number): number {
  return f > FOOT_END ? f * f * f : (f - 16 / 116) / 7.787;
}

/** Inverse of a 3 × 3 matrix, row-major. */
export function invert(m: readonly number[]): number[] {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0] = m;
  const A = e * i - f * h;
  const B = f * g - d * i;
  const C = d * h - e * g;
  const determinant = a * A + b * B + c * C;
  const adjugate = [
    A,
    c * h - b * i,
    b * f - c * e,
    B,
    a * i - c * g,
    c * d - a * f,
    C,
    b * g - a * h,
    a * e - b * d,
  ];
  return adjugate.map((value) => value / determinant);
}

/** Product of two 3 × 3 matrices, row-major. */
export function multiply(left: readonly number[], right: readonly number[]): number[] {
  return left.map((_, index) => {
    const row = index - (index % 3);
    const column = index % 3;
    return (
      left[row]! * right[column]! + left[row + 1]! * right[3 + column]! + left[row + 2]! * right[6 + column]!
    );
  });
}
