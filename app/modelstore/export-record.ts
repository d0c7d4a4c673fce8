// What models/export says of a file that it made, in a record of the same name beside it.
// Must never: believe a record that is about another file.
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { z } from "zod";
import { type Description, descriptionSchema } from "./manifest.ts";

const exportRecordSchema = z.object({
  ...descriptionSchema.partial().shape,
  sha256: z.string(),
});

/**
 * @param file the ONNX file, absolute; the record of `x.onnx` is `x.json`
 * @param sha256 of the file, hex
 * @returns undefined where there is none for just this file
 */
export async function readExportRecord(
  file: string,
  sha256: string,
): Promise<Partial<Description> | undefined> {
  try {
    const path = `${file.slice(0, file.length - extname(file).length)}.json`;
    const record = exportRecordSchema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
    if (record?.sha256 !== sha256) return undefined;
    const { sha256: _, ...description } = record;
    return Object.fromEntries(Object.entries(description).filter(([, value]) => value !== undefined));
  } catch {
    return undefined; // none, or not ours
  }
}
