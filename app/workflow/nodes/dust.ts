// Dust specks and short hairs taken out, lines and corners left in.
import { type LabPlanes, type Mask, toSharp } from "../../imaging/index.ts";
import { float, int, pixelNode } from "../node.ts";
import { changeInLab, imageInput, imageOutput } from "../pixels/lab-node.ts";
import { boxMean } from "../pixels/planes.ts";

/** What is more than so many times the size long is not a hair but a line of the picture. */
const HAIR = 8;
/** Texture is measured so many times the size around. */
const SURROUNDINGS = 3;
/** Texture raises the threshold by so many times its mean height. */
const RESPECT = 6;
/** A spot reaches as far as it is this share of what makes a speck, so that a line with faint places is one line. */
const FAINT = 0.4;
/** Where more of its surroundings than this share is like the spot itself, it is the tip of something larger. */
const ATTACHED = 0.2;

export const dust = pixelNode({
  class: "AutochromeDust",
  title: { en: "Dust removal", zh: "去除灰尘" },
  description: {
    en: "Takes out specks of dust and short hairs. Lines, edges and textures are left alone.",
    zh: "去除灰尘斑点和短毛发，不动线条、边缘和纹理。",
  },
  category: "autochrome/repair",
  aliases: ["speck", "scratch", "hair", "spot", "斑点", "划痕"],
  inputs: {
    image: imageInput(),
    size: int({
      label: { en: "Size", zh: "大小" },
      tooltip: {
        en: "Width of the widest specks, in pixels. Hairs may be eight times as long.",
        zh: "最大斑点的宽度（像素）。毛发长度可达它的八倍。",
      },
      default: 3,
      min: 1,
      max: 20,
    }),
    threshold: float({
      label: { en: "Threshold", zh: "阈值" },
      tooltip: {
        en: "How much lighter or darker than its surroundings a speck must be, in percent. 100 removes nothing.",
        zh: "斑点与周围的明暗差至少达到多少（百分比）才去除。100 表示不去除。",
      },
      default: 20,
      min: 1,
      max: 100,
      step: 1,
    }),
  },
  outputs: [imageOutput],
  async run({ image, size, threshold }, context) {
    const margin = (HAIR + SURROUNDINGS + 1) * size + 4;
    const images = await changeInLab(image, context, () =>
      threshold >= 100
        ? undefined
        : { margin, changes: "all", edit: (strip) => removeDust(strip, size, threshold) },
    );
    return [images];
  },
});

async function removeDust(planes: LabPlanes, size: number, threshold: number): Promise<void> {
  const { L, width } = planes;
  const usual = await medianOf(planes, size);
  const height = L.map((value, i) => Math.abs(value - usual[i]!));
  const texture = boxMean(height, width, SURROUNDINGS * size);
  // How many times as high as it must be for a speck.
  const oddity = height.map((value, i) => value / (threshold + RESPECT * texture[i]!));
  const isOdd = Uint8Array.from(oddity, (value) => (value > FAINT ? 1 : 0));
  const isDust = new Uint8Array(L.length);
  const marks = new Int32Array(L.length);
  let mark = 0;
  for (const spot of spotsIn(isOdd, width)) {
    mark++;
    if (spot.extent > HAIR * size || !spot.pixels.some((i) => oddity[i]! > 1)) continue;
    const { grown, rim } = surroundings(spot.pixels, marks, mark, width, L.length / width);
    if (!isTip(spot.pixels, rim, L, usual)) for (const i of grown) isDust[i] = 1;
  }
  fill(planes, isDust, usual, size + 1, threshold);
}

