import { choice, engineNode } from "../node.ts";

/** ComfyUI's size of the mask of a picture without transparency. */
const EMPTY_MASK = { width: 64, height: 64 };

export const loadImage = engineNode({
  class: "LoadImage",
  title: { en: "Load Image", zh: "加载图像" },
  description: {
    en: "Reads a photograph, upright, with all its bits and in its own colour space.",
    zh: "读取照片：方向已校正，保留全部位深和自身的色彩空间。",
  },
  category: "image",
  inputs: {
    image: choice({
      label: { en: "image", zh: "图像" },
      tooltip: { en: "A picture in the input folder.", zh: "输入文件夹中的图片。" },
      choices: (world) => world.files.list(),
      isUpload: true,
    }),
  },
  outputs: [
    { type: "IMAGE", name: "IMAGE" },
    {
      type: "MASK",
      name: "MASK",
      tooltip: { en: "Where the picture is transparent.", zh: "图片的透明部分。" },
    },
  ],
  checks: ["image"],
  check({ image }, world) {
    return image !== undefined && world.files.find(image) === undefined
      ? `Invalid image file: ${image}`
      : undefined;
  },
  async fingerprint({ image = "" }, world, signal) {
    const path = world.files.find(image);
    return path === undefined ? undefined : world.workers.hash(path, signal);
  },
  async run({ image }, { world, signal, scratchBeside }) {
    const path = world.files.find(image);
    if (path === undefined) throw new Error(`${image} was there when the graph was validated`);
    const picture = await world.workers.load(path, scratchBeside, signal);
    if (picture.channels === 4) {
      return { outputs: [[picture], [await world.workers.transparency(picture, scratchBeside, signal)]] };
    }
    const data = new SharedArrayBuffer(EMPTY_MASK.width * EMPTY_MASK.height);
    return { outputs: [[picture], [{ ...EMPTY_MASK, channels: 1, bitDepth: 8, data }]] };
  },
});
