// What nodes share that change pictures in CIE Lab: the run over all pictures of a batch, and the inputs they all have.
// Must never: know a particular node.
import { type LabChange, mapLab, type Picture } from "../../imaging/index.ts";
import { float, type Images, image, type PixelContext } from "../node.ts";

export const imageInput = () =>
  image({
    label: { en: "Image", zh: "图像" },
    tooltip: { en: "The pictures to work on.", zh: "要处理的图片。" },
  });

/** How much of the change is made: 0 (none at all) to 1. */
export const strengthInput = (initial: number) =>
  float({
    label: { en: "Strength", zh: "强度" },
    tooltip: {
      en: "How much of the change is made. 0 leaves the picture as it is.",
      zh: "处理的力度。0 表示保持原样。",
    },
    default: initial,
    min: 0,
    max: 1,
    step: 0.05,
  });

export const imageOutput = { type: "IMAGE", name: "IMAGE" } as const;

/**
 * Changes all pictures, reporting progress by rows.
 * @param changeFor what happens to a picture; undefined: nothing, it goes on as it is
 */
export async function changeInLab(
  images: Images,
  context: PixelContext,
  changeFor: (picture: Picture, index: number) => Promise<LabChange | undefined> | LabChange | undefined,
): Promise<Images> {
  const total = images.reduce((sum, { height }) => sum + height, 0);
  let done = 0;
  const advance = (rows: number) => {
    done += rows;
    context.progress(done, total);
  };
  const results: Picture[] = [];
  for (const [index, picture] of images.entries()) {
    context.throwIfStopped();
    const change = await changeFor(picture, index);
    if (change === undefined) advance(picture.height);
    results.push(
      change === undefined ? picture : await mapLab(picture, context, { ...change, onRows: advance }),
    );
  }
  return results;
}
