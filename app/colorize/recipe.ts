// What is done to a photo, as data that is stored with a batch and with every version.
// Owns: the recipe's schema and its form as a ComfyUI graph. Must never: run anything.
import { z } from "zod";

export const recipeSchema = z.strictObject({
  /** Model id. */
  model: z.string(),
  /** Side of the square whose area the network sees, in pixels, a multiple of 32. */
  modelSize: z.int().min(64).max(2048).multipleOf(32),
  /** Multiplies the chroma. */
  colorFactor: z.number().min(0).max(2),
  /** The network sees the photo's own shape instead of a squeezed square. */
  keepAspect: z.boolean(),
  /** The official pipeline's arithmetic: no antialiasing, nearest upsampling, clipping. */
  parity: z.boolean(),
  format: z.enum(["same", "jpeg", "png", "tiff", "webp", "avif"]),
  /** JPEG, WebP, AVIF quality. */
  quality: z.int().min(1).max(100),
});

/** Together with the model and the source this fixes the result, byte for byte on the CPU. */
export type Recipe = Readonly<z.infer<typeof recipeSchema>>;

/** The recipe as a graph in ComfyUI's API format, as it is recorded with a version. */
export function recipeGraph(recipe: Recipe): Record<string, unknown> {
  return {
    "1": { class_type: "LoadImage", inputs: { image: "input.jpg" } },
    "2": {
      class_type: "DDColor-ddcolorize",
      inputs: {
        image: ["1", 0],
        model: recipe.model,
        model_size: recipe.modelSize,
        color_factor: recipe.colorFactor,
        keep_aspect: recipe.keepAspect,
        edge_aware: !recipe.parity,
      },
    },
    "3": { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "Autochrome" } },
  };
}
