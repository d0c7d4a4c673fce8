// Masks as grey pictures.
import { type Picture, reading } from "../../imaging/index.ts";
import { pixelNode } from "../node.ts";
import { imageOutput } from "../pixels/lab-node.ts";
import { MASK_CATEGORY, maskInput } from "../pixels/mask-node.ts";
import { eachOf, makePixels } from "../pixels/strips.ts";

export const maskToImage = pixelNode({
  class: "MaskToImage",
  title: { en: "Convert Mask to Image", zh: "遮罩转图像" },
  description: {
    en: "Makes a mask a grey picture, to be looked at or saved.",
    zh: "把遮罩变成灰度图片，便于查看或保存。",
  },
  category: MASK_CATEGORY,
  aliases: ["show mask", "查看遮罩"],
  inputs: { mask: maskInput() },
  outputs: [imageOutput],
  async run({ mask }, context) {
    const images = await eachOf(mask, context, (each, progress) => {
      const { width, height } = each;
      return reading([each], (reader) =>
        makePixels<Picture>({ width, height, channels: 3, bitDepth: 8 }, progress, async (rows, y, count) => {
          const levels = await reader.read(y, count);
          for (let at = 0; at < levels.length; at++) rows.fill(levels[at]!, 3 * at, 3 * at + 3);
        }),
      );
    });
    return [images];
  },
});
