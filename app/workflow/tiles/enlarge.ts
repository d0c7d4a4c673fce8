// A picture enlarged by plain arithmetic: what a network's picture is laid over. Must never: be a result by itself.
import { fromSharp, type ModuleTask, type Picture, toSharp } from "../../imaging/index.ts";

export interface EnlargeInput {
  readonly picture: Picture;
  readonly scale: number;
  /** Where a large result goes. */
  readonly path: string;
}

const enlarge: ModuleTask<EnlargeInput, Picture> = async ({ picture, scale, path }, control) => {
  const { data: _, ...rest } = picture;
  const shape = { ...rest, width: picture.width * scale, height: picture.height * scale };
  const pipeline = toSharp(picture).resize(shape.width, shape.height, { fit: "fill" });
  return fromSharp<Picture>(pipeline, shape, {
    scratch: () => path,
    throwIfStopped: control.throwIfStopped,
  });
};
export default enlarge;
