// How long a batch will take here, measured before it begins. Must never: promise; it is said as "about".
import { networkSize } from "../colorize/index.ts";
import { type ApiGraph, colouringNodes } from "../workflow/index.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * What the networks of a graph take for one photo on the device that is used now, in milliseconds: each is run twice on a
 * grey ramp, and the first time, with its loading, does not count. On the CPU all else goes on beside it.
 * @returns undefined where no network's size is known before the photo is
 * @throws AutochromeError as the colorizer's chroma
 */
export async function measureMs(
  { models, colorizer }: Surroundings,
  graph: ApiGraph,
  signal?: AbortSignal,
): Promise<number | undefined> {
  let sum = 0;
  for (const [, { inputs }] of colouringNodes(graph)) {
    const { model: id, model_size: side } = inputs;
    if (typeof id !== "string" || typeof side !== "number") return undefined;
    const model = models.find(id);
    const size = networkSize(model.input, { width: 1, height: 1 }, side, false);
    const ramp = Float32Array.from(
      { length: size.width * size.height },
      (_, at) => (at % size.width) / size.width,
    );
    const seen = { ...size, see: async () => ramp };
    await colorizer.chroma(model, seen, undefined, signal);
    sum += (await colorizer.chroma(model, seen, undefined, signal)).networkMs;
  }
  return sum === 0 ? undefined : sum;
}
