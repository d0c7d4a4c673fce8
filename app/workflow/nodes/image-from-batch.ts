// Some pictures of a batch.

import { int, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { MAX_RESOLUTION } from "../pixels/strips.ts";

export const imageFromBatch = pixelNode({
  class: "ImageFromBatch",
  title: { en: "Get Image from Batch", zh: "从批次取图像" },
  description: { en: "Takes pictures out of a batch.", zh: "从批次中取出图片。" },
  category: "image/batch",
  aliases: ["select", "pick", "选择", "提取"],
  inputs: {
    image: imageInput(),
    batch_index: int({
      label: { en: "First", zh: "起始序号" },
      tooltip: {
        en: "0 is the first picture, −1 the last one.",
        zh: "0 为第一张，−1 为最后一张。",
      },
      default: 0,
      min: -MAX_RESOLUTION,
      max: MAX_RESOLUTION,
    }),
    length: int({
      label: { en: "How many", zh: "数量" },
      tooltip: { en: "As far as there are so many.", zh: "要取的张数，不足时取到末尾。" },
      default: 1,
      min: 1,
      max: 4096,
    }),
  },
  outputs: [imageOutput],
  run({ image, batch_index, length }) {
    const wished = batch_index < 0 ? batch_index + image.length : batch_index;
    const first = Math.min(image.length - 1, Math.max(0, wished));
    return [image.slice(first, first + length)];
  },
});
