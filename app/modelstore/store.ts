// The models that are installed: the embedded one, and those in the user's folder, each a file with a record beside it.
//
// Owns: that folder. Must never: load a model into memory, or believe a file whose record is not there.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AutochromeError, copyAtomically, hashFile, writeFileAtomically } from "../kernel/index.ts";
import { type Description, type Installed, installedSchema, PUBLISHED } from "./manifest.ts";

/** A model that can be run. */
export type Model = Description & {
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Absolute. */
  readonly path: string;
};

export type ModelState = "intact" | "missing" | "damaged";

export interface ModelStore {
  /** Where the user's models lie. It need not exist. */
  readonly folder: string;
  /** The embedded model, then the user's by id; read from the folder each time. */
  list(): readonly Model[];
  /** @throws AutochromeError "model-missing" for an id that is not installed */
  find(id: string): Model;
  /** The model that a name stands for: an id, or upstream's file name ("ddcolor_modelscope.pth"). */
  byName(name: string): Model | undefined;
  /**
   * Takes a verified file in: moves nothing, copies whole. A model of the same id is replaced.
   * @param file absolute
   * @throws AutochromeError "usage" for the embedded model's id, "disk-full", "output-unwritable"
   */
  add(file: string, record: Omit<Installed, "installedAt">): Promise<Model>;
  /** Where a file of this id has to lie for {@link adopt}. */
  pathFor(id: string): string;
  /** Writes the record of a file that lies where {@link pathFor} says already. */
  adopt(record: Omit<Installed, "installedAt">): Promise<Model>;
  /** @throws AutochromeError "model-missing", "usage" for the embedded model */
  remove(id: string): Promise<void>;
}

const MODELS_FOLDER = new URL("../../models/", import.meta.url);

const embedded = PUBLISHED.flatMap((published): Model[] => {
  const { file, sources: _, format: __, size, sha256, ...description } = published;
  if (file === undefined || size === undefined || sha256 === undefined) return [];
  return [{ ...description, size, sha256, path: fileURLToPath(new URL(file, MODELS_FOLDER)) }];
});

/** The model that comes with the program. */
export function embeddedModel(): Model {
  const [model] = embedded;
  if (model === undefined) throw new Error("the manifest has no embedded model");
  return model;
}

/** @param folder absolute */
export function openModelStore(folder: string): ModelStore {
  const list = () => [...embedded, ...installed(folder)];
  const pathFor = (id: string) => join(folder, `${id}.onnx`);
  const recordFor = (id: string) => join(folder, `${id}.json`);

  async function adopt(record: Omit<Installed, "installedAt">): Promise<Model> {
    refuseEmbedded(record.id);
    const full: Installed = { ...record, installedAt: new Date().toISOString() };
    await writeFileAtomically(recordFor(record.id), `${JSON.stringify(full, null, 2)}\n`, {
      overwrite: true,
    });
    return toModel(full, folder);
  }

  return {
    folder,
    list,
    pathFor,
    adopt,
    find(id) {
      const models = list();
      const model = models.find((candidate) => candidate.id === id);
      if (model !== undefined) return model;
      const isKnown = PUBLISHED.some((published) => published.id === id);
      throw new AutochromeError(
        "model-missing",
        isKnown ? `The model ${id} is not installed.` : `There is no model called ${id}.`,
        `${isKnown ? `Fetch it: autochrome models pull ${id}. Installed` : "Installed"}: ${models.map((candidate) => candidate.id).join(", ")}.`,
      );
    },
    byName(name) {
      const id = name.replace(/\.(pth|pt|onnx|safetensors)$/i, "").replaceAll("_", "-");
      return list().find((model) => model.id === id);
    },
    async add(file, record) {
      refuseEmbedded(record.id);
      await mkdir(folder, { recursive: true });
      await rm(recordFor(record.id), { force: true }); // no record may stand beside another file than its own
      await copyAtomically(file, pathFor(record.id), { overwrite: true });
      return adopt(record);
    },
    async remove(id) {
      refuseEmbedded(id);
      if (!installed(folder).some((model) => model.id === id)) {
        throw new AutochromeError(
          "model-missing",
          `There is no model called ${id} to remove.`,
          "See `autochrome models list`.",
        );
      }
      await rm(recordFor(id), { force: true });
      await rm(pathFor(id), { force: true });
    },
  };
}

/** Whether a model's file is there and is, byte for byte, what its record says. */
export async function verifyModel(model: Model, signal?: AbortSignal): Promise<ModelState> {
  const found = await stat(model.path).catch(() => undefined);
  if (found === undefined || !found.isFile()) return "missing";
  if (found.size !== model.size) return "damaged";
  return (await hashFile(model.path, signal)) === model.sha256 ? "intact" : "damaged";
}

function refuseEmbedded(id: string): void {
  if (!embedded.some((model) => model.id === id)) return;
  throw new AutochromeError(
    "usage",
    `${id} comes with the program; it is neither replaced nor removed.`,
    "Choose another id.",
  );
}

/** Models of the folder whose record can be read and whose file is there. */
function installed(folder: string): Model[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return []; // not there, or not to be read: no models
  }
  return names.sort().flatMap((name) => {
    if (!name.endsWith(".json") || name.startsWith(".")) return [];
    const record = readRecord(join(folder, name));
    if (record === undefined || record.id !== basename(name, ".json")) return [];
    if (embedded.some((model) => model.id === record.id)) return [];
    const model = toModel(record, folder);
    try {
      return statSync(model.path).isFile() ? [model] : [];
    } catch {
      return [];
    }
  });
}

function readRecord(path: string): Installed | undefined {
  try {
    return installedSchema.safeParse(JSON.parse(readFileSync(path, "utf8"))).data;
  } catch {
    return undefined; // not ours
  }
}

function toModel(record: Installed, folder: string): Model {
  const { origin: _, installedAt: __, ...model } = record;
  return { ...model, path: join(folder, `${record.id}.onnx`) };
}
