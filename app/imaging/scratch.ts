// Scratch files of a piece of work: removed again but for those that its result is made of.
// Must never: remove what it did not hand out.
import { unlink } from "node:fs/promises";
import { temporaryBeside } from "../kernel/index.ts";
import type { Workplace } from "./picture.ts";

/**
 * Does a piece of work with a place for scratch files.
 * @param beside scratch files lie beside this path, under temporary names
 */
export async function withScratch<Result>(
  beside: string,
  throwIfStopped: () => void,
  work: (place: Workplace) => Promise<Result>,
): Promise<Result> {
  const made = new Set<string>();
  const place: Workplace = {
    scratch(extension) {
      const path = temporaryBeside(beside, extension);
      made.add(path);
      return path;
    },
    throwIfStopped,
  };
  try {
    const result = await work(place);
    for (const path of scratchFilesOf(result)) made.delete(path);
    return result;
  } finally {
    for (const path of made) await unlink(path).catch(() => undefined);
  }
}

/** Paths of all scratch files that pictures anywhere in a value are in. */
export function scratchFilesOf(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value !== "object" || value === null || value instanceof SharedArrayBuffer) return found;
  if (ArrayBuffer.isView(value)) return found;
  if ("data" in value && "bitDepth" in value && typeof value.data === "string") found.add(value.data);
  for (const part of Object.values(value)) scratchFilesOf(part, found);
  return found;
}
