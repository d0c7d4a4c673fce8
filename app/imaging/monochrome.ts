// Is a photo black-and-white? Sepia, cyanotype and split-toned prints count: their colour is a function of
// lightness alone. Owns: that judgement. Must never: look at more than a small rendition.
import { rgbToLab } from "./lab.ts";

/** Lightness classes along which a toning's colour may change. */
const CLASSES = 12;
/** Distance from the toning's curve, in Lab units, that paper stains, scanner noise and JPEG chroma stay within. */
const TOLERANCE = 7;
/** Share of the pixels that may lie further off: a coloured border, a stamp, a pen mark. */
const OUTLIERS = 0.04;

/**
 * @param rgb interleaved sRGB of a small rendition (about 64–128 pixels a side)
 */
export function isMonochromePixels(rgb: Uint8Array): boolean {
  const count = Math.floor(rgb.length / 3);
  const a = new Float32Array(count);
  const b = new Float32Array(count);
  const classes: number[][] = Array.from({ length: CLASSES }, () => []);
  for (let i = 0; i < count; i++) {
    const [lightness, labA, labB] = rgbToLab(rgb[i * 3]! / 255, rgb[i * 3 + 1]! / 255, rgb[i * 3 + 2]! / 255);
    a[i] = labA;
    b[i] = labB;
    classes[Math.min(CLASSES - 1, Math.floor((lightness / 100) * CLASSES))]!.push(i);
  }
  // Medians, not means: a few coloured pixels must not bend the curve they are measured against.
  let outside = 0;
  for (const members of classes) {
    if (members.length === 0) continue;
    const centreA = median(members, a);
    const centreB = median(members, b);
    for (const i of members) if (Math.hypot(a[i]! - centreA, b[i]! - centreB) > TOLERANCE) outside++;
  }
  return outside <= count * OUTLIERS;
}

function median(members: readonly number[], values: Float32Array): number {
  const sorted = Float32Array.from(members, (i) => values[i]!).sort();
  return sorted[Math.floor(sorted.length / 2)]!;
}
