// Finds the screen of a halftone print: the regular grid of dots that newspapers are printed with.
//
// A grid shows in the spectrum as two peaks at about a right angle, equally far from the middle, and it shows all over the
// picture; edges and textures do not. Spectra of patches are therefore averaged by their logarithm.
// Must never: see more than a few bands of a picture.
import { type Picture, readLab } from "../../imaging/index.ts";

/** Sides of patches, pixels; powers of two. */
const LARGEST_PATCH = 256;
const SMALLEST_PATCH = 64;
/** Patches across and down. */
const GRID = 3;
/** Distances between dots that are looked for, pixels. */
const LARGEST_PITCH = 25;
const SMALLEST_PITCH = 2.2;
/** How far a peak's logarithm of power must stand out of what is usual at its frequency. */
const PROMINENCE = 4.5;
/** Pairs of peaks whose power is less than this (in logarithms) below the strongest peak's may be the ground frequency. */
const KIN = 2.5;

/** A peak; frequencies in periods per patch, logarithms of power. */
interface Peak {
  readonly u: number;
  readonly v: number;
  readonly frequency: number;
  readonly power: number;
}

/** The distance between neighbouring dots in pixels; undefined where there is no screen. */
export async function screenPitch(picture: Picture): Promise<number | undefined> {
  const side = 2 ** Math.floor(Math.log2(Math.min(LARGEST_PATCH, picture.width, picture.height)));
  if (side < SMALLEST_PATCH) return undefined;
  const spectrum = new Float64Array(side * side);
  for (let row = 0; row < GRID; row++) {
    const y = Math.round(((picture.height - side) * row) / (GRID - 1));
    const { L, width } = await readLab(picture, y, side);
    for (let column = 0; column < GRID; column++) {
      addLogPower(spectrum, L, width, Math.round(((width - side) * column) / (GRID - 1)), side);
    }
  }
  const frequency = gridFrequency(peaksOf(spectrum, side), side);
  return frequency === undefined ? undefined : side / frequency;
}

/** Adds the logarithm of a patch's power to a sum, by u + v · side. */
function addLogPower(sum: Float64Array, L: Float32Array, width: number, left: number, side: number): void {
  const re = new Float64Array(side * side);
  const im = new Float64Array(side * side);
  const window = Float64Array.from(
    { length: side },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / side),
  );
  let mean = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) mean += L[y * width + left + x]! / (side * side);
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      re[y * side + x] = (L[y * width + left + x]! - mean) * window[x]! * window[y]!;
    }
  }
  for (let y = 0; y < side; y++) transform(re, im, y * side, 1, side);
  for (let x = 0; x < side; x++) transform(re, im, x, side, side);
  for (let i = 0; i < sum.length; i++) sum[i]! += Math.log(re[i]! ** 2 + im[i]! ** 2 + 1) / GRID ** 2;
}

/** A Fourier transform in place (Cooley and Tukey 1965), of `count` values that lie `step` apart. */
function transform(re: Float64Array, im: Float64Array, start: number, step: number, count: number): void {
  const swap = (values: Float64Array, i: number, j: number) => {
    [values[start + i * step], values[start + j * step]] = [
      values[start + j * step]!,
      values[start + i * step]!,
    ];
  };
  for (let i = 1, j = 0; i < count; i++) {
    let bit = count >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      swap(re, i, j);
      swap(im, i, j);
    }
  }
  for (let half = 1; half < count; half *= 2) {
    for (let k = 0; k < half; k++) {
      const [cos, sin] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
      for (let i = k; i < count; i += 2 * half) {
        const [p, q] = [start + i * step, start + (i + half) * step];
        const [x, y] = [re[q]! * cos - im[q]! * sin, re[q]! * sin + im[q]! * cos];
        [re[q], im[q]] = [re[p]! - x, im[p]! - y];
        [re[p], im[p]] = [re[p]! + x, im[p]! + y];
      }
    }
  }
}

/** Peaks in the half of the spectrum that the other half mirrors. */
function peaksOf(spectrum: Float64Array, side: number): Peak[] {
  const powerAt = (u: number, v: number) => spectrum[((v + side) % side) * side + ((u + side) % side)]!;
  const [nearest, farthest] = [side / LARGEST_PITCH, side / SMALLEST_PITCH];
  const candidates: Peak[] = [];
  const rings: number[][] = [];
  for (let v = 0; v < side / 2; v++) {
    for (let u = 1 - side / 2; u < side / 2; u++) {
      const frequency = Math.hypot(u, v);
      if ((v === 0 && u <= 0) || frequency < nearest || frequency > farthest) continue;
      const power = powerAt(u, v);
      const ring = rings[Math.round(frequency)];
      if (ring === undefined) rings[Math.round(frequency)] = [power];
      else ring.push(power);
      let isPeak = true;
      for (let dv = -1; dv <= 1; dv++) {
        for (let du = -1; du <= 1; du++) if (powerAt(u + du, v + dv) > power) isPeak = false;
      }
      if (isPeak) candidates.push({ u, v, frequency, power });
    }
  }
  const usual = rings.map((ring) => ring.sort((one, other) => one - other)[Math.floor(ring.length / 2)]!);
  return candidates.filter(({ frequency, power }) => power - usual[Math.round(frequency)]! > PROMINENCE);
}

/** The frequency of the peaks that span a grid. */
function gridFrequency(peaks: readonly Peak[], side: number): number | undefined {
  const pairs: { readonly frequency: number; readonly power: number }[] = [];
  for (const [i, one] of peaks.entries()) {
    for (const other of peaks.slice(i + 1)) {
      const cosine = (one.u * other.u + one.v * other.v) / (one.frequency * other.frequency);
      const ratio = one.frequency / other.frequency;
      if (Math.abs(cosine) > 0.3 || ratio < 0.87 || ratio > 1.15) continue;
      if (isJpegs(one, side) && isJpegs(other, side)) continue;
      pairs.push({
        frequency: (one.frequency + other.frequency) / 2,
        power: Math.min(one.power, other.power),
      });
    }
  }
  // Of a screen, nothing is stronger than its ground frequency; other patterns have their harmonics paired by chance.
  const most = Math.max(...peaks.map(({ power }) => power));
  const kin = pairs.filter(({ power }) => power > most - KIN).map(({ frequency }) => frequency);
  return kin.length === 0 ? undefined : Math.min(...kin);
}

/**
 * The blocks of strongly compressed JPEGs are a grid, too: upright, with a period of 8 pixels or a fraction of it, and
 * blurred a little by the shades of the picture. (An upright screen of just that period is not found, but can be given.)
 */
function isJpegs({ u, v }: Peak, side: number): boolean {
  const blur = side / 64;
  const off = Math.max(Math.abs(u), Math.abs(v)) % (side / 8);
  return Math.min(Math.abs(u), Math.abs(v)) <= blur && Math.min(off, side / 8 - off) <= blur;
}
