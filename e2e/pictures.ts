// What tests see in pictures. For the tests of this folder.
import sharp from "sharp";

/** Mean distance of red and blue, in levels of 255: 0 in a grey picture. */
export async function colourOf(picture: string | Buffer): Promise<number> {
  const { data, info } = await sharp(picture)
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  let sum = 0;
  for (let i = 0; i < data.length; i += info.channels) sum += Math.abs(data[i]! - data[i + 2]!);
  return sum / (info.width * info.height);
}
