import { engineNode, type FileReference, image } from "../node.ts";
import { savePictureOf } from "../save.ts";

export const previewImage = engineNode({
  class: "PreviewImage",
  title: { en: "Preview Image", zh: "预览图像" },
  description: {
    en: "Shows pictures without keeping them: they lie in the temporary folder.",
    zh: "只显示图片而不保存：文件放在临时文件夹中。",
  },
  category: "image",
  inputs: {
    images: image({
      label: { en: "images", zh: "图像" },
      tooltip: { en: "The pictures to show.", zh: "要显示的图片。" },
    }),
  },
  outputs: [],
  isOutput: true,
  async run({ images }, context) {
    const shown: FileReference[] = [];
    for (const picture of images) {
      shown.push(
        await context.world.files.save(
          { prefix: "preview", extension: ".png", isPreview: true },
          (temporary) => savePictureOf(context, picture, temporary, { format: "png", quality: 100 }),
        ),
      );
    }
    return { outputs: [], ui: { images: shown } };
  },
});
