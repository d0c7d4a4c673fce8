// Pictures through a colouring network: what both ddcolor nodes do.
// Must never: touch pixels in the engine's thread.
import { networkSize } from "../colorize/index.ts";
import { type MergeOptions, NEUTRAL_TUNING, type Picture, type Tuning } from "../imaging/index.ts";
import type { Model } from "../modelstore/index.ts";
import type { EngineContext, Images, Masks } from "./node.ts";

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
  /** How the network's colours are changed; none: not at all. */
  readonly tuning?: Omit<Tuning, "mask">;
  /** Where color factor and tuning apply: one per picture, the last for all further ones; none: everywhere. */
  readonly masks?: Masks | undefined;
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
  const size = networkSize(model.input, picture, modelSize, keepAspect && !parity);
  const show = async (look: Picture) => {
    if (context.wantsPreviews) {
      context.preview(Buffer.from(await workers.preview(look, PREVIEW_SIDE, signal)), "jpeg");
    }
  };
  const see = async () => {
    const seen = await workers.networkInput(picture, { ...size, parity }, signal);
    step(1);
    await show(picture);
    return seen;
  };
  const key = `${context.keyOf("image")} ${place} ${parity}`;
  const coloured = await colorizer.chroma(model, { ...size, see }, key, signal);
  const { data, grey, networkMs, device, isClean } = coloured;
  step(2);
  const tuning = tuningOf(colouring, place);
  const how: MergeOptions = {
    colorFactor,
    tuning,
    upsample: parity ? "nearest" : edgeAware ? "edge-aware" : "bilinear",
    gamut: parity ? "clip" : "chroma",
  };
  const chroma = { data, ...size, ...(isClean === undefined ? {} : { isClean }) };
  if (context.wantsPreviews) {
    const small = await workers.reduce(picture, PREVIEW_SIDE, signal);
    await show(await workers.layChroma(small, chroma, grey, how, scratchBeside, signal));
  }
  const result = await workers.layChroma(picture, chroma, grey, how, scratchBeside, signal);
  step(STEPS);
  const making = {
    model: model.id,
    modelSha256: model.sha256,
    device,
    networkMs,
    parameters: {
      modelWidth: size.width,
      modelHeight: size.height,
      colorFactor,
      edgeAware: edgeAware && !parity,
      parity,
      ...recordOf(tuning),
    },
    notes: [...coloured.notes, ...sizeNotes(model, modelSize)],
  };
  return { ...result, making: [...(picture.making ?? []), making] };
}

function tuningOf({ tuning = NEUTRAL_TUNING, masks }: Colouring, place: number): Tuning {
  const mask = masks?.[Math.min(place, masks.length - 1)];
  return { ...tuning, ...(mask === undefined ? {} : { mask }) };
}

/** The values that are not neutral: records of untuned versions say nothing of tuning. */
function recordOf({ mask, ...values }: Tuning): Record<string, number | boolean> {
  const neutral = new Map<string, number>(Object.entries(NEUTRAL_TUNING));
  const changed = Object.entries(values).filter(([name, value]) => value !== neutral.get(name));
  return { ...Object.fromEntries(changed), ...(mask === undefined ? {} : { tuneMask: true }) };
}

function sizeNotes({ title, input }: Model, wished: number): string[] {
  const { fixed } = input;
  if (fixed === undefined || (fixed.width === wished && fixed.height === wished)) return [];
  return [
    `${title} sees ${fixed.width} × ${fixed.height} pixels and nothing else; the size ${wished} was not used.`,
  ];
}
