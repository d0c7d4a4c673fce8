import { colourImages } from "../colour.ts";
import { boolean, choice, engineNode, float, image, int, mask, optional, type Words } from "../node.ts";

/** A number that changes the network's colours. */
const tuning = (label: Words, tooltip: Words, initial: number, min: number) =>
  optional(float({ label, tooltip, default: initial, min, max: 1, step: 0.05, isAdvanced: true }));

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
      choices: ({ models }) => models.list().map((model) => model.id),
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
    temperature: tuning(
      { en: "temperature", zh: "色温" },
      { en: "−1 is bluer, 1 is more golden.", zh: "−1 偏蓝，1 偏黄。" },
      0,
      -1,
    ),
    tint: tuning(
      { en: "tint", zh: "色调" },
      { en: "−1 is greener, 1 is pinker.", zh: "−1 偏绿，1 偏品红。" },
      0,
      -1,
    ),
    vibrance: tuning(
      { en: "vibrance", zh: "自然饱和度" },
      {
        en: "Pale colours become stronger, or paler below 0; strong colours hardly change.",
        zh: "大于 0 时让较淡的颜色更浓，小于 0 时更淡；浓艳的颜色几乎不变。",
      },
      0,
      -1,
    ),
    protect_skin: tuning(
      { en: "protect skin", zh: "保护肤色" },
      {
        en: "How far skin keeps its colour when the others are changed. Wood and sand look like skin to it.",
        zh: "调整其他颜色时肤色保持不变的程度。木头和沙土的颜色与肤色相近，也会受到保护。",
      },
      0,
      0,
    ),
    blend: tuning(
      { en: "blend", zh: "混合" },
      {
        en: "Share of the new colours. The rest are the photograph's own, or grey where it has none.",
        zh: "新颜色所占的比例。其余为照片原有的颜色，黑白照片则为灰色。",
      },
      1,
      0,
    ),
    tune_mask: optional(
      mask({
        label: { en: "tune mask", zh: "调色遮罩" },
        tooltip: {
          en: "Where it is white, color factor and the settings from temperature to blend apply. Elsewhere the network's colours stay.",
          zh: "色彩系数以及色温到混合的各项设置只作用于白色区域，其他区域保留模型给出的颜色。",
        },
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
  models({ model = "" }, world) {
    const found = world.models.byName(model);
    return found === undefined ? [] : [found];
  },
  async run(inputs, context) {
    const outputs = await colourImages(context, inputs.image, {
      model: context.world.models.find(inputs.model),
      modelSize: inputs.model_size,
      colorFactor: inputs.color_factor,
      edgeAware: inputs.edge_aware,
      keepAspect: inputs.keep_aspect,
      parity: inputs.parity,
      tuning: {
        temperature: inputs.temperature,
        tint: inputs.tint,
        vibrance: inputs.vibrance,
        protectSkin: inputs.protect_skin,
        blend: inputs.blend,
      },
      masks: inputs.tune_mask,
    });
    return { outputs: [outputs] };
  },
});
