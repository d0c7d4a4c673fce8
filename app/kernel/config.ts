// The settings: one schema, one file, one set of environment variables.
//
// Owns: the schema, its defaults, and the order file < environment < what the caller passes.
// Must never: be read anywhere but at a door; rooms get plain values.
import { join } from "node:path";
import { z } from "zod";
import { changeSettingsFile, configFile, readSettings } from "./config-file.ts";
import { AutochromeError } from "./errors.ts";
import { configFolder, dataFolder } from "./paths.ts";

/** Several words: an array in the file, separated by commas in the environment. */
function list() {
  const split = (value: unknown) =>
    typeof value === "string" ? value.split(",").flatMap((word) => word.trim() || []) : value;
  return z.preprocess(split, z.array(z.string().min(1))).default([]);
}

export const configSchema = z.strictObject({
  /** The library folder; unset means the user's Pictures folder. */
  library: z.string().min(1).optional(),
  /** Id of the model to colour with. */
  model: z.string().min(1).default("autochrome-small"),
  /** Folder of installed models. */
  models: z
    .string()
    .min(1)
    .default(() => join(dataFolder(), "models")),
  /** Addresses that models are fetched from before the published ones; the file's name is added. */
  modelMirrors: list(),
  /** What runs the network: an execution provider, or auto, which takes the fastest that works. */
  device: z.enum(["auto", "cpu", "webgpu", "cuda", "tensorrt", "dml", "coreml"]).default("auto"),
  /**
   * Folder with the libraries that CUDA and TensorRT need on Linux: ONNX Runtime's for NVIDIA GPUs, of exactly our version
   * of it, and NVIDIA's where the system has none. What `pip install --target` makes of the package onnxruntime-gpu will do.
   */
  gpuLibraries: z.string().min(1).optional(),
  /** How much of the computer colouring may take: polite leaves the desktop quick, all leaves nothing. */
  effort: z.enum(["polite", "balanced", "all"]).default("balanced"),
  /** Without `--workflow`, take the preset that suits each photo: people, a group, buildings. */
  suggest: z.stringbool().or(z.boolean()).default(false),
  /** Side of the square whose area the network sees, in pixels; rounded to a multiple of 32. Unset: the model's. */
  modelSize: z.coerce.number().int().min(64).max(2048).optional(),
  /** Pixel worker threads; unset: as `effort` says. */
  workers: z.coerce.number().int().min(1).max(64).optional(),
  /** Threads of the network on the CPU; unset: as `effort` says. */
  inferenceThreads: z.coerce.number().int().min(1).max(256).optional(),
  /** JPEG, WebP and AVIF quality of results, 1–100. At 100 lightness stays the original's through a JPEG's rounding. */
  quality: z.coerce.number().int().min(1).max(100).default(100),
  /** Folder of the user's own ONNX models, for the node AutochromeImageModel. */
  imageModels: z
    .string()
    .min(1)
    .default(() => join(configFolder(), "image-models")),
  /** Largest photo that is opened, in megapixels. */
  maxMegapixels: z.coerce.number().min(1).max(4000).default(600),
  logLevel: z.enum(["silent", "fatal", "error", "warn", "info", "debug", "trace"]).default("warn"),

  /** Address that `serve` listens on. Anything but loopback needs `apiKey` or the three `jwt…` settings. */
  host: z.string().min(1).default("127.0.0.1"),
  /** Port that `serve` listens on; 0 lets the system choose. */
  port: z.coerce.number().int().min(0).max(65_535).default(8188),
  /** Secret that clients of the service must show. */
  apiKey: z.string().min(16, "a key has at least 16 characters").optional(),
  /** Where the public keys of an identity provider are. Needs `jwtAudience` and `jwtIssuer` too. */
  jwksUrl: z.url({ protocol: /^https?$/ }).optional(),
  jwtAudience: z.string().min(1).optional(),
  jwtIssuer: z.string().min(1).optional(),
  /** Host names that clients use for the service, besides its own address; "*" for any. */
  allowedHosts: list(),
  /** Origins of web pages that may use the service from a browser, e.g. "https://photos.example". */
  cors: list(),
  /** Requests per minute of one key or address. */
  rateLimit: z.coerce.number().int().min(1).max(1_000_000).default(6000),
  /** Folder with the files of ComfyUI's front end. */
  frontEnd: z.string().min(1).optional(),
  /** Folder of the service: input, output, temp, users. Unset: "service" in the library folder. */
  data: z.string().min(1).optional(),
  /** Largest upload, in megabytes (1,000,000 bytes). */
  uploadMaxMb: z.coerce.number().min(0.001).max(10_000).default(10),
  /** Gigabytes of all blobs together that batches of other computers keep at this service; 0 for no limit. */
  blobMaxGb: z.coerce.number().min(0).max(1_000_000).default(0),
  /** Uploads, results and previews are removed when they are so many days old; 0 keeps them, as results are. */
  uploadMaxDays: z.coerce.number().min(0).max(36_500).default(30),
  outputMaxDays: z.coerce.number().min(0).max(36_500).default(0),
  tempMaxDays: z.coerce.number().min(0).max(36_500).default(1),
  /** The oldest results and previews are removed above so many gigabytes in all; 0 for no limit. */
  outputMaxGb: z.coerce.number().min(0).max(1_000_000).default(0),
  tempMaxGb: z.coerce.number().min(0).max(1_000_000).default(2),

  /** API key of the server that `--on URL` names: another computer's `serve`, or a ComfyUI behind a proxy that wants one. */
  remoteKey: z.string().min(1).optional(),

  /** Kubeconfig file of the cluster that works for us; unset: as kubectl finds it. */
  kubeconfig: z.string().min(1).optional(),
  /** Context in it; unset: the current one. */
  kubeContext: z.string().min(1).optional(),
  /** Namespace that our Jobs run in; unset: the context's. */
  kubeNamespace: z.string().min(1).max(63).optional(),
  /** Image that the pods run. */
  clusterImage: z.string().min(1).optional(),
  /** Name of the resource that a GPU is asked for by (nvidia.com/gpu, nvidia.com/mig-1g.5gb …); "none": pods on CPUs. */
  clusterGpu: z.string().min(1).default("nvidia.com/gpu"),
  /** Pods that run at once, and photos that each works through before it ends. */
  clusterPods: z.coerce.number().int().min(1).max(10_000).default(4),
  clusterPhotosPerPod: z.coerce.number().int().min(1).max(100_000).default(200),
  /**
   * Where photographs wait for the cluster and results lie: "s3://BUCKET/PREFIX?endpoint=URL&inside=URL&region=NAME" (keys from
   * the environment, as Amazon's tools take them), the address of our service, or "service://NAME:PORT": our service in the
   * namespace, reached through the API server.
   */
  clusterStore: z.url({ protocol: /^(s3|service|https?)$/ }).optional(),
  /** The service's API key. */
  clusterStoreKey: z.string().min(1).optional(),
  /** Where pods reach the service; unset: at `clusterStore`. */
  clusterStoreInside: z.url({ protocol: /^https?$/ }).optional(),
  /** PEM of the authority of the storage's certificate. */
  clusterStoreCa: z.string().min(1).optional(),
  /** LocalQueue of Kueue that Jobs wait in. */
  clusterQueue: z.string().min(1).max(63).optional(),
});

