// Pictures of which a side is within a range; those that are pass as they are.

import { choice, int, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { methodInput, roundHalfEven, type Size, scaled } from "../pixels/scaling.ts";
import { eachOf, MAX_RESOLUTION } from "../pixels/strips.ts";

const limit = (en: string, zh: string, tooltip: { en: string; zh: string }, initial: number) =>
  int({ label: { en, zh }, tooltip, default: initial, min: 1, max: MAX_RESOLUTION });

export const imageScaleToSideRange = pixelNode({
  class: "ImageScaleToSideRange",
  title: { en: "Scale Image to Side Range", zh: "缩放图像到边长范围" },
  description: {
    en: "Enlarges pictures that are too small and reduces those that are too large. Others stay as they are.",
    zh: "过小的图片放大，过大的图片缩小，其余保持原样。",
  },
  category: "image/upscaling",
  aliases: ["resize", "limit", "maximum side", "缩放", "边长"],
  inputs: {
    image: imageInput(),
    upscale_method: methodInput(),
    side: choice({
      label: { en: "Side", zh: "边" },
      tooltip: { en: "The side that is measured.", zh: "以哪条边为准：shorter 为短边，longer 为长边。" },
      choices: ["shorter", "longer"] as const,
    }),
    min: limit(
      "Minimum",
      "最小",
      {
        en: "In pixels. Pictures whose side is shorter are enlarged.",
        zh: "单位为像素。该边更短的图片会被放大。",
      },
      512,
    ),
    max: limit(
      "Maximum",
      "最大",
      {
        en: "In pixels. Pictures whose side is longer are reduced.",
        zh: "单位为像素。该边更长的图片会被缩小。",
      },
      2048,
    ),
  },
  outputs: [imageOutput],
  check({ min, max }) {
    if (min === undefined || max === undefined || min <= max) return undefined;
    return `The minimum, ${min}, is above the maximum, ${max}: exchange them`;
  },
  async run({ image, upscale_method, side, min, max }, context) {
    const sizeOf = ({ width, height }: Size): Size => {
      const measured = side === "shorter" ? Math.min(width, height) : Math.max(width, height);
      const wanted = Math.min(max, Math.max(min, measured));
      const scale = (before: number) => Math.max(1, roundHalfEven((before * wanted) / measured));
      return { width: scale(width), height: scale(height) };
    };
    const images = await eachOf(image, context, (picture, progress) =>
      scaled(picture, sizeOf(picture), upscale_method, progress),
    );
    return [images];
  },
});
