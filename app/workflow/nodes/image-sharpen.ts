// Crisp pictures.

import { float, pixelNode } from "../node.ts";
import { mapBlurred, radiusInput, sigmaInput } from "../pixels/blur.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { eachOf } from "../pixels/strips.ts";

/** How many times the difference from the blurred picture is added for an alpha of 1, as in ComfyUI. */
const GAIN = 10;

export const imageSharpen = pixelNode({
  class: "ImageSharpen",
  title: { en: "Sharpen Image", zh: "锐化图像" },
  description: {
    en: "Makes edges and fine detail stand out.",
    zh: "让边缘和细节更清晰。",
  },
  category: "image/filters",
  aliases: ["unsharp mask", "crisp", "锐化"],
  inputs: {
    image: imageInput(),
    sharpen_radius: radiusInput(true),
    sigma: sigmaInput(0.01, true),
    alpha: float({
      label: { en: "Amount", zh: "强度" },
      tooltip: {
        en: "How strongly. 0 leaves the picture as it is; photographs rarely bear more than 0.3.",
        zh: "锐化的力度。0 表示保持原样；照片一般不宜超过 0.3。",
      },
      default: 1,
      min: 0,
      max: 5,
      step: 0.01,
      isAdvanced: true,
    }),
  },
  outputs: [imageOutput],
  async run({ image, sharpen_radius, sigma, alpha }, context) {
    if (alpha === 0) return [image];
    // Not sharp's own sharpening: it goes through CIE Lab and does not leave neutral colours exactly neutral.
    const images = await eachOf(image, context, (picture, progress) =>
      mapBlurred(
        picture,
        { radius: sharpen_radius, sigma },
        progress,
        (level, blurred) => level + GAIN * alpha * (level - blurred),
      ),
    );
    return [images];
  },
});