export type Config = z.infer<typeof configSchema>;

/** The environment variable of a setting: `maxMegapixels` → `AUTOCHROME_MAX_MEGAPIXELS`. */
export function environmentName(key: string): string {
  return `AUTOCHROME_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Whether there is a setting of this name. */
export function isSetting(key: string): key is keyof Config {
  return Object.hasOwn(configSchema.shape, key);
}

/**
 * Reads the settings.
 * @throws AutochromeError "usage" naming the setting that is wrong and where it came from
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv = process.env,
  overrides: { readonly [Key in keyof Config]?: Config[Key] | undefined } = {},
): Config {
  const path = configFile(environment);
  const merged: Record<string, unknown> = { ...readSettings(path) };
  for (const key of environmentSettings(environment)) merged[key] = environment[environmentName(key)];
  for (const [key, value] of Object.entries(overrides)) if (value !== undefined) merged[key] = value;
  return judged(merged, path);
}

/** The settings that the environment sets. */
export function environmentSettings(environment: NodeJS.ProcessEnv = process.env): (keyof Config)[] {
  return Object.keys(configSchema.shape)
    .filter(isSetting)
    .filter((key) => (environment[environmentName(key)] ?? "") !== "");
}

/**
 * Changes settings in the file, and leaves all others as they are. Values may come as texts, as in the environment; what is
 * written is what they mean.
 * @param changes by key; undefined takes a setting out
 * @throws AutochromeError "usage" where there is no such setting, or a new value or what stands in the file is not valid
 */
export async function changeConfig(
  changes: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const path = configFile(environment);
  const meant = Object.entries(changes).map(([key, value]) => {
    if (!isSetting(key)) {
      throw new AutochromeError("usage", `There is no setting called ${key}.`, "Check its name.");
    }
    if (value === undefined) return [key, undefined];
    const parsed = configSchema.shape[key].safeParse(value);
    if (parsed.success) return [key, parsed.data];
    throw notValid(parsed.error, [key], "Choose another value.");
  });
  await changeSettingsFile(path, Object.fromEntries(meant), (settings) => judged(settings, path));
}

/** @throws AutochromeError "usage" */
function judged(settings: Readonly<Record<string, unknown>>, path: string): Config {
  const parsed = configSchema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const key = String(parsed.error.issues[0]?.path[0] ?? "");
  const place = key === "" ? "the environment" : environmentName(key);
  throw notValid(parsed.error, [], `Correct it in ${path}, or in ${place}.`);
}

function notValid(error: z.ZodError, below: readonly string[], next: string): AutochromeError {
  const issue = error.issues[0];
  const key = [...below, ...(issue?.path ?? [])][0];
  return new AutochromeError(
    "usage",
    `The setting ${key === undefined ? "file" : String(key)} is not valid: ${issue?.message ?? "unknown reason"}.`,
    next,
  );
}
