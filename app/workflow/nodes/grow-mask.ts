// Masks whose white parts reach further, or less far.
import { type Mask, reading, type Samples } from "../../imaging/index.ts";
import { boolean, int, type PixelContext, pixelNode } from "../node.ts";
import { MASK_CATEGORY, maskInput, maskOutput } from "../pixels/mask-node.ts";
import { eachOf, MAX_RESOLUTION, makePixels } from "../pixels/strips.ts";

export const growMask = pixelNode({
  class: "GrowMask",
  title: { en: "Grow Mask", zh: "扩展遮罩" },
  description: {
    en: "Makes the white parts of a mask larger, or smaller with a negative number.",
    zh: "扩大遮罩的白色部分，负数则缩小。",
  },
  category: MASK_CATEGORY,
  aliases: ["expand", "shrink", "dilate", "erode", "扩展", "收缩"],
  inputs: {
    mask: maskInput(),
    expand: int({
      label: { en: "Pixels", zh: "像素" },
      tooltip: {
        en: "How far the white parts grow. Negative numbers let them shrink.",
        zh: "白色部分扩展的像素数，负数为收缩。",
      },
      default: 0,
      min: -MAX_RESOLUTION,
      max: MAX_RESOLUTION,
    }),
    tapered_corners: boolean({
      label: { en: "Tapered corners", zh: "斜切角" },
      tooltip: {
        en: "Grows like a diamond instead of a square.",
        zh: "按菱形而不是正方形扩展。",
      },
      default: true,
      isAdvanced: true,
    }),
  },
  outputs: [maskOutput],
  async run({ mask, expand, tapered_corners }, context) {
    const best = expand < 0 ? Math.min : Math.max;
    const masks = await eachOf(mask, context, async (each, progress) => {
      let grown = each;
      // What has grown by n grows to n + step by looking only at the tips, for any step up to n: a diamond of the sum of two
      // radii is that of the one moved to the tips of the other.
      for (let reach = 0; reach < Math.abs(expand); ) {
        const step = Math.max(1, Math.min(reach, Math.abs(expand) - reach));
        grown = await growStep(grown, step, tapered_corners, best, progress);
        reach += step;
        if (reach >= each.width + each.height) break;
      }
      return grown;
    });
    return [masks];
  },
});

/** Each value becomes the best of itself and those so far away; beyond the mask there is nothing. */
function growStep(
  mask: Mask,
  step: number,
  isTapered: boolean,
  best: (...values: number[]) => number,
  context: PixelContext,
): Promise<Mask> {
  const { width, height, channels, bitDepth } = mask;
  return reading([mask], (reader) => {
    const rowAt = (y: number): Promise<Samples> => reader.read(Math.min(height - 1, Math.max(0, y)), 1);
    return makePixels<Mask>({ width, height, channels, bitDepth }, context, async (rows, y, count) => {
      for (let i = 0; i < count; i++) {
        const [above, own, below] = [
          await rowAt(y + i - step),
          await rowAt(y + i),
          await rowAt(y + i + step),
        ];
        for (let x = 0; x < width; x++) {
          const [left, right] = [Math.max(0, x - step), Math.min(width - 1, x + step)];
          let value = best(own[x]!, own[left]!, own[right]!, above[x]!, below[x]!);
          if (!isTapered) value = best(value, above[left]!, above[right]!, below[left]!, below[right]!);
          rows[i * width + x] = value;
        }
      }
    });
  });
}
