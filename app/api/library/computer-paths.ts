// Paths of this computer that somebody at it named. Must never: take one from elsewhere, or one that is in the library's
// own folder, where only the library writes.
import { isAbsolute } from "node:path";
import type { Library } from "../../catalogue/index.ts";
import { AutochromeError, isInside, realTarget } from "../../kernel/index.ts";
import { badRequest } from "../answers.ts";
import { forbidden } from "./problems.ts";

/** @throws 403 where whoever asks does not sit at this computer */
export function requireLocal({ isLocal }: { readonly isLocal: boolean }): void {
  if (isLocal) return;
  throw forbidden(
    "Folders can be chosen only at the computer that Autochrome runs on.",
    "Upload the photos instead, or use Autochrome at that computer.",
  );
}

/** @throws 400 for a path that depends on where the engine was started */
export function requireAbsolute(path: string): string {
  if (isAbsolute(path) && !path.includes("\0")) return path;
  throw badRequest("This is not the whole path of a folder.", "Choose the folder again.");
}

/**
 * A place for what goes out of the library.
 * @throws 400 as {@link requireAbsolute}; AutochromeError "usage" for one in the library's own folder
 */
export async function requireOutside(library: Library, path: string): Promise<string> {
  requireAbsolute(path);
  if (!isInside(library.folder, await realTarget(path))) return path;
  throw new AutochromeError(
    "usage",
    "This is the library's own folder, in which nothing else may lie.",
    "Choose another folder.",
  );
}
