// Two masks in one.
import { type Mask, mapRows, reading } from "../../imaging/index.ts";
import { choice, mask, pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskOutput, placeInputs } from "../pixels/mask-node.ts";
import { eachOf, pairs } from "../pixels/strips.ts";

type Operation = "multiply" | "add" | "subtract" | "and" | "or" | "xor";

const isWhite = (value: number) => value >= 128;
const OPERATIONS: Readonly<Record<Operation, (lower: number, upper: number) => number>> = {
  multiply: (lower, upper) => Math.round((lower * upper) / 255),
  add: (lower, upper) => Math.min(255, lower + upper),
  subtract: (lower, upper) => Math.max(0, lower - upper),
  and: (lower, upper) => (isWhite(lower) && isWhite(upper) ? 255 : 0),
  or: (lower, upper) => (isWhite(lower) || isWhite(upper) ? 255 : 0),
  xor: (lower, upper) => (isWhite(lower) !== isWhite(upper) ? 255 : 0),
};

export const maskComposite = pixelNode({
  class: "MaskComposite",
  title: { en: "Combine Masks", zh: "合并遮罩" },
  description: { en: "Combines a mask with another.", zh: "把一张遮罩与另一张合并。" },
  category: MASK_CATEGORY,
  aliases: ["combine", "blend masks", "合并"],
  inputs: {
    destination: mask({
      label: { en: "Destination", zh: "目标遮罩" },
      tooltip: { en: "The mask that is changed.", zh: "被修改的遮罩。" },
    }),
    source: mask({
      label: { en: "Source", zh: "来源遮罩" },
      tooltip: {
        en: "The mask that it is combined with. Outside of it nothing changes.",
        zh: "用来合并的遮罩，其范围之外不变。",
      },
    }),
    ...placeInputs(),
    operation: choice({
      label: { en: "Operation", zh: "运算" },
      tooltip: {
        en: "and, or and xor look only at what is more white than black.",
        zh: "and、or、xor 只区分偏白与偏黑。",
      },
      choices: ["multiply", "add", "subtract", "and", "or", "xor"] as const,
    }),
  },
  outputs: [maskOutput],
  async run({ destination, source, x, y: top, operation }, context) {
    const combine = OPERATIONS[operation];
    const masks = await eachOf(pairs(destination, source), context, ([lower, upper]) =>
      reading([upper], (reader) =>
        mapRows<Mask>(lower, context, async (rows, y, count) => {
          const from = Math.max(y, top);
          const to = Math.min(y + count, top + upper.height);
          const columns = Math.min(upper.width, lower.width - x);
          if (from >= to || columns <= 0) return;
          const over = await reader.read(from - top, to - from);
          for (let row = 0; row < to - from; row++) {
            const start = (from - y + row) * lower.width + x;
            for (let column = 0; column < columns; column++) {
              rows[start + column] = combine(rows[start + column]!, over[row * upper.width + column]!);
            }
          }
        }),
      ),
    );
    return [masks];
  },
});
