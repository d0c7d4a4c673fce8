// Two pictures side by side.
import { descriptionOf, type Picture, type PixelReader, reading, topOf } from "../../imaging/index.ts";
import { boolean, choice, image, int, optional, type PixelContext, pixelNode } from "../node.ts";
import { alike } from "../pixels/alike.ts";
import { imageOutput } from "../pixels/lab-node.ts";
import { type Size, scaled } from "../pixels/scaling.ts";
import { eachOf, makePixels, makingOf, pairs } from "../pixels/strips.ts";

type Direction = "right" | "down" | "left" | "up";

const COLOURS = {
  white: [1, 1, 1],
  black: [0, 0, 0],
  red: [1, 0, 0],
  green: [0, 1, 0],
  blue: [0, 0, 1],
} as const;

interface Layout {
  readonly direction: Direction;
  readonly match: boolean;
  /** Pixels between the two. */
  readonly spacing: number;
  readonly colour: keyof typeof COLOURS;
}

export const imageStitch = pixelNode({
  class: "ImageStitch",
  title: { en: "Stitch Images", zh: "拼接图像" },
  description: {
    en: "Puts two pictures side by side. The result has the colour space of the first. Without a second picture the first stays as it is.",
    zh: "把两张图片并排拼接，沿用第一张的色彩空间。没有第二张时，第一张保持原样。",
  },
  category: "image/transform",
  aliases: ["side by side", "join", "concatenate", "compare", "拼接", "并排", "对比"],
  inputs: {
    image1: image({
      label: { en: "Image 1", zh: "图像 1" },
      tooltip: { en: "The picture that the other one is put beside.", zh: "作为基准的图片。" },
    }),
    direction: choice({
      label: { en: "Direction", zh: "方向" },
      tooltip: {
        en: "On which side of the first picture the second one is put.",
        zh: "第二张图片位于第一张的哪一侧。",
      },
      choices: ["right", "down", "left", "up"] as const,
      default: "right",
    }),
    match_image_size: boolean({
      label: { en: "Match sizes", zh: "统一尺寸" },
      tooltip: {
        en: "Scales the second picture so that the sides that meet are equally long.",
        zh: "缩放第二张图片，使相接的边等长。",
      },
      default: true,
    }),
    spacing_width: int({
      label: { en: "Spacing", zh: "间距" },
      tooltip: { en: "Pixels between the pictures; even.", zh: "两张图片之间的像素数（取偶数）。" },
      default: 0,
      min: 0,
      max: 1024,
      step: 2,
      isAdvanced: true,
    }),
    spacing_color: choice({
      label: { en: "Spacing colour", zh: "间距颜色" },
      tooltip: {
        en: "The colour between the pictures, and around the smaller one.",
        zh: "图片之间以及较小图片周围的颜色。",
      },
      choices: ["white", "black", "red", "green", "blue"] as const,
      default: "white",
      isAdvanced: true,
    }),
    image2: optional(
      image({
        label: { en: "Image 2", zh: "图像 2" },
        tooltip: { en: "The picture that is put beside.", zh: "要拼接上去的图片。" },
      }),
    ),
  },
  outputs: [imageOutput],
  async run({ image1, image2, direction, match_image_size, spacing_width, spacing_color }, context) {
    if (image2 === undefined) return [image1];
    const layout: Layout = {
      direction,
      match: match_image_size,
      spacing: spacing_width + (spacing_width % 2),
      colour: spacing_color,
    };
    const images = await eachOf(pairs(image1, image2), context, ([one, two], progress) =>
      stitch(one, two, layout, progress),
    );
    return [images];
  },
});

/** A picture's place in the new one. */
interface Piece {
  readonly picture: Picture;
  readonly x: number;
  readonly y: number;
}

async function stitch(one: Picture, two: Picture, layout: Layout, context: PixelContext): Promise<Picture> {
  const isAcross = layout.direction === "right" || layout.direction === "left";
  const channels = one.channels === 4 || two.channels === 4 ? 4 : 3;
  const size = layout.match ? matching(two, one, isAcross) : two;
  const fitted = await scaled(two, size, "lanczos", context);
  const first = await alike(one, one, channels, context);
  const second = await alike(fitted, one, channels, context);
  const inOrder =
    layout.direction === "right" || layout.direction === "down" ? [first, second] : [second, first];
  const canvas = isAcross
    ? { width: first.width + layout.spacing + second.width, height: Math.max(first.height, second.height) }
    : { width: Math.max(first.width, second.width), height: first.height + layout.spacing + second.height };
  let along = 0;
  const pieces = inOrder.map((picture): Piece => {
    const start = along;
    along += (isAcross ? picture.width : picture.height) + layout.spacing;
    return isAcross
      ? { picture, x: start, y: Math.floor((canvas.height - picture.height) / 2) }
      : { picture, x: Math.floor((canvas.width - picture.width) / 2), y: start };
  });
  const shape = { ...descriptionOf(first), ...canvas, ...makingOf([one, two]) };
  const top = topOf(shape);
  // All that is left free has the one colour; ComfyUI has black around smaller pictures when the spacing is coloured.
  const colour = [...COLOURS[layout.colour], 1].map((share) => share * top);
  return reading(inOrder, (...readers) =>
    makePixels<Picture>(shape, context, async (rows, y, count) => {
      for (let at = 0; at < rows.length; at++) rows[at] = colour[at % channels]!;
      for (const [index, piece] of pieces.entries()) {
        await lay(piece, readers[index]!, { rows, y, count, width: canvas.width });
      }
    }),
  );
}

/** The size that makes the sides equal that meet. */
function matching(two: Size, one: Size, isAcross: boolean): Size {
  const aspect = two.width / two.height;
  return isAcross
    ? { width: Math.max(1, Math.floor(one.height * aspect)), height: one.height }
    : { width: one.width, height: Math.max(1, Math.floor(one.width / aspect)) };
}

async function lay(
  { picture, x, y }: Piece,
  reader: PixelReader,
  strip: { rows: Uint8Array | Uint16Array; y: number; count: number; width: number },
): Promise<void> {
  const from = Math.max(y, strip.y);
  const to = Math.min(y + picture.height, strip.y + strip.count);
  if (from >= to) return;
  const stride = picture.width * picture.channels;
  const own = await reader.read(from - y, to - from);
  for (let row = 0; row < to - from; row++) {
    const at = ((from - strip.y + row) * strip.width + x) * picture.channels;
    strip.rows.set(own.subarray(row * stride, (row + 1) * stride), at);
  }
}
