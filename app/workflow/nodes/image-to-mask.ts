// A channel of pictures as a mask.
import { type Mask, reading, topOf } from "../../imaging/index.ts";
import { choice, pixelNode } from "../node.ts";
import { imageInput } from "../pixels/lab-node.ts";
import { MASK_CATEGORY, maskOutput } from "../pixels/mask-node.ts";
import { eachOf, makePixels } from "../pixels/strips.ts";

const CHANNELS = ["red", "green", "blue", "alpha"] as const;

export const imageToMask = pixelNode({
  class: "ImageToMask",
  title: { en: "Convert Image to Mask", zh: "图像转遮罩" },
  description: {
    en: "Takes one channel of a picture as a mask, with 8 bits.",
    zh: "把图片的一个通道作为遮罩（8 位）。",
  },
  category: MASK_CATEGORY,
  aliases: ["channel", "通道"],
  inputs: {
    image: imageInput(),
    channel: choice({
      label: { en: "Channel", zh: "通道" },
      tooltip: {
        en: "alpha is white where the picture is opaque; without transparency it is white everywhere.",
        zh: "alpha 在不透明处为白色；没有透明度的图片全部为白色。",
      },
      choices: CHANNELS,
    }),
  },
  outputs: [maskOutput],
  async run({ image, channel }, context) {
    const masks = await eachOf(image, context, (picture, progress) => {
      const { width, height, channels } = picture;
      const top = topOf(picture);
      const wanted = CHANNELS.indexOf(channel);
      return reading([picture], (reader) =>
        makePixels<Mask>({ width, height, channels: 1, bitDepth: 8 }, progress, async (rows, y, count) => {
          if (wanted >= channels) {
            rows.fill(255);
            return;
          }
          const levels = await reader.read(y, count);
          for (let at = 0; at < rows.length; at++) {
            rows[at] = Math.round((levels[at * channels + wanted]! * 255) / top);
          }
        }),
      );
    });
    return [masks];
  },
});
