// One picture of many results: each photo before and after, side by side, with its title.
// Owns: the sheet's layout. Must never: write to the photos it shows.
import sharp, { type OverlayOptions } from "sharp";
import { AutochromeError, writeAtomically } from "../../app/kernel/index.ts";
import { escapeMarkup } from "./markup.ts";

/** A photo and its coloured version. */
export interface Pair {
  readonly title: string;
  /** The title for readers of Chinese, where there is one. */
  readonly titleZh?: string;
  /** Path of the original. */
  readonly before: string;
  /** Path of the coloured version. */
  readonly after: string;
}

/** All in pixels. */
const FRAME = 384;
const BETWEEN = 6;
const CELL = 2 * FRAME + BETWEEN;
const GUTTER = 56;
const MARGIN = 64;
const CAPTION = 52;
const FONT_SIZE = 22;
const PAPER = "#f6f3ed";
const INK = "#3a352f";
const FONTS = "Georgia, 'Noto Serif', 'DejaVu Serif', 'Noto Serif CJK SC', 'Songti SC', SimSun, serif";
const MOST = 100;

const CJK =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]/u;

/** Where everything goes, in pixels. */
export interface SheetLayout {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  /** For each row of pairs: the line that its pictures stand on. */
  readonly lines: readonly number[];
}

/** @param heights of the reduced pictures, one per pair: a row is as high as its highest */
export function layOutSheet(heights: readonly number[]): SheetLayout {
  const count = heights.length;
  const columns = count === 1 ? 1 : count <= 12 ? 2 : count <= 30 ? 3 : 4;
  const lines: number[] = [];
  let y = MARGIN;
  for (let first = 0; first < count; first += columns) {
    y += Math.max(...heights.slice(first, first + columns));
    lines.push(y);
    y += CAPTION + GUTTER;
  }
  return {
    width: 2 * MARGIN + columns * CELL + (columns - 1) * GUTTER,
    height: y - GUTTER + MARGIN,
    columns,
    lines,
  };
}

/**
 * Writes the sheet as a PNG, replacing an older one.
 * @param pairs 1–100
 * @param target path that ends in .png
 * @throws AutochromeError "usage" for no pairs or too many
 */
export async function makeContactSheet(pairs: readonly Pair[], target: string): Promise<void> {
  if (pairs.length === 0 || pairs.length > MOST) {
    throw new AutochromeError(
      "usage",
      `A contact sheet holds 1 to ${MOST} photos, not ${pairs.length}.`,
      "Choose fewer photos.",
    );
  }
  const pictures: { before: Reduced; after: Reduced }[] = [];
  for (const { before, after } of pairs) {
    pictures.push({ before: await reduce(before), after: await reduce(after) });
  }
  const { width, height, columns, lines } = layOutSheet(
    pictures.map(({ before, after }) => Math.max(before.info.height, after.info.height)),
  );
  const overlays: OverlayOptions[] = [];
  const captions: string[] = [];
  for (const [index, { before, after }] of pictures.entries()) {
    // The two meet in the middle of their cell and stand on the row's line, whatever their shape.
    const seam = MARGIN + (index % columns) * (CELL + GUTTER) + CELL / 2;
    const line = lines[Math.floor(index / columns)]!;
    overlays.push(
      place(before, seam - BETWEEN / 2 - before.info.width, line - before.info.height),
      place(after, seam + BETWEEN / 2, line - after.info.height),
    );
    const text = await drawable(pairs[index]!.title, index);
    captions.push(`<text x="${seam}" y="${line + 36}">${escapeMarkup(text)}</text>`);
  }
  const words =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<g fill="${INK}" font-family="${FONTS}" font-size="${FONT_SIZE}" text-anchor="middle">` +
    `${captions.join("")}</g></svg>`;
  const sheet = sharp({ create: { width, height, channels: 3, background: PAPER } })
    .composite([...overlays, { input: Buffer.from(words) }])
    .removeAlpha()
    .png();
  await writeAtomically(target, { overwrite: true }, (temporary) => sheet.toFile(temporary));
}

type Reduced = Awaited<ReturnType<typeof reduce>>;

function reduce(path: string) {
  return sharp(path)
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .resize(FRAME, FRAME, { fit: "inside" })
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
}

function place({ data, info }: Reduced, left: number, top: number): OverlayOptions {
  const { width, height, channels } = info;
  return { input: data, raw: { width, height, channels }, left, top };
}

/** The title as far as this machine's fonts can draw it, cut to the cell's width. */
async function drawable(title: string, index: number): Promise<string> {
  let text = title.trim().replaceAll(/\s+/g, " ");
  if (!(await canDraw("-"))) return "";
  if (CJK.test(text) && !(await canDraw("一"))) {
    text = text.replaceAll(new RegExp(CJK, "gu"), "").trim();
    if (!/[\p{L}\p{N}]/u.test(text)) text = `${index + 1}`;
  }
  // An estimate of the width, on the wide side: CJK is square, other letters about half of that.
  let room = CELL / FONT_SIZE;
  let fitting = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    room -= CJK.test(segment) || /\p{Extended_Pictographic}/u.test(segment) ? 1.05 : 0.58;
    if (room < 1) return `${fitting.trimEnd()}…`;
    fitting += segment;
  }
  return fitting;
}

const drawn = new Map<string, Promise<boolean>>();

/**
 * Whether a font has this dash-like character. Where none has, a box stands in for it, or nothing at all; the real one
 * is flat.
 */
function canDraw(dash: "-" | "一"): Promise<boolean> {
  let answer = drawn.get(dash);
  if (answer === undefined) {
    answer = isFlat(dash);
    drawn.set(dash, answer);
  }
  return answer;
}

async function isFlat(text: string): Promise<boolean> {
  const side = 96;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}">` +
    `<text x="20" y="70" font-family="${FONTS}" font-size="56">${text}</text></svg>`;
  const alpha = await sharp(Buffer.from(svg)).extractChannel("alpha").raw().toBuffer();
  const inked = Array.from(alpha.keys()).filter((at) => alpha[at]! > 64);
  const extent = (places: number[]): number => Math.max(...places) - Math.min(...places) + 1;
  if (inked.length === 0) return false;
  return 2 * extent(inked.map((at) => Math.floor(at / side))) < extent(inked.map((at) => at % side));
}
