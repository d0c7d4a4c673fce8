// What blurring and sharpening share: a picture's colours through ComfyUI's Gaussian, strip by strip.
// Must never: touch alpha.
import sharp from "sharp";
import { descriptionOf, mapRows, type Picture, reading, type Samples, topOf } from "../../imaging/index.ts";
import { float, int, type PixelContext } from "../node.ts";

/** As ComfyUI counts it. */
export interface Gaussian {
  /** Pixels that are looked at in each direction. */
  readonly radius: number;
  /** Standard deviation as a share of the radius. */
  readonly sigma: number;
}

export const radiusInput = (isAdvanced = false) =>
  int({
    label: { en: "Radius", zh: "半径" },
    tooltip: {
      en: "How many pixels around one are looked at.",
      zh: "参与计算的周围像素范围（像素）。",
    },
    default: 1,
    min: 1,
    max: 31,
    isAdvanced,
  });

export const sigmaInput = (step: number, isAdvanced = false) =>
  float({
    label: { en: "Sigma", zh: "标准差" },
    tooltip: {
      en: "How evenly the pixels within the radius count: small for the nearest ones, large for all alike.",
      zh: "半径内像素的权重分布：小则侧重近处，大则趋于平均。",
    },
    default: 1,
    min: 0.1,
    max: 10,
    step,
    isAdvanced,
  });

/** The narrowest Gaussian that libvips makes, pixels; narrower ones change nothing that can be seen. */
const LEAST_SIGMA = 0.3;

/**
 * A picture changed by what its colours are when blurred.
 * @param mix the new level, any number, from the level and the blurred one
 */
export async function mapBlurred(
  picture: Picture,
  { radius, sigma }: Gaussian,
  context: PixelContext,
  mix: (level: number, blurred: number) => number,
): Promise<Picture> {
  const deviation = sigma * radius;
  if (deviation < LEAST_SIGMA) return picture;
  const { data, channels, width, height } = picture;
  const top = topOf(picture);
  return reading([picture], (reader) =>
    mapRows<Picture>({ ...descriptionOf(picture), data }, context, async (rows, y, count) => {
      const from = Math.max(0, y - radius);
      const to = Math.min(height, y + count + radius);
      const strip = coloursOf(await reader.read(from, to - from), channels);
      const blurred = await blur(strip, width, radius, deviation);
      let old = (y - from) * width * 3;
      for (let at = 0; at < rows.length; at += channels) {
        for (let c = 0; c < 3; c++) {
          const level = mix(rows[at + c]!, blurred[old++]!);
          rows[at + c] = Math.round(Math.min(top, Math.max(0, level)));
        }
      }
      context.progress(y + count, height);
    }),
  );
}

function coloursOf(rows: Samples, channels: 3 | 4): Samples {
  if (channels === 3) return rows;
  return rows.filter((_, at) => at % 4 !== 3);
}

/** Beyond the picture its outermost pixels go on; ComfyUI reflects the picture there. 16 bits come rounded down. */
async function blur(
  colours: Samples,
  width: number,
  radius: number,
  deviation: number,
): Promise<Float32Array> {
  const kind = colours instanceof Uint16Array ? "rgb16" : "srgb";
  const raw = { width, height: colours.length / (3 * width), channels: 3 } as const;
  // libvips ends a Gaussian where it falls below this: after the radius.
  const minAmplitude = Math.max(0.001, Math.exp(-((radius + 0.5) ** 2) / (2 * deviation ** 2)));
  const { buffer, byteOffset, byteLength } = await sharp(colours, { raw, limitInputPixels: false })
    .pipelineColourspace(kind)
    .toColourspace(kind)
    .blur({ sigma: deviation, minAmplitude, precision: "float" })
    .raw({ depth: "float" })
    .toBuffer();
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}
