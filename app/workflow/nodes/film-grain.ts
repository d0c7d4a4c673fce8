// A picture's own grain, put back after it was lost in processing.
import { type LabPlanes, labConverter, readLab } from "../../imaging/index.ts";
import { float, image as imageOf, optional, pixelNode } from "../node.ts";
import { changeInLab, imageOutput } from "../pixels/lab-node.ts";
import { gaussian, gaussianReach } from "../pixels/planes.ts";
import { scaled } from "../pixels/scaling.ts";

export const filmGrain = pixelNode({
  class: "AutochromeFilmGrain",
  title: { en: "Keep film grain", zh: "保留胶片颗粒" },
  description: {
    en: "Puts the fine detail of the original's lightness, its grain, back into a processed picture. Colours stay.",
    zh: "把原图亮度中的细节（胶片颗粒）还给处理过的图片，色彩不变。",
  },
  category: "autochrome/finish",
  aliases: ["grain", "texture", "detail", "颗粒"],
  inputs: {
    image: imageOf({
      label: { en: "Processed", zh: "处理后的图像" },
      tooltip: { en: "The pictures that get the grain.", zh: "要加回颗粒的图片。" },
    }),
    original: imageOf({
      label: { en: "Original", zh: "原图" },
      tooltip: {
        en: "The pictures that have the grain, one for each or one for all. Another size is scaled to fit.",
        zh: "带有颗粒的原图，可逐张对应，也可一张通用；尺寸不同时会缩放。",
      },
    }),
    amount: float({
      label: { en: "Amount", zh: "数量" },
      tooltip: {
        en: "0 leaves the picture as it is, 1 gives it all of the original's fine detail.",
        zh: "0 保持原样，1 恢复原图的全部细节。",
      },
      default: 0.5,
      min: 0,
      max: 1,
      step: 0.05,
    }),
    size: optional(
      float({
        label: { en: "Grain size", zh: "颗粒大小" },
        tooltip: {
          en: "In pixels. Only what is about as fine as this is put back.",
          zh: "以像素为单位。只恢复不比它粗的细节。",
        },
        default: 1.5,
        min: 0.5,
        max: 10,
        step: 0.1,
        isAdvanced: true,
      }),
    ),
  },
  outputs: [imageOutput],
  async run({ image, original, amount, size }, context) {
    const images = await changeInLab(image, context, async (picture, index) => {
      if (amount === 0) return undefined;
      const given = original[Math.min(index, original.length - 1)]!;
      const grainy = await scaled(given, picture, "lanczos", { ...context, progress: () => undefined });
      const converter = labConverter(grainy);
      return {
        margin: gaussianReach(size),
        changes: "all",
        edit: async (strip) =>
          addDetail(strip, await readLab(grainy, strip.y, strip.height, converter), amount, size),
      };
    });
    return [images];
  },
});

/** What lies between the original's fine detail and the picture's own is added: at 1 they are the same. */
function addDetail({ L, width }: LabPlanes, grainy: LabPlanes, amount: number, size: number): void {
  const lost = grainy.L.map((value, i) => value - L[i]!);
  const coarse = gaussian(lost, width, size);
  for (let i = 0; i < L.length; i++) L[i]! += amount * (lost[i]! - coarse[i]!);
}
