// The network's chroma changed by taste, before it is laid under a photo's lightness: at the network's size, so that a
// change costs the same for a preview and for a scan of 200 megapixels, and no network runs.
//
// Owns: the order of the changes, what counts as skin, where they apply.
// Must never: see full-size pixels, or change lightness.
import { saturate, whiteFactors } from "./adjust.ts";
import { changeWhite, type LabPlanes } from "./lab-rows.ts";
import { type Mask, reading } from "./picture.ts";
import type { MergeOptions } from "./types.ts";

/** How the network's chroma is changed before it is laid under the lightness. */
export interface Tuning {
  /** −1 (bluer) to 1 (more golden). */
  readonly temperature: number;
  /** −1 (greener) to 1 (pinker). */
  readonly tint: number;
  /** −1 to 1: pale colours weaker or stronger; strong ones change little. */
  readonly vibrance: number;
  /** 0–1: how far skin keeps the network's colour against vibrance, colour factor and white balance. */
  readonly protectSkin: number;
  /** 0–1: share of the new colours. The rest is the original's own, which a black-and-white photo does not have. */
  readonly blend: number;
  /** Where all this and the colour factor apply, at any size (255: fully); elsewhere the network's colours stay. */
  readonly mask?: Mask;
}

/** Changes nothing. */
export const NEUTRAL_TUNING: Omit<Tuning, "mask"> = {
  temperature: 0,
  tint: 0,
  vibrance: 0,
  protectSkin: 0,
  blend: 1,
};

/** Whether chroma is changed by more than one factor for all of it. */
export function isTuned({ colorFactor, tuning = NEUTRAL_TUNING }: MergeOptions): boolean {
  const { temperature, tint, vibrance, protectSkin, blend, mask } = tuning;
  if (temperature !== 0 || tint !== 0 || vibrance !== 0 || blend !== 1) return true;
  return colorFactor !== 1 && (protectSkin > 0 || mask !== undefined);
}

/**
 * Changes chroma in place: white balance, then colour factor and vibrance (so that a factor of 0 leaves no colour), each
 * less where skin is, then the share of the new colours; all of it as far as the mask says.
 * @param planes L of what the network saw, a and b that it gave (clamped)
 * @param mask 0–1, of the planes' size; see {@link maskPlane}
 */
export function tune(planes: LabPlanes, options: MergeOptions, mask: Float32Array | undefined): void {
  const { colorFactor, tuning = NEUTRAL_TUNING } = options;
  const { temperature, tint, vibrance, protectSkin, blend } = tuning;
  const { L, a, b } = planes;
  const isEverywhere = mask === undefined && protectSkin === 0 && blend === 1;
  const changed = isEverywhere ? planes : { ...planes, a: a.slice(), b: b.slice() };
  if (temperature !== 0 || tint !== 0) {
    const { xFactor, zFactor } = whiteFactors(temperature, tint);
    changeWhite(changed, xFactor, zFactor);
  }
  if (colorFactor !== 1 || vibrance !== 0) saturate(changed, colorFactor - 1, vibrance);
  if (isEverywhere) return;
  for (let i = 0; i < L.length; i++) {
    const reach = protectSkin === 0 ? 1 : 1 - protectSkin * skinAt(L[i]!, a[i]!, b[i]!);
    const where = mask === undefined ? 1 : mask[i]!;
    // In this order of operations a mask of 0 leaves exactly the network's colour, a blend of 0 exactly none.
    const before = 1 - where + where * blend * (1 - reach);
    const after = where * blend * reach;
    a[i] = a[i]! * before + changed.a[i]! * after;
    b[i] = b[i]! * before + changed.b[i]! * after;
  }
}

/**
 * Skin's region in Lab. Its hues: the ColorChecker's dark and light skin have 46° and 44° at chroma 20 and 25, the facial
 * skin that people like best on displays about 46° and 25 (an experiment of 90 observers in the IS&T library), while the
 * embedded network makes faces yellower (medians of 71°–82° on four trial photographs, up to 93° within a face). Its form:
 * one ellipse in a and b for all lightness is adequate for many uses (Zeng and Luo, "Skin Color Modeling of Digital
 * Photographic Images", J. Imaging Sci. Technol. 55, 2011); here a sector of hue and chroma, with soft borders. Wood, sand
 * and brick lie in it too: colour alone cannot tell them from skin, a mask can.
 */
const SKIN_HUE = 65;
/** Degrees to both sides of it: surely skin, and surely none. */
const [HUE_NEAR, HUE_FAR] = [30, 50] as const;
const radians = (degrees: number) => (degrees * Math.PI) / 180;
const [SKIN_A, SKIN_B] = [Math.cos(radians(SKIN_HUE)), Math.sin(radians(SKIN_HUE))] as const;
const [NEAR, FAR] = [Math.cos(radians(HUE_NEAR)), Math.cos(radians(HUE_FAR))] as const;

/** How far a colour is skin's, 0–1, with soft borders. */
export function skinAt(L: number, a: number, b: number): number {
  const chroma = Math.sqrt(a * a + b * b);
  const along = a * SKIN_A + b * SKIN_B;
  if (along <= FAR * chroma) return 0;
  const hue = ramp(along / chroma, FAR, NEAR);
  return hue * ramp(chroma, 2, 8) * ramp(chroma, 60, 40) * ramp(L, 10, 25) * ramp(L, 100, 95);
}

/** 0 at `none`, 1 at `full`, smooth between and beyond. */
function ramp(value: number, none: number, full: number): number {
  const share = Math.min(1, Math.max(0, (value - none) / (full - none)));
  return share * share * (3 - 2 * share);
}

/** A mask as 0–1 at another size: the mean of the area that each place covers. */
export async function maskPlane(mask: Mask, width: number, height: number): Promise<Float32Array> {
  const plane = new Float32Array(width * height);
  const [across, down] = [mask.width / width, mask.height / height];
  const column = new Float32Array(mask.width);
  await reading([mask], async (reader) => {
    for (let y = 0; y < height; y++) {
      const [top, bottom] = [y * down, (y + 1) * down];
      const first = Math.floor(top);
      const count = Math.min(mask.height, Math.ceil(bottom)) - first;
      const rows = await reader.read(first, count);
      column.fill(0);
      for (let i = 0; i < count; i++) {
        const share = Math.min(first + i + 1, bottom) - Math.max(first + i, top);
        const start = i * mask.width;
        for (let x = 0; x < mask.width; x++) column[x]! += rows[start + x]! * share;
      }
      for (let x = 0; x < width; x++) {
        const [left, right] = [x * across, (x + 1) * across];
        let sum = 0;
        for (let i = Math.floor(left); i < Math.min(mask.width, right); i++) {
          sum += column[i]! * (Math.min(i + 1, right) - Math.max(i, left));
        }
        // Shares add up to 1 but for rounding, and a full mask must be full.
        plane[y * width + x] = Math.round((257 * sum) / (across * down)) / 65_535;
      }
    }
  });
  return plane;
}
