// The manifest: every published model file that the program knows, where it comes from and what it must be, byte for byte.
// Owns: the shape of a model's description. Must never: know which files are on this computer.
import { z } from "zod";
import manifest from "../../models/manifest.json" with { type: "json" };

const side = z.int().positive().multipleOf(32);

/** What is known of a model, wherever its file is. */
export const descriptionSchema = z.strictObject({
  /** What settings, records and the command line call it. */
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  title: z.string().min(1),
  /** Who made the file. */
  publisher: z.string(),
  licence: z.string(),
  /** What its need of memory is reckoned by. */
  architecture: z.enum(["autochrome-small", "ddcolor-tiny", "ddcolor-large", "unknown"]),
  precision: z.string(),
  /** Sides of the network's input, in pixels. */
  input: z.strictObject({
    /** Every side is a multiple of this. */
    multiple: z.int().positive(),
    /** Good for most photographs: the side of the square whose area the input has. */
    standard: side,
    /** Where it takes one size only. */
    fixed: z.strictObject({ width: side, height: side }).optional(),
  }),
  goodFor: z.strictObject({ en: z.string(), zh: z.string() }),
});
export type Description = Readonly<z.infer<typeof descriptionSchema>>;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const publishedSchema = z.strictObject({
  ...descriptionSchema.shape,
  /** "checkpoint": PyTorch's; models/export makes an ONNX file of it. */
  format: z.enum(["onnx", "checkpoint"]),
  /** Comes with the program; relative to the models folder. */
  file: z.string().optional(),
  /** Where it can be fetched, in the order to try; none: only by hand. */
  sources: z.array(z.url({ protocol: /^https$/ })).optional(),
  /** Bytes. */
  size: z.int().positive().optional(),
  sha256: digest.optional(),
});

/** A published file. */
export type Published = Readonly<z.infer<typeof publishedSchema>>;

/** All published files, the embedded one first. */
export const PUBLISHED: readonly Published[] = z
  .strictObject({ models: z.array(publishedSchema).min(1) })
  .parse(manifest).models;

/** What an installed model's record says: its description, and what its file is. */
export const installedSchema = z.strictObject({
  ...descriptionSchema.shape,
  /** Bytes. */
  size: z.int().positive(),
  sha256: digest,
  /** Where it came from: an address or a file's name. */
  origin: z.string(),
  /** ISO time, UTC. */
  installedAt: z.iso.datetime(),
});
export type Installed = Readonly<z.infer<typeof installedSchema>>;

/** The published file with this digest, hex. */
export function findByDigest(sha256: string): Published | undefined {
  return PUBLISHED.find((published) => published.sha256 === sha256);
}
