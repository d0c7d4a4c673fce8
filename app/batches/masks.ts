// Masks that a user brushed: kept in the library under a name made of their content, so that a version's record says
// which it was tuned with. Must never: change one that is there.
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Library } from "../catalogue/index.ts";
import type { PixelWorkers } from "../imaging/index.ts";
import { copyAtomically, temporaryBeside } from "../kernel/index.ts";
import { isMaskName, maskName } from "../workflow/index.ts";

/** Absolute. */
export function masksFolder(library: Library): string {
  return join(library.folder, "versions", "masks");
}

/**
 * Takes a picture in as a mask: white is what it is about.
 * @param file absolute; any picture that can be read
 * @returns its name in graphs
 */
export async function keepMask(library: Library, workers: PixelWorkers, file: string): Promise<string> {
  const folder = masksFolder(library);
  await mkdir(folder, { recursive: true });
  const png = temporaryBeside(join(folder, "mask"), ".png");
  try {
    await workers.convert(file, png, "png", 100);
    const name = maskName(await workers.hash(png));
    const target = join(folder, name);
    if ((await stat(target).catch(() => undefined)) === undefined) {
      await copyAtomically(png, target, { overwrite: true });
    }
    return name;
  } finally {
    await rm(png, { force: true });
  }
}

/** Whether a mask of this name was kept. @param name from outside */
export async function hasMask(library: Library, name: string): Promise<boolean> {
  if (!isMaskName(name)) return false;
  return (await stat(join(masksFolder(library), name)).catch(() => undefined))?.isFile() === true;
}
