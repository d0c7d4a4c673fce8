// What the network sees of a picture: its lightness as neutral sRGB, squeezed to the network's size.
// Must never: hold more than a strip of a large picture in memory.
import { fromLinear } from "./lab.ts";
import { levelsFrom, type Picture, readPixels, spacesOf, topOf, toSharp } from "./picture.ts";
import { levelTablesFor, luminanceIn } from "./space.ts";

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
 * As the official pipeline prepares it: bilinear without antialiasing on the colour image (half-pixel centres, as
 * cv2.resize), then Lab, a = b = 0, then RGB.
 */
export async function parityInput(picture: Picture, width: number, height: number): Promise<Float32Array> {
  const plane = new Float32Array(width * height);
  const top = topOf(picture);
  const { channels } = picture;
  const { space } = spacesOf(picture);
  const reader = await readPixels(picture);
  try {
    for (let y = 0; y < height; y++) {
      const fy = Math.min(picture.height - 1, Math.max(0, ((y + 0.5) * picture.height) / height - 0.5));
      const y0 = Math.floor(fy);
      const y1 = Math.min(picture.height - 1, y0 + 1);
      const upper = await reader.read(y0, 1);
      const lower = y1 === y0 ? upper : await reader.read(y1, 1);
      for (let x = 0; x < width; x++) {
        const fx = Math.min(picture.width - 1, Math.max(0, ((x + 0.5) * picture.width) / width - 0.5));
        const x0 = Math.floor(fx);
        const x1 = Math.min(picture.width - 1, x0 + 1);
        const mix = (channel: number) => {
          const above =
            upper[x0 * channels + channel]! * (x0 + 1 - fx) + upper[x1 * channels + channel]! * (fx - x0);
          const below =
            lower[x0 * channels + channel]! * (x0 + 1 - fx) + lower[x1 * channels + channel]! * (fx - x0);
          return (above * (y0 + 1 - fy) + below * (fy - y0)) / top;
        };
        plane[y * width + x] = fromLinear(luminanceIn(space, mix(0), mix(1), mix(2)));
      }
    }
  } finally {
    await reader.close();
  }
  return plane;
}
