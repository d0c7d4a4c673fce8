// Stronger or paler colours. Lightness never changes.
import { type LabPlanes, saturate } from "../../imaging/index.ts";
import { float, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput } from "../pixels/lab-node.ts";

export const saturation = pixelNode({
  class: "AutochromeSaturation",
  title: { en: "Saturation", zh: "饱和度" },
  description: {
    en: "Makes colours stronger or paler. Lightness stays exactly as it is.",
    zh: "让色彩更浓或更淡，亮度保持不变。",
  },
  category: "autochrome/colour",
  aliases: ["vibrance", "chroma", "自然饱和度"],
  inputs: {
    image: imageInput(),
    saturation: float({
      label: { en: "Saturation", zh: "饱和度" },
      tooltip: {
        en: "All colours alike: −1 leaves none, 0 changes nothing, 1 doubles them.",
        zh: "对所有颜色一视同仁：−1 为黑白，0 不变，1 加倍。",
      },
      default: 0,
      min: -1,
      max: 1,
    }),
    vibrance: float({
      label: { en: "Vibrance", zh: "自然饱和度" },
      tooltip: {
        en: "Pale colours more than strong ones, so that nothing becomes garish.",
        zh: "主要作用于较淡的颜色，浓艳的颜色不会过头。",
      },
      default: 0,
      min: -1,
      max: 1,
    }),
  },
  outputs: [imageOutput],
  async run({ image, saturation, vibrance }, context) {
    const edit = (planes: LabPlanes) => saturate(planes, saturation, vibrance);
    const nothing = saturation === 0 && vibrance === 0;
    return [
      await changeInLab(image, context, () => (nothing ? undefined : { margin: 0, changes: "chroma", edit })),
    ];
  },
});
