// A photograph's way to a suggestion: a small grey picture, faces and lines in it, the rule.
// Owns: nothing but the face network's lifetime. Must never: write a file.
import { type Limits, scaleGrey, smallGreyOfFile } from "../imaging/index.ts";
import { decide, type Suggestion } from "./decide.ts";
import { createFaceNetwork, type FaceNetworkOptions, LARGEST_SIDE } from "./face-network.ts";
import { within } from "./faces.ts";
import { straightness } from "./lines.ts";

export interface SuggesterOptions extends FaceNetworkOptions {
  readonly limits: Limits;
}

export interface Suggester {
  /**
   * The preset that suits a photograph. The first call starts the network's process, which ends by itself half a minute
   * after the last one.
   * @throws AutochromeError for what is no photograph, a damaged or too large one; "model-missing", "model-damaged",
   *   "out-of-memory", "inference-failed" where the network cannot be used; an abort rejects with the signal's reason
   */
  presetFor(path: string, signal?: AbortSignal): Promise<Suggestion>;
  close(): void;
}

/** Longer side at which lines are measured, and how many times a small photograph is enlarged for it at most. */
const LINES_SIDE = 384;
const LARGEST_SCALE = 2;

export function createSuggester(options: SuggesterOptions): Suggester {
  const network = createFaceNetwork(options);
  return {
    async presetFor(path, signal) {
      signal?.throwIfAborted();
      const { grey, width, height } = await smallGreyOfFile(path, LARGEST_SIDE, options.limits);
      signal?.throwIfAborted();
      const found = await network.find(grey, signal);
      const greyLong = Math.max(grey.width, grey.height);
      const scale = Math.max(width, height) / greyLong;
      const faces = found.flatMap((face) => {
        const sized = {
          x: face.x * scale,
          y: face.y * scale,
          width: face.width * scale,
          height: face.height * scale,
          score: face.score,
        };
        return within(sized, width, height) ?? [];
      });
      const lined = await scaleGrey(grey, Math.min(LINES_SIDE, LARGEST_SCALE * greyLong));
      signal?.throwIfAborted();
      return decide(faces, straightness(lined), Math.max(width, height));
    },
    close: network.close,
  };
}
