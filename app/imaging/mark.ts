// The mark "colourised / 上色" for copies that go out: drawn as lines, since a computer may have no font at all.
//
// Owns: how it looks and where it stands. Must never: be put on anything but a copy.
import type { OverlayOptions } from "sharp";

/** Middle lines of the letters, between the baseline (y = 10) and the height of an x (y = 0), and how wide each is. */
const LETTERS: Readonly<Record<string, readonly [width: number, path: string]>> = {
  c: [9, "M8.4 1.7A5 5 0 1 0 8.4 8.3"],
  o: [10, "M0 5a5 5 0 1 0 10 0a5 5 0 1 0 -10 0"],
  l: [0, "M0 -5V10"],
  u: [8, "M0 0V6a4 4 0 0 0 8 0V0M8 0V10"],
  r: [4.6, "M0 0V10M0 4.4C0 1.6 1.9 0 4.6 .2"],
  i: [0, "M0 0V10M0 -4V-3.9"],
  s: [
    7,
    "M6.8 1.7C6 .5 4.9 0 3.6 0C1.6 0 .4 1 .4 2.5C.4 4.2 2 4.6 3.6 4.9C5.6 5.3 7 5.9 7 7.5C7 9.1 5.6 10 3.6 10C2 10 .8 9.4 0 8.1",
  ],
  e: [10, "M.2 5H9.9A5 5 0 1 0 8.3 8.7"],
  d: [10, "M0 5a5 5 0 1 0 10 0a5 5 0 1 0 -10 0M10 -5V10"],
  "/": [5, "M5 -5L0 11.5"],
  上: [15, "M6.5 -5V10.5M6.5 1.8H13M0 10.5H15"],
  色: [
    15,
    "M5 -5.4C4 -3 2.4 -1 .6 .4M4.2 -3.4H11.4L9.2 .2M2.6 .2H13V5.4H2.6M7.8 .2V5.4M2.6 .2V8.4C2.6 10.2 3.2 10.8 5 10.8H12.2C14.2 10.8 14.8 10 15 7.8",
  ],
};

const WORDS = ["colourised", "/", "上色"];
/** In the letters' units. */
const BETWEEN_LETTERS = 3.4;
const BETWEEN_WORDS = 8;
const PADDING = 8;
const TOP = -5.4;
const BOTTOM = 11.5;
/** Part of the picture's shorter side that the mark is high. */
const HEIGHT = 0.036;
/** Pixels; smaller it cannot be read. */
const LEAST_HEIGHT = 18;
/** Part of the picture that it may cover at most, each way. */
const MOST = 0.9;

/** The mark at the lower right of a picture so large; undefined where the picture is too small for any. */
export function markFor(width: number, height: number): OverlayOptions | undefined {
  let x = PADDING;
  let lines = "";
  for (const [index, word] of WORDS.entries()) {
    if (index > 0) x += BETWEEN_WORDS - BETWEEN_LETTERS;
    for (const letter of word) {
      const [wide, path] = LETTERS[letter] ?? [0, ""];
      lines += `<path transform="translate(${x.toFixed(1)} ${PADDING - TOP})" d="${path}"/>`;
      x += wide + BETWEEN_LETTERS;
    }
  }
  const across = x - BETWEEN_LETTERS + PADDING;
  const down = BOTTOM - TOP + 2 * PADDING;
  const wished = Math.max(LEAST_HEIGHT, HEIGHT * Math.min(width, height));
  const scale = Math.min(wished / down, (MOST * width) / across, (MOST * height) / down);
  const [w, h] = [Math.floor(across * scale), Math.floor(down * scale)];
  if (w < 1 || h < 1) return undefined;
  const margin = Math.min(Math.round(0.4 * h), width - w, height - h);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${across} ${down}">` +
    `<rect width="${across}" height="${down}" rx="6" fill="#000" fill-opacity="0.55"/>` +
    `<g fill="none" stroke="#fff" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round">${lines}</g></svg>`;
  return { input: Buffer.from(svg), left: width - w - margin, top: height - h - margin };
}