/** The median of L within `radius`; in steps of 100/255, which is fine enough to find and to compare with. */
async function medianOf({ L, width, height }: LabPlanes, radius: number): Promise<Float32Array> {
  const data = new SharedArrayBuffer(L.length);
  const levels = new Uint8Array(data);
  for (let i = 0; i < L.length; i++) levels[i] = Math.round(L[i]! * 2.55);
  const plane: Mask = { width, height, channels: 1, bitDepth: 8, data };
  // libvips takes no window larger than the picture.
  const reach = Math.min(radius, Math.floor((Math.min(width, height) - 1) / 2));
  const median = await toSharp(plane)
    .median(2 * reach + 1)
    .raw()
    .toBuffer();
  return Float32Array.from(median, (level) => level / 2.55);
}

/** What hangs together in a mask, also over corners. */
function* spotsIn(
  mask: Uint8Array,
  width: number,
): Generator<{ readonly pixels: readonly number[]; readonly extent: number }> {
  const seen = new Uint8Array(mask.length);
  for (let start = 0; start < mask.length; start++) {
    if (mask[start] !== 1 || seen[start] === 1) continue;
    seen[start] = 1;
    const pixels = [start];
    let [left, right, top, bottom] = [width, 0, mask.length, 0];
    for (let next = 0; next < pixels.length; next++) {
      const pixel = pixels[next]!;
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const near = pixel + dy * width + dx;
          if (x + dx < 0 || x + dx >= width || mask[near] !== 1 || seen[near] === 1) continue;
          seen[near] = 1;
          pixels.push(near);
        }
      }
    }
    yield { pixels, extent: Math.max(right - left, bottom - top) + 1 };
  }
}

/** A spot with its soft border, and the ring of pixels around that. Marks them with ±`mark`. */
function surroundings(
  pixels: readonly number[],
  marks: Int32Array,
  mark: number,
  width: number,
  height: number,
): { readonly grown: readonly number[]; readonly rim: readonly number[] } {
  const within = (reach: number, sign: 1 | -1) => {
    const found: number[] = [];
    for (const pixel of pixels) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      for (let ny = Math.max(0, y - reach); ny <= Math.min(height - 1, y + reach); ny++) {
        for (let nx = Math.max(0, x - reach); nx <= Math.min(width - 1, x + reach); nx++) {
          const near = ny * width + nx;
          if (Math.abs(marks[near]!) === mark) continue;
          marks[near] = sign * mark;
          found.push(near);
        }
      }
    }
    return found;
  };
  return { grown: within(1, 1), rim: within(2, -1) };
}

/** Whether a spot goes on in its surroundings: medians cut off the corners of larger things, too. */
function isTip(
  pixels: readonly number[],
  rim: readonly number[],
  L: Float32Array,
  usual: Float32Array,
): boolean {
  const mean = (plane: Float32Array) => pixels.reduce((sum, i) => sum + plane[i]!, 0) / pixels.length;
  const [own, around] = [mean(L), mean(usual)];
  const alike = rim.filter((i) => Math.abs(L[i]! - own) < Math.abs(L[i]! - around));
  return alike.length > ATTACHED * rim.length;
}

/** Gives dust the mean colour of those pixels around it that are clean and about as light as the median there. */
function fill(
  { L, a, b, width, height }: LabPlanes,
  isDust: Uint8Array,
  usual: Float32Array,
  reach: number,
  tolerance: number,
): void {
  for (let i = 0; i < L.length; i++) {
    if (isDust[i] !== 1) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    let [count, sumL, sumA, sumB] = [0, 0, 0, 0];
    for (let ny = Math.max(0, y - reach); ny <= Math.min(height - 1, y + reach); ny++) {
      for (let nx = Math.max(0, x - reach); nx <= Math.min(width - 1, x + reach); nx++) {
        const near = ny * width + nx;
        if (isDust[near] === 1 || Math.abs(L[near]! - usual[i]!) > tolerance) continue;
        count++;
        sumL += L[near]!;
        sumA += a[near]!;
        sumB += b[near]!;
      }
    }
    L[i] = count > 0 ? sumL / count : usual[i]!;
    if (count > 0) [a[i], b[i]] = [sumA / count, sumB / count];
  }
}
