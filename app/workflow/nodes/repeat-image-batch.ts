// A batch several times over.

import { int, pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { checkBatch } from "../pixels/strips.ts";

export const repeatImageBatch = pixelNode({
  class: "RepeatImageBatch",
  title: { en: "Repeat Image Batch", zh: "重复图像批次" },
  description: { en: "Repeats all pictures of a batch.", zh: "把批次中的图片重复多次。" },
  category: "image/batch",
  aliases: ["duplicate", "clone", "重复", "复制"],
  inputs: {
    image: imageInput(),
    amount: int({
      label: { en: "Times", zh: "次数" },
      tooltip: { en: "How often each picture is there in the end.", zh: "每张图片最终出现的次数。" },
      default: 1,
      min: 1,
      max: 4096,
    }),
  },
  outputs: [imageOutput],
  run({ image, amount }) {
    checkBatch(image.length * amount);
    return [Array.from({ length: amount }, () => image).flat()];
  },
});
