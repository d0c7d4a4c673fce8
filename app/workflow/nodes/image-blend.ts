// One picture over another.
import { descriptionOf, type Picture, reading, topOf } from "../../imaging/index.ts";
import { choice, float, image, type PixelContext, pixelNode } from "../node.ts";
import { alike } from "../pixels/alike.ts";
import { imageOutput } from "../pixels/lab-node.ts";
import { scaled } from "../pixels/scaling.ts";
import { eachOf, makePixels, makingOf, pairs } from "../pixels/strips.ts";

type Mode = "normal" | "multiply" | "screen" | "overlay" | "soft_light" | "difference";

/** The blended level, 0–1, of a lower and an upper one; ComfyUI's formulas. Below 0 is black. */
const MODES: Readonly<Record<Mode, (lower: number, upper: number) => number>> = {
  normal: (_lower, upper) => upper,
  multiply: (lower, upper) => lower * upper,
  screen: (lower, upper) => 1 - (1 - lower) * (1 - upper),
  overlay: (lower, upper) => (lower <= 0.5 ? 2 * lower * upper : 1 - 2 * (1 - lower) * (1 - upper)),
  soft_light: (lower, upper) =>
    upper <= 0.5
      ? lower - (1 - 2 * upper) * lower * (1 - lower)
      : lower + (2 * upper - 1) * (lightened(lower) - lower),
  difference: (lower, upper) => lower - upper,
};

/** The W3C's D(x) of soft light (Compositing and Blending, Level 1). */
function lightened(level: number): number {
  return level <= 0.25 ? ((16 * level - 12) * level + 4) * level : Math.sqrt(level);
}

export const imageBlend = pixelNode({
  class: "ImageBlend",
  title: { en: "Blend Images", zh: "混合图像" },
  description: {
    en: "Mixes two pictures. The result has the size, the colour space and the transparency of the first.",
    zh: "混合两张图片。结果沿用第一张的尺寸、色彩空间和透明度。",
  },
  category: "image/filters",
  aliases: ["mix", "overlay", "混合", "叠加"],
  inputs: {
    image1: image({
      label: { en: "Image 1", zh: "图像 1" },
      tooltip: { en: "The lower picture.", zh: "下层图片。" },
    }),
    image2: image({
      label: { en: "Image 2", zh: "图像 2" },
      tooltip: {
        en: "The upper picture. It is scaled to the size of the first, its transparency is not looked at.",
        zh: "上层图片，会缩放到第一张的尺寸，不考虑其透明度。",
      },
    }),
    blend_factor: float({
      label: { en: "Amount", zh: "混合强度" },
      tooltip: {
        en: "0 is the first picture, 1 is fully blended.",
        zh: "0 为第一张图片，1 为完全混合。",
      },
      default: 0.5,
      min: 0,
      max: 1,
      step: 0.01,
    }),
    blend_mode: choice({
      label: { en: "Mode", zh: "混合模式" },
      tooltip: { en: "How levels of both are combined.", zh: "两张图片的像素如何结合。" },
      choices: ["normal", "multiply", "screen", "overlay", "soft_light", "difference"] as const,
    }),
  },
  outputs: [imageOutput],
  async run({ image1, image2, blend_factor, blend_mode }, context) {
    const images = await eachOf(pairs(image1, image2), context, ([lower, upper], progress) =>
      blend(lower, upper, blend_factor, blend_mode, progress),
    );
    return [images];
  },
});

async function blend(
  lower: Picture,
  above: Picture,
  factor: number,
  mode: Mode,
  context: PixelContext,
): Promise<Picture> {
  const fitted = await scaled(above, lower, "bicubic", context, "center");
  const upper = await alike(fitted, lower, 3, context);
  const { channels } = lower;
  const top = topOf(lower);
  const combine = MODES[mode];
  const shape = { ...descriptionOf(lower), ...makingOf([lower, above]) };
  return reading([lower, upper], (lowerReader, upperReader) =>
    makePixels<Picture>(shape, context, async (rows, y, count) => {
      rows.set(await lowerReader.read(y, count));
      const over = await upperReader.read(y, count);
      for (let at = 0, overAt = 0; at < rows.length; at += channels) {
        for (let c = 0; c < 3; c++) {
          const level = rows[at + c]! / top;
          const blended = level * (1 - factor) + combine(level, over[overAt++]! / top) * factor;
          rows[at + c] = Math.round(top * Math.min(1, Math.max(0, blended)));
        }
      }
    }),
  );
}
