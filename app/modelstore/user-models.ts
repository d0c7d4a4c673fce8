// Models that the user added: ONNX files in one folder, known by their file names.
// Owns: which names there are and their digests. Must never: make a path from a name, or reach out of the folder.
import { readdirSync, realpathSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AutochromeError, hashFile, isInside } from "../kernel/index.ts";

/** A model file that the user added. */
export interface UserModel {
  /** Its file name. */
  readonly name: string;
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly sha256: string;
}

export interface UserModels {
  /** Where the files are to be put. It need not exist. */
  readonly folder: string;
  /** File names, sorted; read from the folder each time. */
  names(): readonly string[];
  /**
   * A model by its name. Its digest is computed when it is first asked for, and again when the file has changed.
   * @throws AutochromeError "model-missing" for anything that is not one of {@link names}
   */
  find(name: string, signal?: AbortSignal): Promise<UserModel>;
}

/** @param folder absolute */
export function openUserModels(folder: string): UserModels {
  const digests = new Map<string, { readonly state: string; readonly sha256: string }>();
  return {
    folder,
    names: () => [...modelFiles(folder).keys()],
    async find(name, signal) {
      const path = modelFiles(folder).get(name);
      const { dev, ino, size, mtimeMs } = (path === undefined ? undefined : await statOf(path)) ?? {};
      if (path === undefined || size === undefined) {
        throw new AutochromeError(
          "model-missing",
          `There is no image model called ${name}.`,
          `Put its .onnx file into ${folder}.`,
        );
      }
      const state = `${dev} ${ino} ${size} ${mtimeMs}`;
      let known = digests.get(path);
      if (known?.state !== state) {
        known = { state, sha256: await hashFile(path, signal) };
        digests.set(path, known);
      }
      return { name, path, sha256: known.sha256 };
    },
  };
}

const statOf = (path: string) => stat(path).catch(() => undefined);

/** Real paths of the folder's model files, by name. */
function modelFiles(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  let root: string;
  let names: string[];
  try {
    root = realpathSync(folder);
    names = readdirSync(root);
  } catch {
    return files; // not there, or not to be read: no models
  }
  for (const name of names.sort()) {
    if (name.startsWith(".") || !name.toLowerCase().endsWith(".onnx")) continue;
    try {
      const path = realpathSync(join(root, name));
      if (isInside(root, path) && statSync(path).isFile()) files.set(name, path);
    } catch {
      // a link to nowhere
    }
  }
  return files;
}
