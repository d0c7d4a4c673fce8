// Gentle noise reduction, by the noise that a picture has.
import { type LabPlanes, type Picture, readLab } from "../../imaging/index.ts";
import { pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput, strengthInput } from "../pixels/lab-node.ts";
import { localMoments, smoothKeepingEdges } from "../pixels/planes.ts";

/** Pixels around one that are looked at: wider than grain, narrower than what a face is made of. */
const RADIUS = 3;
/** What varies by so many times the noise is half detail. */
const TOLERANCE = 2;
/** Bands of rows in which the noise is measured, and their height. */
const BANDS = 6;
const BAND_ROWS = 24;
/** Share of the picture that is taken to be flat; there, all variation is noise. */
const FLAT = 0.25;

const CHANNELS = ["L", "a", "b"] as const;
type Noise = Readonly<Record<(typeof CHANNELS)[number], number>>;

export const lightDenoise = pixelNode({
  class: "AutochromeLightDenoise",
  title: { en: "Light denoise", zh: "轻度降噪" },
  description: {
    en: "Calms grain and noise a little, in lightness and in colour. Edges stay sharp, and the grain keeps its character.",
    zh: "轻轻压低亮度与色彩中的颗粒和噪点，边缘保持清晰，颗粒质感仍在。",
  },
  category: "autochrome/repair",
  aliases: ["noise", "grain", "smooth", "降噪"],
  inputs: { image: imageInput(), strength: strengthInput(0.5) },
  outputs: [imageOutput],
  async run({ image, strength }, context) {
    const images = await changeInLab(image, context, async (picture) => {
      if (strength === 0) return undefined;
      const noise = await noiseOf(picture);
      return { margin: 2 * RADIUS, changes: "all", edit: (strip) => denoise(strip, noise, strength) };
    });
    return [images];
  },
});

function denoise(planes: LabPlanes, noise: Noise, strength: number): void {
  for (const channel of CHANNELS) {
    const plane = planes[channel];
    if (noise[channel] === 0) continue;
    const smooth = smoothKeepingEdges(plane, planes.width, RADIUS, (TOLERANCE * noise[channel]) ** 2);
    for (let i = 0; i < plane.length; i++) plane[i]! += strength * (smooth[i]! - plane[i]!);
  }
}

/** Standard deviation of the noise in each channel: that of the flattest parts (as Olsen 1993 compares such estimates). */
async function noiseOf(picture: Picture): Promise<Noise> {
  const rows = Math.min(BAND_ROWS, picture.height);
  const bands: LabPlanes[] = [];
  for (let band = 0; band < BANDS; band++) {
    const y = Math.round(((picture.height - rows) * (band + 0.5)) / BANDS);
    bands.push(await readLab(picture, y, rows));
  }
  const noiseIn = (channel: (typeof CHANNELS)[number]) => {
    // One value in each window: neighbouring ones say the same.
    const samples = bands.map((band) =>
      localMoments(band[channel], band.width, RADIUS).variance.filter((_, i) => i % (2 * RADIUS + 1) === 0),
    );
    const variances = new Float32Array(samples.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const sample of samples) {
      variances.set(sample, end);
      end += sample.length;
    }
    return Math.sqrt(variances.sort()[Math.floor(FLAT * variances.length)] ?? 0);
  };
  return { L: noiseIn("L"), a: noiseIn("a"), b: noiseIn("b") };
}
