// Pictures in a given size.

import { choice, int, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { methodInput, roundHalfEven, type Size, scaled } from "../pixels/scaling.ts";
import { eachOf, MAX_RESOLUTION } from "../pixels/strips.ts";

const side = (en: string, zh: string) =>
  int({
    label: { en, zh },
    tooltip: {
      en: "In pixels. 0 follows from the other side, so that the shape stays.",
      zh: "单位为像素。0 表示按另一边保持比例。",
    },
    default: 512,
    min: 0,
    max: MAX_RESOLUTION,
  });

export const imageScale = pixelNode({
  class: "ImageScale",
  title: { en: "Upscale Image", zh: "缩放图像" },
  description: {
    en: "Makes pictures larger or smaller, to a given width and height.",
    zh: "把图片放大或缩小到指定的宽度和高度。",
  },
  category: "image/upscaling",
  aliases: ["resize", "scale image", "zoom", "缩放", "调整大小"],
  inputs: {
    image: imageInput(),
    upscale_method: methodInput(),
    width: side("Width", "宽度"),
    height: side("Height", "高度"),
    crop: choice({
      label: { en: "Crop", zh: "裁剪" },
      tooltip: {
        en: "center cuts edges off where the new shape is another; disabled distorts the picture.",
        zh: "center 会裁去多余的边缘以适应新的形状；disabled 会拉伸图片。",
      },
      choices: ["disabled", "center"] as const,
    }),
  },
  outputs: [imageOutput],
  async run({ image, upscale_method, width, height, crop }, context) {
    const images = await eachOf(image, context, (picture, progress) =>
      scaled(picture, sizeOf(picture, width, height), upscale_method, progress, crop),
    );
    return [images];
  },
});

function sizeOf(picture: Size, width: number, height: number): Size {
  if (width === 0 && height === 0) return picture;
  const follow = (side: number, given: number, from: number) =>
    side === 0 ? Math.max(1, roundHalfEven(given / from)) : side;
  return {
    width: follow(width, picture.width * height, picture.height),
    height: follow(height, picture.height * width, picture.width),
  };
}
