// A faded picture's lightness, stretched to reach from black to white.
import { type LabPlanes, smallLab } from "../../imaging/index.ts";
import { float, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput, strengthInput } from "../pixels/lab-node.ts";

/** The side of the copy in which lightness is counted, pixels: dust and grain count little in it. */
const SMALL = 1024;
/** A smaller range (L units) is an empty page, not a picture. */
const LEAST_RANGE = 2;

export const autoLevels = pixelNode({
  class: "AutochromeAutoLevels",
  title: { en: "Auto levels", zh: "自动色阶" },
  description: {
    en: "Gives faded prints their blacks and whites back: lightness is stretched until it reaches from black to white.",
    zh: "让褪色的照片恢复黑白层次：把亮度拉伸到从黑到白的整个范围。",
  },
  category: "autochrome/repair",
  aliases: ["contrast", "faded", "stretch", "对比度", "褪色"],
  inputs: {
    image: imageInput(),
    clip: float({
      label: { en: "Clip", zh: "裁切比例" },
      tooltip: {
        en: "Percent of the picture that may become pure black, and as much pure white.",
        zh: "允许变成纯黑的画面百分比，纯白同样。",
      },
      default: 0.5,
      min: 0,
      max: 10,
      step: 0.1,
    }),
    strength: strengthInput(1),
  },
  outputs: [imageOutput],
  async run({ image, clip, strength }, context) {
    const images = await changeInLab(image, context, async (picture) => {
      if (strength === 0) return undefined;
      const { L } = await smallLab(picture, SMALL);
      L.sort();
      const rank = (L.length - 1) * (clip / 100);
      const [black, white] = [L[Math.round(rank)]!, L[Math.round(L.length - 1 - rank)]!];
      if (white - black < LEAST_RANGE) return undefined;
      return { margin: 0, changes: "all", edit: (strip) => stretch(strip, black, white, strength) };
    });
    return [images];
  },
});

function stretch({ L }: LabPlanes, black: number, white: number, strength: number): void {
  for (let i = 0; i < L.length; i++) {
    const stretched = Math.min(100, Math.max(0, (100 * (L[i]! - black)) / (white - black)));
    L[i]! += strength * (stretched - L[i]!);
  }
}
