// Pictures with a given number of pixels.

import { float, int, optional, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { methodInput, roundHalfEven, type Size, scaled } from "../pixels/scaling.ts";
import { eachOf } from "../pixels/strips.ts";

/** ComfyUI's megapixel. */
const MEGAPIXEL = 1024 * 1024;

export const imageScaleToTotalPixels = pixelNode({
  class: "ImageScaleToTotalPixels",
  title: { en: "Scale Image to Total Pixels", zh: "缩放图像到总像素数" },
  description: {
    en: "Makes pictures larger or smaller until they have so many pixels. Their shape stays.",
    zh: "把图片缩放到指定的总像素数，形状不变。",
  },
  category: "image/upscaling",
  aliases: ["resize", "megapixels", "缩放", "百万像素"],
  inputs: {
    image: imageInput(),
    upscale_method: methodInput(),
    megapixels: float({
      label: { en: "Megapixels", zh: "百万像素" },
      tooltip: {
        en: "1 is 1024 × 1024 pixels.",
        zh: "1 表示 1024 × 1024 像素。",
      },
      default: 1,
      min: 0.01,
      max: 16,
      step: 0.01,
    }),
    resolution_steps: optional(
      int({
        label: { en: "Multiple of", zh: "尺寸倍数" },
        tooltip: {
          en: "Both sides become multiples of so many pixels.",
          zh: "两边的像素数都取该数的倍数。",
        },
        default: 1,
        min: 1,
        max: 256,
        isAdvanced: true,
      }),
    ),
  },
  outputs: [imageOutput],
  async run({ image, upscale_method, megapixels, resolution_steps: step }, context) {
    const sizeOf = ({ width, height }: Size): Size => {
      const factor = Math.sqrt((megapixels * MEGAPIXEL) / (width * height));
      const side = (before: number) => Math.max(1, roundHalfEven((before * factor) / step)) * step;
      return { width: side(width), height: side(height) };
    };
    const images = await eachOf(image, context, (picture, progress) =>
      scaled(picture, sizeOf(picture), upscale_method, progress),
    );
    return [images];
  },
});
