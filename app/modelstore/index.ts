// Model store: which model files exist, where they are, whether they are intact.
// Owns: the manifest, the folder of model files, and which files the user added. Must never: load a model into memory or know how one is run.
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import manifest from "../../models/manifest.json" with { type: "json" };
import { AutochromeError, hashFile } from "../kernel/index.ts";

export { openUserModels, type UserModel, type UserModels } from "./user-models.ts";

const MODELS_FOLDER = new URL("../../models/", import.meta.url);

const modelSchema = z.strictObject({
  /** What settings, records and the command line call it. */
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  title: z.string(),
  /** Relative to the models folder. */
  file: z.string(),
  /** Bytes. */
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  licence: z.string(),
  architecture: z.string(),
  precision: z.string(),
  /** Sides of the network's input, in pixels. */
  input: z.strictObject({
    /** Every side is a multiple of this. */
    multiple: z.int().positive(),
    /** Good for most photographs: the side of the square whose area the input has. */
    standard: z.int().positive(),
  }),
  goodFor: z.string(),
});
const manifestSchema = z.strictObject({ models: z.array(modelSchema) });

/** A model that the program knows. */
export type Model = Readonly<z.infer<typeof modelSchema>> & { readonly path: string };

export type ModelState = "intact" | "missing" | "damaged";

const known: readonly Model[] = manifestSchema.parse(manifest).models.map((model) => ({
  ...model,
  path: fileURLToPath(new URL(model.file, MODELS_FOLDER)),
}));

/** All models of the manifest. */
export function listModels(): readonly Model[] {
  return known;
}

/** @throws AutochromeError "model-missing" for an id that the manifest does not have */
export function findModel(id: string): Model {
  const model = known.find((candidate) => candidate.id === id);
  if (model !== undefined) return model;
  throw new AutochromeError(
    "model-missing",
    `There is no model called ${id}.`,
    `Choose one of: ${known.map((candidate) => candidate.id).join(", ")}.`,
  );
}

/** Whether a model's file is there and is, byte for byte, what the manifest says. */
export async function verifyModel(model: Model, signal?: AbortSignal): Promise<ModelState> {
  const found = await stat(model.path).catch(() => undefined);
  if (found === undefined || !found.isFile()) return "missing";
  if (found.size !== model.size) return "damaged";
  return (await hashFile(model.path, signal)) === model.sha256 ? "intact" : "damaged";
}
