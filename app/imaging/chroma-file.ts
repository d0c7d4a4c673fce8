// The network's chroma of a photograph, kept in a small file beside its result, so that colours can be changed later
// without running the network again: a PNG of 16-bit grey, plane a above plane b, that any program can open.
//
// Owns: the format. Must never: keep what the network saw; the original has it.
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { z } from "zod";
import { AutochromeError, writeAtomically } from "../kernel/index.ts";
import { addPngText, readPngText } from "./png-text.ts";
import type { Chroma } from "./types.ts";

/** Which network gave the chroma. */
const originSchema = z.strictObject({
  model: z.string(),
  modelSha256: z.string(),
  device: z.string(),
});
export type ChromaOrigin = Readonly<z.infer<typeof originSchema>>;

/** Keyword of the PNG's text with the origin. */
const KEYWORD = "autochrome-chroma";
/** Levels per Lab unit: what is read differs by at most 1/32 from what was written. */
const STEP = 16;
/** Lab units: values from −256 to 256 are kept; the network's own are nearly always within ±128. */
const RANGE = 256;

/** @param path absolute; appears whole, in the place of an older one */
export async function writeChroma(path: string, chroma: Chroma, origin: ChromaOrigin): Promise<void> {
  const { data, width, height } = chroma;
  const levels = Uint16Array.from(data, (value) =>
    Math.min(2 * RANGE * STEP, Math.max(0, Math.round((value + RANGE) * STEP))),
  );
  const raw = { width, height: 2 * height, channels: 1 as const };
  await writeAtomically(path, { overwrite: true }, async (temporary) => {
    await sharp(levels, { raw })
      .toColourspace("grey16")
      .png({ compressionLevel: 9, adaptiveFiltering: true })
      .toFile(temporary);
    await addPngText(temporary, { [KEYWORD]: originSchema.parse(origin) });
  });
}

/** @throws AutochromeError "damaged-image" where the file is no chroma of ours, "unreadable-file" where it is gone */
export async function readChroma(
  path: string,
): Promise<{ readonly chroma: Chroma; readonly origin: ChromaOrigin }> {
  try {
    const text = (await readPngText(path))[KEYWORD];
    const origin = originSchema.parse(JSON.parse(text ?? ""));
    const { data, info } = await sharp(await readFile(path))
      .toColourspace("grey16")
      .raw({ depth: "ushort" })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 1 || height % 2 !== 0) throw new Error(`${width} × ${height} × ${channels}`);
    const levels = new Uint16Array(data.buffer, data.byteOffset, width * height);
    const values = Float32Array.from(levels, (level) => level / STEP - RANGE);
    return { chroma: { data: values, width, height: height / 2 }, origin };
  } catch (cause) {
    const isGone = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new AutochromeError(
      isGone ? "unreadable-file" : "damaged-image",
      isGone ? "The kept colours of this version are gone." : "The kept colours of this version are damaged.",
      "Colour the photo anew.",
      { cause },
    );
  }
}
