// The opposite of masks.
import { type Mask, mapRows } from "../../imaging/index.ts";
import { pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskInput, maskOutput } from "../pixels/mask-node.ts";
import { eachOf } from "../pixels/strips.ts";

export const invertMask = pixelNode({
  class: "InvertMask",
  title: { en: "Invert Mask", zh: "反转遮罩" },
  description: { en: "Makes white black and black white.", zh: "黑白互换。" },
  category: MASK_CATEGORY,
  aliases: ["reverse", "反选"],
  inputs: { mask: maskInput() },
  outputs: [maskOutput],
  async run({ mask }, context) {
    const masks = await eachOf(mask, context, (each) =>
      mapRows<Mask>(each, context, (rows) => {
        for (let at = 0; at < rows.length; at++) rows[at] = 255 - rows[at]!;
      }),
    );
    return [masks];
  },
});
