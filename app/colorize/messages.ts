// What the engine and the inference process say to each other. Plain data only.

/** Names that onnxruntime gives its execution providers. */
export type Provider = "cpu" | "cuda" | "tensorrt" | "dml" | "coreml" | "webgpu";

export interface LoadRequest {
  readonly kind: "load";
  readonly id: number;
  readonly modelPath: string;
  /** Digest that the file must have, hex. */
  readonly sha256: string;
  readonly provider: Provider;
  /** Threads of the network on the CPU. */
  readonly threads: number;
}

/** Chroma of a picture. */
export interface RunRequest {
  readonly kind: "run";
  readonly id: number;
  /** One plane of the neutral picture, sRGB 0–1; the network sees it three times. */
  readonly grey: Float32Array;
  readonly width: number;
  readonly height: number;
}

/** Floats of the machine's byte order in a file; they do not go through the engine's thread. */
export interface FilePlace {
  readonly path: string;
  /** In bytes. */
  readonly offset: number;
}

/** A tile of a picture as a new tile, of the same size or a multiple of it. */
export interface TileRequest {
  readonly kind: "tile";
  readonly id: number;
  readonly channels: number;
  readonly width: number;
  readonly height: number;
  /** Planes one after another, levels 0–1. */
  readonly input: FilePlace;
  /** Where the network's planes go; the file is made when it is not there. */
  readonly output: FilePlace;
}

export type Request = LoadRequest | RunRequest | TileRequest;

export type Failure =
  | "damaged" // the model's file is not what the manifest says
  | "unloadable" // the runtime does not take the model, or the provider does not work
  | "out-of-memory"
  | "not-finite" // the network gave NaN or infinity
  | "misshapen" // the network gave something else than a picture 1 to 8 times as large
  | "failed";

/** What a network takes, in onnxruntime's words: a type, and sides that are numbers or names. */
export interface NetworkInput {
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export interface LoadedReply {
  readonly kind: "loaded";
  readonly id: number;
  readonly inputs: readonly NetworkInput[];
}

export type Reply =
  | LoadedReply
  | { readonly kind: "chroma"; readonly id: number; readonly data: Float32Array; readonly ms: number }
  | { readonly kind: "tile"; readonly id: number; readonly scale: number; readonly ms: number }
  | { readonly kind: "error"; readonly id: number; readonly failure: Failure; readonly detail: string };
