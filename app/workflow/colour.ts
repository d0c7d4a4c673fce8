// Pictures through a colouring network: what both ddcolor nodes do.
// Must never: touch pixels in the engine's thread.
import { networkSize } from "../colorize/index.ts";
import type { MergeOptions, Picture } from "../imaging/index.ts";
import type { Model } from "../modelstore/index.ts";
import type { EngineContext, Images } from "./node.ts";

/** How pictures are coloured. */
export interface Colouring {
  readonly model: Model;
  /** Side of the square whose area the network sees, in pixels; rounded to a multiple of 32. */
  readonly modelSize: number;
  /** Multiplies the chroma, 0–2. */
  readonly colorFactor: number;
  /** Colour follows the contours of the full-size picture. */
  readonly edgeAware: boolean;
  /** The network sees the picture's own shape instead of a squeezed square. */
  readonly keepAspect: boolean;
  /** The official pipeline's arithmetic: no antialiasing, nearest upsampling, clipping. */
  readonly parity: boolean;
}

const PREVIEW_SIDE = 512;
/** Read, seen, coloured. */
const STEPS = 3;

export async function colourImages(
  context: EngineContext,
  images: Images,
  colouring: Colouring,
): Promise<Images> {
  const coloured: Picture[] = [];
  for (const [place, picture] of images.entries()) {
    const step = (done: number) => context.progress(place * STEPS + done, images.length * STEPS);
    coloured.push(await colourPicture(context, picture, place, colouring, step));
  }
  return coloured;
}

async function colourPicture(
  context: EngineContext,
  picture: Picture,
  place: number,
  colouring: Colouring,
  step: (done: number) => void,
): Promise<Picture> {
  const { world, signal, scratchBeside } = context;
  const { workers, colorizer } = world;
  const { model, modelSize, colorFactor, edgeAware, keepAspect, parity } = colouring;
  const size = networkSize(picture, modelSize, keepAspect && !parity);
  const show = async (look: Picture) => {
    if (context.wantsPreviews) {
      context.preview(Buffer.from(await workers.preview(look, PREVIEW_SIDE, signal)), "jpeg");
    }
  };
  const grey = await workers.networkInput(picture, { ...size, parity }, signal);
  step(1);
  await show(picture);
  const seen = `${context.keyOf("image")} ${place} ${parity}`;
  const { data, networkMs } = await colorizer.chroma(model, { grey, ...size }, seen, signal);
  step(2);
  const how: MergeOptions = {
    colorFactor,
    upsample: parity ? "nearest" : edgeAware ? "edge-aware" : "bilinear",
    gamut: parity ? "clip" : "chroma",
  };
  const chroma = { data, ...size };
  if (context.wantsPreviews) {
    const small = await workers.reduce(picture, PREVIEW_SIDE, signal);
    await show(await workers.layChroma(small, chroma, grey, how, scratchBeside, signal));
  }
  const result = await workers.layChroma(picture, chroma, grey, how, scratchBeside, signal);
  step(STEPS);
  const making = {
    model: model.id,
    modelSha256: model.sha256,
    device: colorizer.device,
    networkMs,
    parameters: {
      modelWidth: size.width,
      modelHeight: size.height,
      colorFactor,
      edgeAware: edgeAware && !parity,
      parity,
    },
  };
  return { ...result, making: [...(picture.making ?? []), making] };
}
