// Soft pictures.

import { pixelNode } from "../node.ts";
import { mapBlurred, radiusInput, sigmaInput } from "../pixels/blur.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { eachOf } from "../pixels/strips.ts";

export const imageBlur = pixelNode({
  class: "ImageBlur",
  title: { en: "Blur Image", zh: "模糊图像" },
  description: { en: "Makes pictures soft.", zh: "让图片变柔和。" },
  category: "image/filters",
  aliases: ["gaussian", "soften", "模糊", "柔化"],
  inputs: { image: imageInput(), blur_radius: radiusInput(), sigma: sigmaInput(0.1) },
  outputs: [imageOutput],
  async run({ image, blur_radius, sigma }, context) {
    const images = await eachOf(image, context, (picture, progress) =>
      mapBlurred(picture, { radius: blur_radius, sigma }, progress, (_level, blurred) => blurred),
    );
    return [images];
  },
});
