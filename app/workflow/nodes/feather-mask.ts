// Masks that fade towards their edges.
import { type Mask, mapRows } from "../../imaging/index.ts";
import { int, pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskInput, maskOutput } from "../pixels/mask-node.ts";
import { eachOf, MAX_RESOLUTION } from "../pixels/strips.ts";

const width = (en: string, zh: string) =>
  int({
    label: { en, zh },
    tooltip: {
      en: "Pixels from this edge within which the mask fades to black.",
      zh: "从该边缘起逐渐变黑的像素范围。",
    },
    default: 0,
    min: 0,
    max: MAX_RESOLUTION,
  });

export const featherMask = pixelNode({
  class: "FeatherMask",
  title: { en: "Feather Mask", zh: "羽化遮罩" },
  description: { en: "Lets a mask fade to black at its edges.", zh: "让遮罩在边缘逐渐变黑。" },
  category: MASK_CATEGORY,
  aliases: ["soft edge", "gradient", "羽化"],
  inputs: {
    mask: maskInput(),
    left: width("Left", "左"),
    top: width("Top", "上"),
    right: width("Right", "右"),
    bottom: width("Bottom", "下"),
  },
  outputs: [maskOutput],
  async run({ mask, left, top, right, bottom }, context) {
    const masks = await eachOf(mask, context, (each) => {
      const across = ramp(each.width, left, right);
      const down = ramp(each.height, top, bottom);
      return mapRows<Mask>(each, context, (rows, y) => {
        for (let at = 0; at < rows.length; at++) {
          const share = across[at % each.width]! * down[y + Math.floor(at / each.width)]!;
          rows[at] = Math.round(rows[at]! * share);
        }
      });
    });
    return [masks];
  },
});

/** What is left of a mask at each place of a side: rising from its start, falling to its end. */
function ramp(side: number, start: number, end: number): Float64Array {
  const [rising, falling] = [Math.min(start, side), Math.min(end, side)];
  return Float64Array.from({ length: side }, (_, at) => {
    const up = at < rising ? (at + 1) / rising : 1;
    const down = side - at <= falling ? (side - at) / falling : 1;
    return up * down;
  });
}
