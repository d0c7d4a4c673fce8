// Pictures so many times as large.

import { float, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { methodInput, scaled, timesFactor } from "../pixels/scaling.ts";
import { eachOf } from "../pixels/strips.ts";

export const imageScaleBy = pixelNode({
  class: "ImageScaleBy",
  title: { en: "Upscale Image By", zh: "按比例缩放图像" },
  description: {
    en: "Makes pictures larger or smaller by a factor.",
    zh: "按倍数放大或缩小图片。",
  },
  category: "image/upscaling",
  aliases: ["resize", "zoom", "缩放"],
  inputs: {
    image: imageInput(),
    upscale_method: methodInput(),
    scale_by: float({
      label: { en: "Factor", zh: "倍数" },
      tooltip: {
        en: "2 makes both sides twice as long, 0.5 half as long.",
        zh: "2 表示两边各放大一倍，0.5 表示各缩小一半。",
      },
      default: 1,
      min: 0.01,
      max: 8,
      step: 0.01,
    }),
  },
  outputs: [imageOutput],
  async run({ image, upscale_method, scale_by }, context) {
    const images = await eachOf(image, context, (picture, progress) =>
      scaled(picture, timesFactor(picture, scale_by), upscale_method, progress),
    );
    return [images];
  },
});
