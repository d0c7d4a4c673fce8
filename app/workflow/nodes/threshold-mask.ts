// Masks of black and white alone.
import { type Mask, mapRows } from "../../imaging/index.ts";
import { float, pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskInput, maskOutput } from "../pixels/mask-node.ts";
import { eachOf } from "../pixels/strips.ts";

export const thresholdMask = pixelNode({
  class: "ThresholdMask",
  title: { en: "Threshold Mask", zh: "遮罩阈值" },
  description: {
    en: "Makes a mask white where it is above a value, and black elsewhere.",
    zh: "高于阈值处变为白色，其余变为黑色。",
  },
  category: MASK_CATEGORY,
  aliases: ["binary", "二值化"],
  inputs: {
    mask: maskInput(),
    value: float({
      label: { en: "Value", zh: "阈值" },
      tooltip: { en: "0 is black, 1 is white.", zh: "0 为黑，1 为白。" },
      default: 0.5,
      min: 0,
      max: 1,
      step: 0.01,
    }),
  },
  outputs: [maskOutput],
  async run({ mask, value }, context) {
    const masks = await eachOf(mask, context, (each) =>
      mapRows<Mask>(each, context, (rows) => {
        for (let at = 0; at < rows.length; at++) rows[at] = rows[at]! / 255 > value ? 255 : 0;
      }),
    );
    return [masks];
  },
});
