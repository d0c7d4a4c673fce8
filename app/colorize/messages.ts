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

export interface RunRequest {
  readonly kind: "run";
  readonly id: number;
  /** One plane of the neutral picture, sRGB 0–1; the network sees it three times. */
  readonly grey: Float32Array;
  readonly width: number;
  readonly height: number;
}

export type Request = LoadRequest | RunRequest;

export type Failure =
  | "damaged" // the model's file is not what the manifest says
  | "unloadable" // the runtime does not take the model, or the provider does not work
  | "out-of-memory"
  | "not-finite" // the network gave NaN or infinity
  | "failed";

export type Reply =
  | { readonly kind: "loaded"; readonly id: number }
  | { readonly kind: "chroma"; readonly id: number; readonly data: Float32Array; readonly ms: number }
  | { readonly kind: "error"; readonly id: number; readonly failure: Failure; readonly detail: string };
