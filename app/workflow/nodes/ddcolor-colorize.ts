import type { Model, ModelStore } from "../../modelstore/index.ts";
import { colourImages } from "../colour.ts";
import { choice, engineNode, image, int } from "../node.ts";

/** Upstream's file names for its checkpoints, which graphs name whether they are installed or not. */
const CHECKPOINTS = [
  "ddcolor_paper_tiny.pth",
  "ddcolor_paper.pth",
  "ddcolor_modelscope.pth",
  "ddcolor_artistic.pth",
] as const;

/** Where the checkpoint is not installed, the first model that is. */
function modelFor(name: string, models: ModelStore): Model {
  const model = models.byName(name) ?? models.list()[0];
  if (model === undefined) throw new Error("there is always the embedded model");
  return model;
}

export const ddcolorColorize = engineNode({
  class: "DDColor_Colorize",
  title: { en: "DDColor Colorize (ComfyUI-DDColor)", zh: "DDColor 上色（ComfyUI-DDColor）" },
  description: {
    en: "The node of the ComfyUI-DDColor extension. Where its checkpoint is not installed, an installed model stands in for it.",
    zh: "ComfyUI-DDColor 扩展的节点。若所选权重未安装，则用已安装的模型代替。",
  },
  category: "DDColor",
  inputs: {
    image: image({
      label: { en: "image", zh: "图像" },
      tooltip: { en: "The photographs to colour.", zh: "要上色的照片。" },
    }),
    model_input_size: int({
      label: { en: "model input size", zh: "模型输入尺寸" },
      tooltip: {
        en: "Side of the square that the network sees, rounded to a multiple of 32; at most 2048.",
        zh: "模型所见正方形的边长，取整为 32 的倍数，最大 2048。",
      },
      default: 512,
      min: 32,
      max: 4096,
      step: 32,
    }),
    checkpoint: choice({
      label: { en: "checkpoint", zh: "权重" },
      tooltip: {
        en: "The official checkpoints, and the models that are installed here.",
        zh: "官方权重，以及本机已安装的模型。",
      },
      choices: ({ models }) => [...CHECKPOINTS, ...models.list().map((model) => model.id)],
    }),
  },
  outputs: [{ type: "IMAGE", name: "colorized_image" }],
  models({ checkpoint = "" }, world) {
    return [modelFor(checkpoint, world.models)];
  },
  async run({ image: images, model_input_size, checkpoint }, context) {
    // Squeezed into a square, as that extension does; enlarged along edges, as it does not.
    const outputs = await colourImages(context, images, {
      model: modelFor(checkpoint, context.world.models),
      modelSize: model_input_size,
      colorFactor: 1,
      edgeAware: true,
      keepAspect: false,
      parity: false,
    });
    return { outputs: [outputs] };
  },
});
