// The network that finds faces, in an inference process of its own: a grey picture in, boxes out.
// Owns: that process. Must never: run the network in this one, or decide what faces mean.
import { fileURLToPath } from "node:url";
import { createInferenceProcess, type Explain } from "../colorize/index.ts";
import { type GreyPicture, scaleGrey } from "../imaging/index.ts";
import { AutochromeError, type Logger } from "../kernel/index.ts";
import { decodeFaces, distinctFaces, type Face } from "./faces.ts";

/** See models/subject/README.md. */
const MODEL = fileURLToPath(new URL("../../models/subject/face-full-range.onnx", import.meta.url));
const SHA256 = "0a6a9bab754ab57dd8a0af8bdd1d680a3db3e390bd9d76756515b7c41fc1b9c3";

/**
 * Longer sides at which the network sees a photograph. It finds faces of about an eighth to the whole of 192 pixels, so the
 * larger ones are for smaller faces.
 */
const SIDES = [192, 384, 768];
export const LARGEST_SIDE = 768;
/** A picture is enlarged so many times at most: more shows nothing new. */
const LARGEST_SCALE = 2;
/** Sides of the network's picture are multiples of this; what is over stays black. */
const STEP = 32;
/** Scores below are noise. */
const LEAST_SCORE = 0.5;

export interface FaceNetwork {
  /**
   * Faces of a picture of at most {@link LARGEST_SIDE} a side, in its pixels, surest first.
   * @throws AutochromeError "model-damaged", "model-missing", "out-of-memory", "inference-failed"; an abort rejects with
   *   the signal's reason
   */
  find(picture: GreyPicture, signal?: AbortSignal): Promise<Face[]>;
  close(): void;
}

export interface FaceNetworkOptions {
  /** Threads of the network. */
  readonly threads: number;
  /** Added to its process's niceness, 0–19. */
  readonly niceness?: number;
  readonly log: Logger;
}

export function createFaceNetwork(options: FaceNetworkOptions): FaceNetwork {
  const process = createInferenceProcess(
    { ...options, modelPath: MODEL, modelSha256: SHA256, provider: "cpu" },
    explain,
  );

  async function findAt(picture: GreyPicture, side: number, signal?: AbortSignal): Promise<Face[]> {
    const seen = await scaleGrey(picture, side);
    const width = Math.ceil(seen.width / STEP) * STEP;
    const height = Math.ceil(seen.height / STEP) * STEP;
    const data = new Float32Array(width * height).fill(-1);
    for (let y = 0; y < seen.height; y++) {
      for (let x = 0; x < seen.width; x++) {
        data[y * width + x] = seen.levels[y * seen.width + x]! / 127.5 - 1;
      }
    }
    const inputs = { picture: { data, shape: [1, 1, height, width] } };
    const reply = await process.ask({ kind: "raw", inputs }, signal);
    if (reply.kind !== "raw") throw new Error(`unexpected reply ${reply.kind}`);
    const { boxes, scores } = reply.outputs;
    if (boxes === undefined || scores === undefined) throw new Error("the face network gave no boxes");
    const scale = Math.max(picture.width, picture.height) / side;
    return decodeFaces({ boxes: boxes.data, scores: scores.data }, width / 4, scale, LEAST_SCORE);
  }

  return {
    async find(picture, signal) {
      const largest = LARGEST_SCALE * Math.max(picture.width, picture.height);
      const sides = SIDES.filter((side) => side <= largest);
      return distinctFaces((await Promise.all(sides.map((side) => findAt(picture, side, signal)))).flat());
    },
    close: process.close,
  };
}

const explain: Explain = (failure, detail) => {
  switch (failure) {
    case "missing":
      return new AutochromeError(
        "model-missing",
        "The network that finds faces is not there.",
        "Install Autochrome again, or choose a workflow yourself.",
        { detail },
      );
    case "damaged":
      return new AutochromeError(
        "model-damaged",
        "The network that finds faces is damaged.",
        "Install Autochrome again, or choose a workflow yourself.",
        { detail },
      );
    case "out-of-memory":
      return new AutochromeError(
        "out-of-memory",
        "There is not enough memory to look for faces.",
        "Close other programs, or choose a workflow yourself.",
        { detail },
      );
    default:
      return new AutochromeError(
        "inference-failed",
        "Looking for faces failed.",
        "Try again, or choose a workflow yourself.",
        { detail },
      );
  }
};
