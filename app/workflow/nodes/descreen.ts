// The dots of a printed picture, blended into tones.
import type { LabPlanes } from "../../imaging/index.ts";
import { float, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput, strengthInput } from "../pixels/lab-node.ts";
import { gaussian, gaussianReach } from "../pixels/planes.ts";
import { screenPitch } from "../pixels/screen.ts";

/** Sigma of the blur, per distance between dots: 4 thousandths of the dots' contrast pass it. */
const SIGMA_PER_PITCH = 0.53;
/** Dots closer than this cannot be told from pixels. */
const LEAST_PITCH = 2;

export const descreen = pixelNode({
  class: "AutochromeDescreen",
  title: { en: "Descreen", zh: "去网纹" },
  description: {
    en: "Blends the printed dots of newspapers and magazines into continuous tones. Pictures without dots are left alone.",
    zh: "把报纸、杂志的印刷网点融合成连续的色调；没有网点的图片保持原样。",
  },
  category: "autochrome/repair",
  aliases: ["halftone", "newspaper", "moire", "dots", "网点", "报纸"],
  inputs: {
    image: imageInput(),
    strength: strengthInput(1),
    dot_size: float({
      label: { en: "Dot size", zh: "网点间距" },
      tooltip: {
        en: "Distance between neighbouring dots, in pixels. 0 finds it by itself.",
        zh: "相邻网点的距离（像素）。0 表示自动检测。",
      },
      default: 0,
      min: 0,
      max: 40,
      step: 0.1,
    }),
  },
  outputs: [imageOutput],
  async run({ image, strength, dot_size }, context) {
    const images = await changeInLab(image, context, async (picture) => {
      if (strength === 0) return undefined;
      const pitch = dot_size === 0 ? await screenPitch(picture) : dot_size;
      if (pitch === undefined || pitch < LEAST_PITCH) return undefined;
      const sigma = SIGMA_PER_PITCH * pitch;
      return {
        margin: 2 * gaussianReach(sigma),
        changes: "all",
        edit: (strip) => blendDots(strip, sigma, strength),
      };
    });
    return [images];
  },
});

/**
 * Blurs until the dots are gone, and adds what a second blur takes away from the first (Tukey 1977, "twicing"): detail that
 * is coarser than the dots comes back, while of them 8 thousandths stay.
 */
function blendDots(planes: LabPlanes, sigma: number, strength: number): void {
  for (const plane of [planes.L, planes.a, planes.b]) {
    if (plane.every((value) => value === 0)) continue;
    const once = gaussian(plane, planes.width, sigma);
    const twice = gaussian(once, planes.width, sigma);
    for (let i = 0; i < plane.length; i++) plane[i]! += strength * (2 * once[i]! - twice[i]! - plane[i]!);
  }
}
