// All networks of a process: which names stand for which model, one inference process per model, and the chroma of
// pictures that were seen lately.
//
// Owns: the inference processes and their ending. Must never: see full-size pixels.
import { AutochromeError, type Logger } from "../kernel/index.ts";
import { listModels, type Model } from "../modelstore/index.ts";
import { createInference, type Inference } from "./inference.ts";

/** What the network makes of a picture. */
export interface Coloured {
  /** Plane a, then plane b, in Lab units. */
  readonly data: Float32Array;
  /** What the network took, in milliseconds; 0 where its answer was known. */
  readonly networkMs: number;
}

export interface Colorizer {
  /** What runs the networks, in words. */
  readonly device: string;
  /** How often a network was run, and how often its answer was known already. */
  readonly counts: { readonly runs: number; readonly known: number };
  /**
   * Runs the network, unless it has seen the same lately.
   * @param grey one plane, sRGB 0–1, width × height; both multiples of 32
   * @param key identifies what the network sees; undefined: not to be remembered
   * @throws AutochromeError; an abort rejects with the signal's reason
   */
  chroma(
    model: Model,
    seen: { readonly grey: Float32Array; readonly width: number; readonly height: number },
    key: string | undefined,
    signal?: AbortSignal,
  ): Promise<Coloured>;
  /** Loads a model now. @throws AutochromeError "model-damaged", "device-unavailable" */
  warm(model: Model): Promise<void>;
  /** Forgets all chroma. */
  forget(): void;
  /** Ends the processes and forgets all chroma; the next run starts anew. */
  unload(): void;
}

export interface ColorizerOptions {
  /** Threads of the network on the CPU. */
  readonly threads: number;
  readonly log: Logger;
}

const DEVICE = "cpu";
/** Floats of chroma that are remembered: 64 MiB. */
const REMEMBERED = 16 * 1024 * 1024;

export function createColorizer(options: ColorizerOptions): Colorizer {
  const inferences = new Map<string, Inference>();
  const remembered = new Map<string, Float32Array>();
  const counts = { runs: 0, known: 0 };
  let size = 0;

  function inferenceFor(model: Model): Inference {
    let inference = inferences.get(model.id);
    if (inference === undefined) {
      inference = createInference({
        modelPath: model.path,
        modelSha256: model.sha256,
        provider: DEVICE,
        threads: options.threads,
        log: options.log,
      });
      inferences.set(model.id, inference);
    }
    return inference;
  }

  function remember(key: string, data: Float32Array): void {
    if (data.length > REMEMBERED / 4 || remembered.has(key)) return;
    remembered.set(key, data);
    size += data.length;
    for (const [oldest, planes] of remembered) {
      if (size <= REMEMBERED) break;
      remembered.delete(oldest);
      size -= planes.length;
    }
  }

  function forget(): void {
    remembered.clear();
    size = 0;
  }

  function unload(): void {
    for (const inference of inferences.values()) inference.close();
    inferences.clear();
    forget();
  }

  return {
    device: DEVICE,
    counts,
    async chroma(model, seen, key, signal) {
      const full = key === undefined ? undefined : `${model.sha256} ${seen.width} ${seen.height} ${key}`;
      const known = full === undefined ? undefined : remembered.get(full);
      if (full !== undefined && known !== undefined) {
        counts.known++;
        remembered.delete(full); // to the end of the queue
        remembered.set(full, known);
        return { data: known, networkMs: 0 };
      }
      const { data, ms } = await inferenceFor(model).run(seen.grey, seen.width, seen.height, signal);
      counts.runs++;
      if (full !== undefined) remember(full, data);
      return { data, networkMs: Math.round(ms) };
    },
    warm: (model) => inferenceFor(model).warm(),
    forget,
    unload,
  };
}

/** Upstream's file names for its checkpoints, and what is run here where they are not installed. */
const CHECKPOINTS = [
  "ddcolor_paper_tiny.pth",
  "ddcolor_paper.pth",
  "ddcolor_modelscope.pth",
  "ddcolor_artistic.pth",
] as const;

/** Names that a node offers for models: ids of installed ones. */
export function modelNames(): readonly string[] {
  return listModels().map((model) => model.id);
}

/** Names that kijai's node offers. */
export function checkpointNames(): readonly string[] {
  return [...CHECKPOINTS, ...modelNames()];
}

/** The model that a name stands for: an id, or upstream's file name where that checkpoint is installed. */
export function modelByName(name: string): Model | undefined {
  const models = listModels();
  const id = name.replace(/\.(pth|pt|onnx|safetensors)$/i, "").replaceAll("_", "-");
  return models.find((model) => model.id === id);
}

/** The model behind a name of kijai's node: where the checkpoint is not installed, the first model that is. */
export function modelForCheckpoint(name: string): Model {
  const [standard] = listModels();
  const model = modelByName(name) ?? standard;
  if (model !== undefined) return model;
  throw new AutochromeError(
    "model-missing",
    "No model is installed.",
    "Install Autochrome again, or see `autochrome models list`.",
  );
}
