// Negatives of pictures.
import { descriptionOf, mapRows, type Picture, topOf } from "../../imaging/index.ts";
import { pixelNode } from "../node.ts";
import { imageInput, imageOutput } from "../pixels/lab-node.ts";
import { eachOf } from "../pixels/strips.ts";

export const imageInvert = pixelNode({
  class: "ImageInvert",
  title: { en: "Invert Image", zh: "反转图像" },
  description: {
    en: "Turns negatives into positives and back: light becomes dark, colours become their opposites.",
    zh: "负片与正片互转：明暗互换，颜色变为补色。",
  },
  category: "image/color",
  aliases: ["negative", "reverse colors", "负片", "反相"],
  inputs: { image: imageInput() },
  outputs: [imageOutput],
  async run({ image }, context) {
    const images = await eachOf(image, context, (picture, { progress }) => {
      const { channels, height, data } = picture;
      const top = topOf(picture);
      return mapRows<Picture>({ ...descriptionOf(picture), data }, context, (rows, y, count) => {
        for (let at = 0; at < rows.length; at += channels) {
          for (let c = 0; c < 3; c++) rows[at + c] = top - rows[at + c]!;
        }
        progress(y + count, height);
      });
    });
    return [images];
  },
});
