// Two batches in one.

import { image, pixelNode } from "../node.ts";
import { imageOutput } from "../pixels/lab-node.ts";
import { scaled } from "../pixels/scaling.ts";
import { checkBatch, eachOf } from "../pixels/strips.ts";

export const imageBatch = pixelNode({
  class: "ImageBatch",
  title: { en: "Batch Images", zh: "组合图像批次" },
  description: {
    en: "Puts pictures together into one batch. Those of the second input get the size of the first.",
    zh: "把图片合成一个批次，第二组图片会缩放到第一组的尺寸。",
  },
  category: "image/batch",
  aliases: ["combine", "join", "stack", "批次", "合并"],
  inputs: {
    image1: image({
      label: { en: "Image 1", zh: "图像 1" },
      tooltip: { en: "The pictures that come first.", zh: "排在前面的图片。" },
    }),
    image2: image({
      label: { en: "Image 2", zh: "图像 2" },
      tooltip: {
        en: "The pictures that follow. Edges are cut off where their shape is another.",
        zh: "排在后面的图片。形状不同时会裁去边缘。",
      },
    }),
  },
  outputs: [imageOutput],
  async run({ image1, image2 }, context) {
    checkBatch(image1.length + image2.length);
    const fitted = await eachOf(image2, context, (picture, progress) =>
      scaled(picture, image1[0]!, "bilinear", progress, "center"),
    );
    return [[...image1, ...fitted]];
  },
});
