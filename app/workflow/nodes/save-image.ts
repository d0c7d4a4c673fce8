import { extensionFor, type OutputFormat, outputFormatFor, type Picture } from "../../imaging/index.ts";
import { choice, engineNode, type FileReference, image, int, optional, string } from "../node.ts";
import { savePictureOf } from "../save.ts";

export const saveImage = engineNode({
  class: "SaveImage",
  title: { en: "Save Image", zh: "保存图像" },
  description: {
    en: "Writes pictures into the output folder, with their original's metadata and a note of how they were made.",
    zh: "把图片写入输出文件夹，保留原照片的元数据，并记录制作过程。",
  },
  category: "image",
  inputs: {
    images: image({
      label: { en: "images", zh: "图像" },
      tooltip: { en: "The pictures to save.", zh: "要保存的图片。" },
    }),
    filename_prefix: string({
      label: { en: "filename prefix", zh: "文件名前缀" },
      tooltip: {
        en: "How names begin; may have folders and %date:yyyy-MM-dd%, %width%, %height%, %batch_num%.",
        zh: "文件名的开头；可含文件夹以及 %date:yyyy-MM-dd%、%width%、%height%、%batch_num%。",
      },
      default: "ComfyUI",
    }),
    format: optional(
      choice<OutputFormat | "same">({
        label: { en: "format", zh: "格式" },
        tooltip: {
          en: "PNG keeps the workflow inside; “same” is the original's format.",
          zh: "PNG 会内嵌工作流；“same”表示与原文件相同的格式。",
        },
        choices: ["png", "same", "jpeg", "tiff", "webp", "avif"],
        default: "png",
        isAdvanced: true,
      }),
    ),
    quality: optional(
      int({
        label: { en: "quality", zh: "质量" },
        tooltip: {
          en: "For JPEG, WebP and AVIF; at 100 a JPEG keeps the original's lightness.",
          zh: "用于 JPEG、WebP 和 AVIF；为 100 时 JPEG 保持原片明度。",
        },
        default: 100,
        min: 1,
        max: 100,
        isAdvanced: true,
      }),
    ),
  },
  outputs: [{ type: "IMAGE", name: "images" }],
  isOutput: true,
  async run({ images, filename_prefix, format, quality }, context) {
    const saved: FileReference[] = [];
    for (const [place, picture] of images.entries()) {
      const chosen = formatOf(picture, format);
      const wish = {
        prefix: filled(filename_prefix, picture, place),
        extension: extensionFor(chosen),
        isPreview: false,
      };
      saved.push(
        await context.world.files.save(wish, (temporary) =>
          savePictureOf(context, picture, temporary, { format: chosen, quality }),
        ),
      );
      context.progress(place + 1, images.length);
    }
    return { outputs: [images], ui: { images: saved } };
  },
});

function formatOf(picture: Picture, wish: OutputFormat | "same"): OutputFormat {
  if (wish !== "same") return wish;
  return picture.origin === undefined ? "png" : outputFormatFor(picture.origin.facts, "same");
}

/** What of ComfyUI's patterns depends on the picture; the folder fills in dates. */
function filled(prefix: string, picture: Picture, place: number): string {
  return prefix
    .replaceAll("%width%", String(picture.width))
    .replaceAll("%height%", String(picture.height))
    .replaceAll("%batch_num%", String(place));
}
