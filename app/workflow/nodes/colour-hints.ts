// "This coat was blue": colours that a person gives, spread over what they belong to. Lightness never changes.
import { type Mask, rgbToLab, smallLab, toSharp } from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import { float, mask as maskOf, optional, pixelNode, string } from "../node.ts";
import { changeInLab, imageInput, imageOutput, strengthInput } from "../pixels/lab-node.ts";
import { layColours, type Source, spreadColours } from "../pixels/spread.ts";

/** The longer side of the copy on which colours are spread, pixels. */
const SMALL = 512;
/** Every colour is spread on its own. */
const MOST_POINTS = 200;
/** Masks are taken from here on, so that thin strokes survive the reduction. */
const PAINTED = 64;

export const colourHints = pixelNode({
  class: "AutochromeColourHints",
  title: { en: "Colour hints", zh: "颜色提示" },
  description: {
    en: "Gives places the colours that you know they had. A colour spreads until lightness changes at an edge; lightness itself stays exactly as it is.",
    zh: "给画面中的位置指定你所知道的颜色。颜色会一直扩散到明暗边缘为止，亮度保持不变。",
  },
  category: "autochrome/colour",
  aliases: ["scribble", "recolour", "recolor", "paint", "上色", "涂色"],
  inputs: {
    image: imageInput(),
    points: string({
      label: { en: "Points", zh: "提示点" },
      tooltip: {
        en: "One per line: x,y,#rrggbb. x and y go from 0 (left, top) to 1 (right, bottom).",
        zh: "每行一个：x,y,#rrggbb。x、y 从 0（左、上）到 1（右、下）。",
      },
      default: "",
      isMultiline: true,
    }),
    colour: string({
      label: { en: "Mask colour", zh: "遮罩颜色" },
      tooltip: {
        en: "The colour of what the mask marks, as #rrggbb. Not used without a mask.",
        zh: "遮罩所标区域的颜色，格式 #rrggbb。没有遮罩时不起作用。",
      },
      default: "#5b7fae",
    }),
    reach: float({
      label: { en: "Reach", zh: "扩散范围" },
      tooltip: {
        en: "How far a colour spreads at most, as a share of the longer side.",
        zh: "颜色最远扩散多远，以长边的比例表示。",
      },
      default: 0.4,
      min: 0.01,
      max: 2,
    }),
    strength: strengthInput(1),
    mask: optional(
      maskOf({
        label: { en: "Mask", zh: "遮罩" },
        tooltip: {
          en: "Marks what has the mask colour; a stroke in the middle of it is enough.",
          zh: "标出应有遮罩颜色的地方，在中间画一笔即可。",
        },
      }),
    ),
  },
  outputs: [imageOutput],
  check({ points, colour }) {
    const { wrong } = readPoints(points ?? "");
    if (wrong !== undefined) return wrong;
    return readColour(colour ?? "#000000") === undefined
      ? `the colour "${colour}" is not #rrggbb`
      : undefined;
  },
  async run({ image, points, colour, reach, strength, mask }, context) {
    const { hints, wrong } = readPoints(points);
    const maskColour = readColour(colour);
    if (wrong !== undefined || maskColour === undefined) {
      throw new AutochromeError(
        "workflow-invalid",
        `The colour hints cannot be used: ${wrong ?? `"${colour}" is not a colour`}.`,
        "Write points as x,y,#rrggbb, one per line, and colours as #rrggbb.",
      );
    }
    const images = await changeInLab(image, context, async (picture, index) => {
      if (strength === 0 || (hints.length === 0 && mask === undefined)) return undefined;
      const small = await smallLab(picture, SMALL);
      const { width, height } = small;
      const byColour = new Map<string, number[]>();
      for (const { x, y, name } of hints) {
        const place =
          Math.min(height - 1, Math.floor(y * height)) * width + Math.min(width - 1, Math.floor(x * width));
        byColour.set(name, [...(byColour.get(name) ?? []), place]);
      }
      const sources = [...byColour].flatMap(([name, places]) => sourceOf(readColour(name), places));
      if (mask !== undefined) {
        const places = await paintedPlaces(mask[Math.min(index, mask.length - 1)]!, width, height);
        sources.push(...sourceOf(maskColour, places));
      }
      const spread = spreadColours(small, sources, reach * Math.max(width, height));
      return {
        margin: 0,
        changes: "chroma",
        edit: (strip) => layColours(strip, spread, picture, strength),
      };
    });
    return [images];
  },
});

interface Hint {
  /** 0–1. */
  readonly x: number;
  readonly y: number;
  /** "#rrggbb". */
  readonly name: string;
}

function readPoints(text: string): { readonly hints: readonly Hint[]; readonly wrong?: string } {
  const hints: Hint[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [x, y, name, ...rest] = line.split(",").map((part) => part.trim());
    const places = [x, y].map((part) => (part === undefined || part === "" ? Number.NaN : Number(part)));
    const isGood =
      rest.length === 0 &&
      places.every((place) => place >= 0 && place <= 1) &&
      readColour(name ?? "") !== undefined;
    if (!isGood) {
      return {
        hints: [],
        wrong: `line ${index + 1} of the points is not x,y,#rrggbb with x and y from 0 to 1`,
      };
    }
    hints.push({ x: places[0]!, y: places[1]!, name: (name ?? "").toLowerCase() });
  }
  return hints.length > MOST_POINTS
    ? { hints: [], wrong: `there are ${hints.length} points, and at most ${MOST_POINTS} can be used` }
    : { hints };
}

/** a and b of "#rrggbb"; undefined for anything else. */
function readColour(name: string): readonly [a: number, b: number] | undefined {
  const digits = /^#([0-9a-f]{6})$/i.exec(name.trim())?.[1];
  if (digits === undefined) return undefined;
  const level = (at: number) => Number.parseInt(digits.slice(at, at + 2), 16) / 255;
  const [, a, b] = rgbToLab(level(0), level(2), level(4));
  return [a, b];
}

function sourceOf(colour: readonly [number, number] | undefined, places: readonly number[]): Source[] {
  return colour === undefined ? [] : [{ a: colour[0], b: colour[1], places }];
}

async function paintedPlaces(mask: Mask, width: number, height: number): Promise<number[]> {
  const levels = await toSharp(mask).resize(width, height, { fit: "fill" }).raw().toBuffer();
  return Array.from(levels.keys()).filter((place) => levels[place]! >= PAINTED);
}
