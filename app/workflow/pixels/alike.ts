// Two pictures in one: the second is made like the first. Its colours are converted into the first's profile, where that is
// another; otherwise levels stay, in the first's bit depth.
// Must never: change how the first one's levels are.
import { descriptionOf, labConverter, type Picture, reading, topOf } from "../../imaging/index.ts";
import type { PixelContext } from "../node.ts";
import { makePixels } from "./strips.ts";

/**
 * A picture with the bit depth and the profile of another.
 * @param channels 4: alpha is kept, or is opaque where there was none; 3: without alpha
 */
export async function alike(
  picture: Picture,
  like: Pick<Picture, "bitDepth" | "profile">,
  channels: 3 | 4,
  context: PixelContext,
): Promise<Picture> {
  const hasProfile = sameProfile(picture, like);
  if (hasProfile && picture.bitDepth === like.bitDepth && picture.channels === channels) return picture;
  const { profile: _profile, ...description } = descriptionOf(picture);
  const shape = {
    ...description,
    channels,
    bitDepth: like.bitDepth,
    ...(like.profile === undefined ? {} : { profile: like.profile }),
  };
  const [from, to] = hasProfile ? [undefined, undefined] : [labConverter(picture), labConverter(shape)];
  const [topBefore, top] = [topOf(picture), topOf(shape)];
  const level = (before: number) => Math.round((before * top) / topBefore);
  return reading([picture], (reader) =>
    makePixels<Picture>(shape, context, async (rows, y, count) => {
      const before = await reader.read(y, count);
      if (from !== undefined) to.fromLab(from.toLab(before, picture.width), 0, rows);
      for (let at = 0, old = 0; at < rows.length; at += channels, old += picture.channels) {
        if (from === undefined) for (let c = 0; c < 3; c++) rows[at + c] = level(before[old + c]!);
        if (channels === 4) rows[at + 3] = picture.channels === 4 ? level(before[old + 3]!) : top;
      }
    }),
  );
}

function sameProfile({ profile: one }: Pick<Picture, "profile">, { profile: two }: Pick<Picture, "profile">) {
  if (one === undefined || two === undefined) return one === two;
  return (
    one.stage === two.stage &&
    one.colour === two.colour &&
    one.bitDepth === two.bitDepth &&
    Buffer.compare(one.icc, two.icc) === 0
  );
}
