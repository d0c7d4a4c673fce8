// Room on disks. Owns: the question whether a file will fit, asked before it is written.
// Must never: make room itself.
import { statfs } from "node:fs/promises";
import { AutochromeError, toErrorRecord } from "../kernel/index.ts";

const MEGABYTE = 1_000_000;
/** Left over on purpose: a disk that is full to the last byte breaks other programs. */
const SPARE = 256 * MEGABYTE;

/**
 * @param folder must exist
 * @param bytes what is about to be written there
 * @param what for the sentence: "The model"
 * @throws AutochromeError "disk-full" when they would not fit, or fit with less than 256 MB to spare
 */
export async function requireSpace(folder: string, bytes: number, what: string): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return; // some network shares do not tell
  const free = disk.bavail * disk.bsize;
  if (bytes + SPARE <= free) return;
  throw new AutochromeError(
    "disk-full",
    `${what} needs ${inMegabytes(bytes)} more on the disk of ${folder}, and ${inMegabytes(SPARE)} must stay free; ${inMegabytes(free)} are.`,
    "Free some space, or choose a folder on another disk.",
  );
}

/** What the system said while a file was written, with the file named. Other errors stay as they are. */
export function writeError(error: unknown, path: string): unknown {
  if (error instanceof AutochromeError || !(error instanceof Error) || !("syscall" in error)) return error;
  const known = toErrorRecord(error, path);
  const { code, message, next } =
    known.code === "disk-full"
      ? known
      : {
          code: "output-unwritable" as const,
          message: `${path} could not be written.`,
          next: "Check the folder, its permissions and its disk.",
        };
  return new AutochromeError(code, message, next, { cause: error });
}

export function inMegabytes(bytes: number): string {
  return `${Math.ceil(bytes / MEGABYTE).toLocaleString("en")} MB`;
}
