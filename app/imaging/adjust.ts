// The colour changes that a person asks for by a number, one formula for nodes and for tuning: white balance, saturation,
// vibrance. Must never: change lightness.
import type { LabPlanes } from "./lab-rows.ts";

/** X/Xn and Z/Zn of 4000 K daylight under D65: what white looks like at full warmth. */
const WARM = { x: 1.0625, z: 0.592 } as const;
/** The same for white with full tint: as far from neutral, along the axis from green to magenta. */
const MAGENTA = { x: 1.2, z: 1.1 } as const;
/** Chroma (Lab units) from which on vibrance leaves a colour alone. */
const VIVID = 80;

/**
 * What {@link changeWhite} is to multiply X and Z by.
 * @param temperature −1 (bluer) to 1 (more golden) @param tint −1 (greener) to 1 (pinker); 0 and 0 give 1 and 1
 */
export function whiteFactors(
  temperature: number,
  tint: number,
): { readonly xFactor: number; readonly zFactor: number } {
  return {
    xFactor: WARM.x ** temperature * MAGENTA.x ** tint,
    zFactor: WARM.z ** temperature * MAGENTA.z ** tint,
  };
}

/**
 * Stronger or paler colours, in place; hues stay.
 * @param saturation −1 (no colour) to 1 (twice the chroma), for all colours alike
 * @param vibrance the same for the palest; the stronger a colour is, the less it changes
 */
export function saturate({ a, b }: LabPlanes, saturation: number, vibrance: number): void {
  for (let i = 0; i < a.length; i++) {
    const chroma = Math.sqrt(a[i]! * a[i]! + b[i]! * b[i]!);
    const paleness = Math.max(0, 1 - chroma / VIVID);
    const factor = (1 + saturation) * (1 + vibrance * paleness * paleness);
    a[i]! *= factor;
    b[i]! *= factor;
  }
}
