import type { Picture } from "../../imaging/index.ts";
import { choice, engineNode, float, image, int } from "../node.ts";
import { planFor, runTiles } from "../tiles/run.ts";

export const imageModel = engineNode({
  class: "AutochromeImageModel",
  title: { en: "Image Model (ONNX)", zh: "图像模型（ONNX）" },
  description: {
    en: "Runs a model of your own, for instance an upscaler or a denoiser. It takes a picture and gives one, of the same size or up to 8 times as large.",
    zh: "运行您自己的模型，例如放大或降噪模型。输入一张图片，输出同样大小或至多 8 倍大的图片。",
  },
  category: "image/model",
  inputs: {
    image: image({
      label: { en: "image", zh: "图像" },
      tooltip: { en: "The pictures to work on.", zh: "要处理的图片。" },
    }),
    model: choice({
      label: { en: "model", zh: "模型" },
      tooltip: {
        en: "An .onnx file in the folder of image models. It takes one float picture with levels from 0 to 1, RGB or lightness alone.",
        zh: "图像模型文件夹中的 .onnx 文件。模型接收一张浮点图片，数值为 0 到 1，RGB 或仅明度。",
      },
      choices: (world) => world.imageModels.names(),
    }),
    tile: int({
      label: { en: "tile", zh: "分块" },
      tooltip: {
        en: "Side of the pieces that the model sees, in pixels. Smaller ones need less memory. Models of a fixed size use their own.",
        zh: "模型每次处理的方块边长（像素）。越小越省内存。固定尺寸的模型使用自己的尺寸。",
      },
      default: 512,
      min: 64,
      max: 2048,
      step: 64,
    }),
    overlap: int({
      label: { en: "overlap", zh: "重叠" },
      tooltip: {
        en: "Pixels that neighbouring pieces share. More hides seams better and takes longer.",
        zh: "相邻方块共有的像素。越多接缝越不可见，但更慢。",
      },
      default: 32,
      min: 0,
      max: 512,
      step: 8,
    }),
    strength: float({
      label: { en: "strength", zh: "强度" },
      tooltip: {
        en: "0 gives the picture as it was, only enlarged; 1 gives the model's picture.",
        zh: "0 为原图（仅放大），1 为模型输出的图片。",
      },
      default: 1,
      min: 0,
      max: 1,
      step: 0.05,
    }),
  },
  outputs: [
    {
      type: "IMAGE",
      name: "IMAGE",
      tooltip: { en: "The pictures that the model made.", zh: "模型输出的图片。" },
    },
  ],
  aliases: ["upscale", "super resolution", "denoise", "restore", "onnx", "放大", "降噪"],
  checks: ["model"],
  check({ model }, world) {
    if (model === undefined) return undefined;
    const names = world.imageModels.names();
    if (names.includes(model)) return undefined;
    return names.length === 0
      ? "There are no image models yet: put .onnx files into the folder of the setting imageModels"
      : `There is no image model called ${model}: choose one of ${names.join(", ")}`;
  },
  fingerprint: async ({ model }, world, signal) =>
    model === undefined ? undefined : world.imageModels.digest(model, signal),
  async run({ image: images, model: name, ...options }, context) {
    const pictures = await context.world.imageModels.use(name, context.signal, async (model) => {
      const plans = images.map((picture) => planFor(picture, model, options));
      const total = plans.reduce((sum, plan) => sum + plan.tiles, 0);
      let done = 0;
      const made: Picture[] = [];
      for (const [place, picture] of images.entries()) {
        made.push(
          await runTiles(picture, model, plans[place]!, options, context, () =>
            context.progress(++done, total),
          ),
        );
      }
      return made;
    });
    return { outputs: [pictures] };
  },
});
