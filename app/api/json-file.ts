// A small JSON object in a file, changed key by key by several pages at once.
// Owns: that no change is lost. Must never: know what is in it.
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../kernel/index.ts";

export interface JsonFile {
  /** Nothing where there is no file, or where it was damaged by hand. */
  read(): Promise<Record<string, unknown>>;
  /**
   * Makes the file anew from what is in it, one change after the other.
   * @param change what it throws leaves the file as it was
   * @returns what is in it now
   */
  change(
    change: (content: Record<string, unknown>) => Record<string, unknown>,
  ): Promise<Record<string, unknown>>;
}

const schema = z.record(z.string(), z.unknown());

export function openJsonFile(path: string): JsonFile {
  let last: Promise<unknown> = Promise.resolve();
  const read = async () => {
    const text = await readFile(path, "utf8").catch(() => "{}"); // none yet
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      return {};
    }
  };
  return {
    read,
    change(change) {
      const run = last.then(async () => {
        const content = change(await read());
        await mkdir(dirname(path), { recursive: true });
        await writeFileAtomically(path, JSON.stringify(content, null, 2), { overwrite: true });
        return content;
      });
      last = run.catch(() => undefined);
      return run;
    },
  };
}
