// What networks of one channel were trained on: the Y of YCbCr (BT.601).
// Must never: be taken for lightness in the sense of Lab.

/** Of three levels, on their scale. */
export function luma(red: number, green: number, blue: number): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}
