// The node library: every node that a graph can have. Adding a node is writing its file and naming it here.
// Must never: know how nodes are run.
import type { AnyNode } from "./node.ts";
import { autoLevels } from "./nodes/auto-levels.ts";
import { colourHints } from "./nodes/colour-hints.ts";
import { ddcolorColorize } from "./nodes/ddcolor-colorize.ts";
import { ddcolorize } from "./nodes/ddcolor-ddcolorize.ts";
import { descreen } from "./nodes/descreen.ts";
import { dust } from "./nodes/dust.ts";
import { featherMask } from "./nodes/feather-mask.ts";
import { filmGrain } from "./nodes/film-grain.ts";
import { growMask } from "./nodes/grow-mask.ts";
import { imageBatch } from "./nodes/image-batch.ts";
import { imageBlend } from "./nodes/image-blend.ts";
import { imageBlur } from "./nodes/image-blur.ts";
import { imageCompositeMasked } from "./nodes/image-composite-masked.ts";
import { imageCrop } from "./nodes/image-crop.ts";
import { imageFromBatch } from "./nodes/image-from-batch.ts";
import { imageInvert } from "./nodes/image-invert.ts";
import { imageModel } from "./nodes/image-model.ts";
import { imageScale } from "./nodes/image-scale.ts";
import { imageScaleBy } from "./nodes/image-scale-by.ts";
import { imageScaleToSideRange } from "./nodes/image-scale-to-side-range.ts";
import { imageScaleToTotalPixels } from "./nodes/image-scale-to-total-pixels.ts";
import { imageSharpen } from "./nodes/image-sharpen.ts";
import { imageStitch } from "./nodes/image-stitch.ts";
import { imageToMask } from "./nodes/image-to-mask.ts";
import { invertMask } from "./nodes/invert-mask.ts";
import { lightDenoise } from "./nodes/light-denoise.ts";
import { loadImage } from "./nodes/load-image.ts";
import { maskComposite } from "./nodes/mask-composite.ts";
import { maskToImage } from "./nodes/mask-to-image.ts";
import { previewImage } from "./nodes/preview-image.ts";
import { referenceColours } from "./nodes/reference-colours.ts";
import { repeatImageBatch } from "./nodes/repeat-image-batch.ts";
import { saturation } from "./nodes/saturation.ts";
import { saveImage } from "./nodes/save-image.ts";
import { saveImageWebsocket } from "./nodes/save-image-websocket.ts";
import { solidMask } from "./nodes/solid-mask.ts";
import { thresholdMask } from "./nodes/threshold-mask.ts";
import { whiteBalance } from "./nodes/white-balance.ts";

const nodes: readonly AnyNode[] = [
  loadImage,
  saveImage,
  previewImage,
  saveImageWebsocket,
  ddcolorize,
  ddcolorColorize,
  imageModel,
  lightDenoise,
  descreen,
  dust,
  autoLevels,
  whiteBalance,
  saturation,
  filmGrain,
  colourHints,
  referenceColours,
  imageScale,
  imageScaleBy,
  imageScaleToTotalPixels,
  imageScaleToSideRange,
  imageCrop,
  imageStitch,
  imageBlend,
  imageCompositeMasked,
  imageInvert,
  imageSharpen,
  imageBlur,
  imageBatch,
  repeatImageBatch,
  imageFromBatch,
  invertMask,
  growMask,
  featherMask,
  thresholdMask,
  maskComposite,
  solidMask,
  imageToMask,
  maskToImage,
];

/** All nodes by class. */
export const NODES: ReadonlyMap<string, AnyNode> = new Map(nodes.map((node) => [node.class, node]));
