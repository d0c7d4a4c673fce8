// A part of pictures.
import { descriptionOf, fromSharp, type Picture, toSharp } from "../../imaging/index.ts";
import { int, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { placeInputs } from "../pixels/mask-node.ts";
import { eachOf, MAX_RESOLUTION } from "../pixels/strips.ts";

const side = (en: string, zh: string) =>
  int({
    label: { en, zh },
    tooltip: {
      en: "In pixels. Where the picture ends earlier, so does its part.",
      zh: "单位为像素。超出图片的部分会被略去。",
    },
    default: 512,
    min: 1,
    max: MAX_RESOLUTION,
  });

export const imageCrop = pixelNode({
  class: "ImageCrop",
  title: { en: "Crop Image", zh: "裁剪图像" },
  description: { en: "Cuts a rectangle out of pictures.", zh: "从图片中裁出一个矩形。" },
  category: "image/transform",
  aliases: ["cut", "trim", "裁切"],
  inputs: {
    image: imageInput(),
    width: side("Width", "宽度"),
    height: side("Height", "高度"),
    ...placeInputs(),
  },
  outputs: [imageOutput],
  async run({ image, width, height, x, y }, context) {
    const images = await eachOf(image, context, (picture) => {
      // As in ComfyUI at least one row and one column are left.
      const [left, top] = [Math.min(x, picture.width - 1), Math.min(y, picture.height - 1)];
      const size = {
        width: Math.min(width, picture.width - left),
        height: Math.min(height, picture.height - top),
      };
      if (size.width === picture.width && size.height === picture.height) return Promise.resolve(picture);
      const part = toSharp(picture).extract({ left, top, ...size });
      return fromSharp<Picture>(part, { ...descriptionOf(picture), ...size }, context);
    });
    return [images];
  },
});
