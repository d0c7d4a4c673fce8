// The mood of a reference photo's colours, carried over to another. Lightness never changes.
//
// After Reinhard et al. 2001, "Color Transfer between Images": mean and deviation of a and b become the reference's; here
// zone by zone of lightness, so that shadows take their colours from shadows and skies from skies.
import { type LabPlanes, smallLab } from "../../imaging/index.ts";
import { image as imageOf, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput, strengthInput } from "../pixels/lab-node.ts";

/** The side of the copies that are measured, pixels. */
const SMALL = 512;
/** Zones of lightness; their middles are spread evenly from 0 to 100 and each goes over into the next. */
const ZONES = 5;
const ZONE_WIDTH = 100 / (ZONES - 1);
/** A zone with less than this share of a picture leans on the picture as a whole. */
const SCARCE = 0.02;
/** Colour differences are made at most so many times larger: more would be noise. */
const MOST = 3;
/** Deviations below it (Lab units) are noise of a neutral picture. */
const LEAST_DEVIATION = 1;

interface Statistics {
  readonly mean: number;
  readonly deviation: number;
}
/** Statistics of a plane, zone by zone. */
type ZoneStatistics = readonly Statistics[];

export const referenceColours = pixelNode({
  class: "AutochromeReferenceColours",
  title: { en: "Reference colours", zh: "参考色彩" },
  description: {
    en: "Gives a picture the colour mood of a reference photo, shadows from shadows and lights from lights. Lightness stays exactly as it is.",
    zh: "让图片带上参考照片的色彩氛围，暗部参照暗部，亮部参照亮部，亮度保持不变。",
  },
  category: "autochrome/colour",
  aliases: ["colour transfer", "color transfer", "match", "色彩迁移"],
  inputs: {
    image: imageInput(),
    reference: imageOf({
      label: { en: "Reference", zh: "参考图" },
      tooltip: {
        en: "A colour photo whose mood is taken over, one for each picture or one for all.",
        zh: "提供色彩氛围的彩色照片，可逐张对应，也可一张通用。",
      },
    }),
    strength: strengthInput(0.7),
  },
  outputs: [imageOutput],
  async run({ image, reference, strength }, context) {
    const images = await changeInLab(image, context, async (picture, index) => {
      if (strength === 0) return undefined;
      const from = await smallLab(picture, SMALL);
      const to = await smallLab(reference[Math.min(index, reference.length - 1)]!, SMALL);
      const [fromA, fromB, toA, toB] = [
        zoneStatistics(from, from.a),
        zoneStatistics(from, from.b),
        zoneStatistics(to, to.a),
        zoneStatistics(to, to.b),
      ];
      return {
        margin: 0,
        changes: "chroma",
        edit({ L, a, b }) {
          transfer(L, a, fromA, toA, strength);
          transfer(L, b, fromB, toB, strength);
        },
      };
    });
    return [images];
  },
});

/** The zone below a lightness, and the share of the one above it. */
function zoneAt(lightness: number): readonly [zone: number, share: number] {
  const place = lightness / ZONE_WIDTH;
  const zone = Math.min(ZONES - 2, Math.floor(place));
  return [zone, place - zone];
}

function zoneStatistics({ L }: LabPlanes, plane: Float32Array): ZoneStatistics {
  const zones = Array.from({ length: ZONES }, () => ({ weight: 0, sum: 0, squares: 0 }));
  const whole = { weight: 0, sum: 0, squares: 0 };
  const count = (into: typeof whole, weight: number, value: number) => {
    into.weight += weight;
    into.sum += weight * value;
    into.squares += weight * value * value;
  };
  for (let i = 0; i < plane.length; i++) {
    const [zone, share] = zoneAt(L[i]!);
    count(zones[zone]!, 1 - share, plane[i]!);
    count(zones[zone + 1]!, share, plane[i]!);
    count(whole, SCARCE, plane[i]!);
  }
  return zones.map(({ weight, sum, squares }) => {
    const all = weight + whole.weight;
    const mean = (sum + whole.sum) / all;
    return { mean, deviation: Math.sqrt(Math.max(0, (squares + whole.squares) / all - mean * mean)) };
  });
}

function transfer(
  L: Float32Array,
  plane: Float32Array,
  from: ZoneStatistics,
  to: ZoneStatistics,
  strength: number,
): void {
  const factors = from.map(({ deviation }, zone) =>
    Math.min(MOST, to[zone]!.deviation / Math.max(LEAST_DEVIATION, deviation)),
  );
  for (let i = 0; i < plane.length; i++) {
    const value = plane[i]!;
    const [zone, share] = zoneAt(L[i]!);
    const lower = to[zone]!.mean + (value - from[zone]!.mean) * factors[zone]!;
    const upper = to[zone + 1]!.mean + (value - from[zone + 1]!.mean) * factors[zone + 1]!;
    plane[i] = value + strength * (lower + share * (upper - lower) - value);
  }
}
