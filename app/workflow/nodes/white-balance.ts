// Warmer, cooler, greener, pinker; or neutral by the picture's mean. Lightness never changes.
import { changeWhite, greyWorld, smallLab, whiteFactors } from "../../imaging/index.ts";
import { float, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput } from "../pixels/lab-node.ts";

/** The side of the copy whose mean is taken, pixels. */
const SMALL = 256;

export const whiteBalance = pixelNode({
  class: "AutochromeWhiteBalance",
  title: { en: "White balance", zh: "白平衡" },
  description: {
    en: "Makes a picture warmer or cooler, or takes a colour cast away. Lightness stays exactly as it is.",
    zh: "让画面更暖或更冷，或去除偏色，亮度保持不变。",
  },
  category: "autochrome/colour",
  aliases: ["temperature", "tint", "colour cast", "grey world", "色温", "偏色"],
  inputs: {
    image: imageInput(),
    temperature: float({
      label: { en: "Temperature", zh: "色温" },
      tooltip: { en: "−1 is bluer, 1 is more golden.", zh: "−1 偏蓝，1 偏黄。" },
      default: 0,
      min: -1,
      max: 1,
    }),
    tint: float({
      label: { en: "Tint", zh: "色调" },
      tooltip: { en: "−1 is greener, 1 is pinker.", zh: "−1 偏绿，1 偏品红。" },
      default: 0,
      min: -1,
      max: 1,
    }),
    auto: float({
      label: { en: "Automatic", zh: "自动" },
      tooltip: {
        en: "How far the picture's mean colour is made neutral before the rest: 0 not at all, 1 entirely. Not for sunsets.",
        zh: "先把画面的平均色调回中性的程度：0 不调，1 完全。不适合夕阳之类的画面。",
      },
      default: 0,
      min: 0,
      max: 1,
      step: 0.05,
    }),
  },
  outputs: [imageOutput],
  async run({ image, temperature, tint, auto }, context) {
    const wished = whiteFactors(temperature, tint);
    const images = await changeInLab(image, context, async (picture) => {
      if (temperature === 0 && tint === 0 && auto === 0) return undefined;
      const mean = auto === 0 ? { xFactor: 1, zFactor: 1 } : greyWorld(await smallLab(picture, SMALL));
      const xFactor = wished.xFactor * mean.xFactor ** auto;
      const zFactor = wished.zFactor * mean.zFactor ** auto;
      return { margin: 0, changes: "chroma", edit: (strip) => changeWhite(strip, xFactor, zFactor) };
    });
    return [images];
  },
});
