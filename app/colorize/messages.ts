// What the engine and the inference process say to each other. Plain data only.

/** Names that onnxruntime gives its execution providers. */
export type Provider = "cpu" | "cuda" | "tensorrt" | "dml" | "coreml" | "webgpu";

/** An onnxruntime other than the program's own: one with a GPU's libraries beside it. */
export interface Runtime {
  /** URL of the module that is imported in place of onnxruntime-node. */
  readonly module: string;
  /** Added to the inference process's environment; it must be there when the process starts. */
  readonly environment: Readonly<Record<string, string>>;
}

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

/** Chroma of pictures of one size. */
export interface RunRequest {
  readonly kind: "run";
  readonly id: number;
  /** One plane of each neutral picture, sRGB 0–1; the network sees it three times. At least one. */
  readonly greys: readonly Float32Array[];
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

/** Floats and their shape. */
export interface Values {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** A network that gives no picture: what it takes and gives by name. */
export interface RawRequest {
  readonly kind: "raw";
  readonly id: number;
  readonly inputs: Readonly<Record<string, Values>>;
}

export type Request = LoadRequest | RunRequest | TileRequest | RawRequest;

export type Failure =
  | "missing" // the model's file is not there
  | "damaged" // the model's file is not what the manifest says
  | "unloadable" // the runtime does not take the model, or the provider does not work
  | "out-of-memory"
  | "not-finite" // the network gave NaN or infinity
  | "misshapen" // the network gave something else than chroma, or than a picture 1 to 8 times as large
  | "failed";

/** What a network takes or gives, in onnxruntime's words: a type, and sides that are numbers or names. */
export interface NetworkValue {
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export interface LoadedReply {
  readonly kind: "loaded";
  readonly id: number;
  readonly inputs: readonly NetworkValue[];
  readonly outputs: readonly NetworkValue[];
}

export type Reply =
  | LoadedReply
  /** Planes a, then b, of each picture. */
  | {
      readonly kind: "chroma";
      readonly id: number;
      readonly data: readonly Float32Array[];
      readonly ms: number;
    }
  | { readonly kind: "tile"; readonly id: number; readonly scale: number; readonly ms: number }
  | {
      readonly kind: "raw";
      readonly id: number;
      readonly outputs: Readonly<Record<string, Values>>;
      readonly ms: number;
    }
  | { readonly kind: "error"; readonly id: number; readonly failure: Failure; readonly detail: string };
