// What the network sees of a picture: its lightness as neutral sRGB, squeezed to the network's size.
// Must never: hold more than a strip of a large picture in memory.
import { fromLinear, luminanceOf } from "./lab.ts";
import { opencvLightness } from "./opencv-lab.ts";
import { levelsFrom, type Picture, readPixels, type Samples, spacesOf, topOf, toSharp } from "./picture.ts";
import { isLikeSrgb, levelTablesFor, luminanceIn } from "./space.ts";

/**
 * One plane, sRGB 0–1, width × height. The reduction is antialiased (Lanczos), unlike the official pipeline's, which
 * {@link parityInput} follows.
 */
export async function networkInput(picture: Picture, width: number, height: number): Promise<Float32Array> {
  const pipeline = toSharp(picture).removeAlpha().resize(width, height, { fit: "fill" });
  const { samples: levels } = await levelsFrom(pipeline, picture.bitDepth);
  const { redY, greenY, blueY } = levelTablesFor(spacesOf(picture).space, picture.bitDepth);
  return Float32Array.from({ length: width * height }, (_, i) =>
    fromLinear(redY[levels[i * 3]!]! + greenY[levels[i * 3 + 1]!]! + blueY[levels[i * 3 + 2]!]!),
  );
}

/**
 * As the official pipeline prepares it: bilinear without antialiasing on the colour image, then OpenCV's Lab, a = b = 0,
 * then RGB. All in single precision as OpenCV's own code has it, because its Lab goes in steps: a last bit decides
 * between two of them. OpenCV knows no profiles: a picture in another space than sRGB has no official result, and its
 * lightness is its own.
 */
export async function parityInput(picture: Picture, width: number, height: number): Promise<Float32Array> {
  const plane = new Float32Array(width * height);
  const top = topOf(picture);
  const { channels } = picture;
  const { space } = spacesOf(picture);
  const light = isLikeSrgb(space)
    ? (red: number, green: number, blue: number) => luminanceOf(opencvLightness(red, green, blue))
    : (red: number, green: number, blue: number) => luminanceIn(space, red, green, blue);
  const levels = Float32Array.from({ length: top + 1 }, (_, level) => level / top);
  const columns = opencvAxis(picture.width, width);
  const reader = await readPixels(picture);
  try {
    for (const [y, row] of opencvAxis(picture.height, height).entries()) {
      const upper = await reader.read(row.first, 1);
      const lower = row.second === row.first ? upper : await reader.read(row.second, 1);
      for (const [x, column] of columns.entries()) {
        const along = (line: Samples, channel: number) =>
          mix(
            levels[line[column.first * channels + channel]!]!,
            levels[line[column.second * channels + channel]!]!,
            column.share,
          );
        const at = (channel: number) => mix(along(upper, channel), along(lower, channel), row.share);
        plane[y * width + x] = fromLinear(light(at(0), at(1), at(2)));
      }
    }
  } finally {
    await reader.close();
  }
  return plane;
}

/** Where a column or row of the result lies in the picture: two neighbours and the share of the second. */
interface Place {
  readonly first: number;
  readonly second: number;
  readonly share: number;
}

/** As cv2.resize has it: half-pixel centres, single precision. */
function opencvAxis(from: number, to: number): Place[] {
  const scale = 1 / (to / from);
  return Array.from({ length: to }, (_, i) => {
    const place = Math.fround((i + 0.5) * scale - 0.5);
    if (place <= 0) return { first: 0, second: 0, share: 0 };
    const first = Math.floor(place);
    if (first >= from - 1) return { first: from - 1, second: from - 1, share: 0 };
    return { first, second: first + 1, share: Math.fround(place - first) };
  });
}

/** In single precision: each product, then the sum. */
function mix(first: number, second: number, share: number): number {
  return Math.fround(Math.fround(first * Math.fround(1 - share)) + Math.fround(second * share));
}
