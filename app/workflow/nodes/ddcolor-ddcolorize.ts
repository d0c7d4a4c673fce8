import { modelByName, modelNames } from "../../colorize/index.ts";
import { colourImages } from "../colour.ts";
import { boolean, choice, engineNode, float, image, int, optional } from "../node.ts";

export const ddcolorize = engineNode({
  class: "DDColor-ddcolorize",
  title: { en: "DDColor Colorize", zh: "DDColor 上色" },
  description: {
    en: "Gives a black-and-white photograph colour. Its lightness stays: only colour is invented.",
    zh: "为黑白照片上色。明度保持不变，只推断颜色。",
  },
  category: "DDColor",
  inputs: {
    image: image({
      label: { en: "image", zh: "图像" },
      tooltip: {
        en: "The photographs to colour. A colour picture is coloured anew from its lightness.",
        zh: "要上色的照片。彩色图片会根据明度重新上色。",
      },
    }),
    model: choice({
      label: { en: "model", zh: "模型" },
      tooltip: { en: "The network that invents the colours.", zh: "用于推断颜色的模型。" },
      choices: () => modelNames(),
    }),
    model_size: int({
      label: { en: "model size", zh: "模型尺寸" },
      tooltip: {
        en: "Side of the square whose area the network sees, rounded to a multiple of 32. People: 460–680, buildings: 960–1280.",
        zh: "模型所见正方形的边长，取整为 32 的倍数。人物：460–680，建筑：960–1280。",
      },
      default: 512,
      min: 64,
      max: 2048,
      step: 32,
    }),
    color_factor: float({
      label: { en: "color factor", zh: "色彩系数" },
      tooltip: {
        en: "Multiplies the colour: 0 none, 1 as given, 2 twice.",
        zh: "颜色强度：0 为无色，1 为原样，2 为两倍。",
      },
      default: 1,
      min: 0,
      max: 2,
      step: 0.05,
    }),
    edge_aware: optional(
      boolean({
        label: { en: "edge-aware", zh: "沿边缘上色" },
        tooltip: {
          en: "Colour follows the contours of the photograph and does not bleed over them.",
          zh: "颜色沿照片轮廓分布，不会溢出。",
        },
        default: true,
      }),
    ),
    keep_aspect: optional(
      boolean({
        label: { en: "keep aspect", zh: "保持比例" },
        tooltip: {
          en: "The network sees the photograph's own shape instead of a squeezed square.",
          zh: "模型看到照片原有的比例，而不是压成正方形。",
        },
        default: true,
      }),
    ),
    parity: optional(
      boolean({
        label: { en: "official arithmetic", zh: "官方算法" },
        tooltip: {
          en: "Does exactly what the official DDColor program does, for comparisons.",
          zh: "与官方 DDColor 程序完全一致，用于对比。",
        },
        default: false,
        isAdvanced: true,
      }),
    ),
  },
  outputs: [
    {
      type: "IMAGE",
      name: "IMAGE",
      tooltip: { en: "The photographs in colour.", zh: "上色后的照片。" },
    },
  ],
  aliases: ["colorize", "colourise", "上色", "ddcolor"],
  models({ model = "" }) {
    const found = modelByName(model);
    return found === undefined ? [] : [found];
  },
  async run(inputs, context) {
    const model = modelByName(inputs.model);
    if (model === undefined) throw new Error(`${inputs.model} was there when the graph was validated`);
    const outputs = await colourImages(context, inputs.image, {
      model,
      modelSize: inputs.model_size,
      colorFactor: inputs.color_factor,
      edgeAware: inputs.edge_aware,
      keepAspect: inputs.keep_aspect,
      parity: inputs.parity,
    });
    return { outputs: [outputs] };
  },
});
