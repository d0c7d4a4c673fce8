// A picture laid into another, through a mask.
import { descriptionOf, type Mask, type Picture, reading } from "../../imaging/index.ts";
import { boolean, image, mask as maskOf, optional, type PixelContext, pixelNode } from "../node.ts";
import { alike } from "../pixels/alike.ts";
import { imageOutput } from "../pixels/lab-node.ts";
import { placeInputs } from "../pixels/mask-node.ts";
import { scaled } from "../pixels/scaling.ts";
import { eachOf, makePixels, makingOf } from "../pixels/strips.ts";

export const imageCompositeMasked = pixelNode({
  class: "ImageCompositeMasked",
  title: { en: "Image Composite Masked", zh: "图像遮罩合成" },
  description: {
    en: "Lays a picture into another, where a mask is white. The result has the colour space of the lower picture.",
    zh: "按遮罩的白色部分把一张图片贴入另一张，沿用底图的色彩空间。",
  },
  category: "image/compositing",
  aliases: ["paste", "overlay", "layer", "合成", "粘贴", "遮罩"],
  inputs: {
    destination: image({
      label: { en: "Destination", zh: "底图" },
      tooltip: { en: "The lower picture.", zh: "下层图片。" },
    }),
    source: image({
      label: { en: "Source", zh: "贴图" },
      tooltip: { en: "The picture that is laid into it.", zh: "要贴入的图片。" },
    }),
    ...placeInputs(),
    resize_source: boolean({
      label: { en: "Fit source", zh: "缩放贴图" },
      tooltip: {
        en: "Scales the source to the size of the destination.",
        zh: "把贴图缩放到底图的尺寸。",
      },
      default: false,
    }),
    mask: optional(
      maskOf({
        label: { en: "Mask", zh: "遮罩" },
        tooltip: {
          en: "White shows the source, black the destination. It is scaled to the size of the source.",
          zh: "白色处显示贴图，黑色处保留底图；遮罩会缩放到贴图的尺寸。",
        },
      }),
    ),
  },
  outputs: [imageOutput],
  async run({ destination, source, x, y, resize_source, mask }, context) {
    const images = await eachOf(destination, context, async (lower, progress, index) => {
      const given = source[index % source.length]!;
      const upper = resize_source ? await scaled(given, lower, "bilinear", progress) : given;
      const through = mask && (await scaled(mask[index % mask.length]!, upper, "bilinear", progress));
      return composite(lower, upper, through, { x, y }, progress);
    });
    return [images];
  },
});

// Not sharp's composite: it would multiply the destination's alpha into its colours, and needs the mask as an alpha.
async function composite(
  lower: Picture,
  above: Picture,
  mask: Mask | undefined,
  { x, y: top }: { x: number; y: number },
  context: PixelContext,
): Promise<Picture> {
  const { channels, width } = lower;
  const upper = await alike(above, lower, channels, context);
  const shape = { ...descriptionOf(lower), ...makingOf([lower, above]) };
  return reading([lower, upper, mask ?? upper], (lowerReader, upperReader, maskReader) =>
    makePixels<Picture>(shape, context, async (rows, y, count) => {
      rows.set(await lowerReader.read(y, count));
      const from = Math.max(y, top);
      const to = Math.min(y + count, top + upper.height);
      const columns = Math.min(upper.width, width - x);
      if (from >= to || columns <= 0) return;
      const over = await upperReader.read(from - top, to - from);
      const masks = mask && (await maskReader.read(from - top, to - from));
      for (let row = 0; row < to - from; row++) {
        for (let column = 0; column < columns; column++) {
          const place = row * upper.width + column;
          const share = masks === undefined ? 255 : masks[place]!;
          const at = ((from - y + row) * width + x + column) * channels;
          for (let c = 0; c < channels; c++) {
            const level = over[place * channels + c]! * share + rows[at + c]! * (255 - share);
            rows[at + c] = Math.round(level / 255);
          }
        }
      }
    }),
  );
}
