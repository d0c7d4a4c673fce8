// A mask of one value.
import type { Mask } from "../../imaging/index.ts";
import { float, int, pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskOutput } from "../pixels/mask-node.ts";
import { MAX_RESOLUTION, makePixels } from "../pixels/strips.ts";

const side = (en: string, zh: string) =>
  int({
    label: { en, zh },
    tooltip: { en: "In pixels.", zh: "单位为像素。" },
    default: 512,
    min: 1,
    max: MAX_RESOLUTION,
  });

export const solidMask = pixelNode({
  class: "SolidMask",
  title: { en: "Create Solid Mask", zh: "创建纯色遮罩" },
  description: { en: "A mask that is the same everywhere.", zh: "生成各处相同的遮罩。" },
  category: MASK_CATEGORY,
  aliases: ["empty", "fill", "纯色"],
  inputs: {
    value: float({
      label: { en: "Value", zh: "数值" },
      tooltip: { en: "0 is black, 1 is white.", zh: "0 为黑，1 为白。" },
      default: 1,
      min: 0,
      max: 1,
      step: 0.01,
    }),
    width: side("Width", "宽度"),
    height: side("Height", "高度"),
  },
  outputs: [maskOutput],
  async run({ value, width, height }, context) {
    const mask = await makePixels<Mask>({ width, height, channels: 1, bitDepth: 8 }, context, (rows) => {
      rows.fill(Math.round(value * 255));
    });
    return [[mask]];
  },
});
