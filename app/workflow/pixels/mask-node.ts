// What mask nodes share. Must never: know a particular node.
import { int, mask } from "../node.ts";
import { MAX_RESOLUTION } from "./strips.ts";

export const maskInput = () =>
  mask({
    label: { en: "Mask", zh: "遮罩" },
    tooltip: { en: "The masks to work on.", zh: "要处理的遮罩。" },
  });

export const maskOutput = { type: "MASK", name: "MASK" } as const;

/** The category that ComfyUI has for masks. */
export const MASK_CATEGORY = "image/mask";

/** Where something lies in something else, pixels. */
export const placeInputs = () => ({
  x: int({
    label: { en: "X", zh: "X" },
    tooltip: { en: "Pixels from the left edge.", zh: "距左边缘的像素数。" },
    default: 0,
    min: 0,
    max: MAX_RESOLUTION,
  }),
  y: int({
    label: { en: "Y", zh: "Y" },
    tooltip: { en: "Pixels from the top edge.", zh: "距上边缘的像素数。" },
    default: 0,
    min: 0,
    max: MAX_RESOLUTION,
  }),
});
