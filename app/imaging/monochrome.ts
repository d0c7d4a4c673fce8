// Is a photo black-and-white? Sepia, cyanotype and split-toned prints count: their colour is a function of
// lightness alone. Owns: that judgement. Must never: look at more than a small rendition.
import { linearToLab, toLinear } from "./lab.ts";

/** Lightness classes; between their middles the toning's colour is taken to change evenly. */
const CLASSES = 20;
/** Share of the pixels that may lie anywhere: a coloured border, a stamp, a pen mark. */
const OUTLIERS = 0.04;
/** Mean distance of the others from the toning's curve (Lab units) that scanners and JPEG make of a neutral print. */
const NOISE = 1;
/** How much more of it stains and fading make, for each unit of the toning's own chroma. */
const UNEVENNESS = 0.025;
/** Chroma beyond the strongest toning, a cyanotype's: a picture with more than outliers of it is coloured. */
const STRONGEST = 60;

/**
 * The constants were found on some 200 grey and toned photographs, noisy and badly compressed, and 1000 coloured ones, of
 * which one in fifty is taken for a toning: a single colour on white or black cannot be told from one.
 * @param rgb interleaved sRGB of a small rendition (about 64–128 pixels a side)
 */
export function isMonochromePixels(rgb: Uint8Array): boolean {
  const count = Math.floor(rgb.length / 3);
  const lightness = new Float32Array(count);
  const a = new Float32Array(count);
  const b = new Float32Array(count);
  let chroma = 0;
  let strong = 0;
  for (let i = 0; i < count; i++) {
    const lab = linearToLab(LIGHT[rgb[i * 3]!]!, LIGHT[rgb[i * 3 + 1]!]!, LIGHT[rgb[i * 3 + 2]!]!);
    lightness[i] = lab[0];
    a[i] = lab[1];
    b[i] = lab[2];
    const length = Math.hypot(lab[1], lab[2]);
    chroma += length / count;
    if (length > STRONGEST) strong++;
  }
  if (strong > count * OUTLIERS) return false;
  const kept = Math.ceil(count * (1 - OUTLIERS));
  const distances = distancesFromToning(lightness, a, b).sort().subarray(0, kept);
  const distance = distances.reduce((sum, value) => sum + value, 0) / kept;
  return distance <= NOISE + UNEVENNESS * chroma;
}

const LIGHT = Float64Array.from({ length: 256 }, (_, level) => toLinear(level / 255));

/** How far each pixel's colour is from the one that goes with its lightness in this picture. */
function distancesFromToning(lightness: Float32Array, a: Float32Array, b: Float32Array): Float32Array {
  const classes: number[][] = Array.from({ length: CLASSES }, () => []);
  for (const [i, value] of lightness.entries()) {
    classes[Math.min(CLASSES - 1, Math.floor((value / 100) * CLASSES))]!.push(i);
  }
  const filled = classes.filter((members) => members.length > 0);
  // Medians, not means: a few coloured pixels must not bend the curve they are measured against.
  const curve = filled.map((members) => [lightness, a, b].map((values) => median(members, values)));
  const distances = new Float32Array(lightness.length);
  for (const [at, members] of filled.entries()) {
    const middle = curve[at]!;
    for (const i of members) {
      const other = curve[lightness[i]! < middle[0]! ? at - 1 : at + 1] ?? middle;
      const span = other[0]! - middle[0]!;
      const share = span === 0 ? 0 : (lightness[i]! - middle[0]!) / span;
      const toningA = middle[1]! + (other[1]! - middle[1]!) * share;
      const toningB = middle[2]! + (other[2]! - middle[2]!) * share;
      distances[i] = Math.hypot(a[i]! - toningA, b[i]! - toningB);
    }
  }
  return distances;
}

function median(members: readonly number[], values: Float32Array): number {
  const sorted = Float32Array.from(members, (i) => values[i]!).sort();
  return sorted[Math.floor(sorted.length / 2)]!;
}
