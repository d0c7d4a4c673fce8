// Workflows that people saved: files in the library's folder workflows, as they were given, in either of ComfyUI's formats.
// Owns: that folder, and which names can be given. Must never: let a name lead out of it, or hide a preset.
import { mkdir, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { AutochromeError, isTemporaryName, portableName, writeFileAtomically } from "../../kernel/index.ts";
import { listPresets } from "../../workflow/index.ts";

/** A library, or what has its folder. */
interface Place {
  /** Absolute. */
  readonly folder: string;
}

const folderOf = ({ folder }: Place) => join(folder, "workflows");

/** Longest name, in characters. */
const LONGEST = 100;
/** Not a workflow: of each photo the preset that suits it. */
const AUTO = "auto";

/** Whether a name is a preset's, also by the name of its file. */
export function isPreset(name: string): boolean {
  const stem = name
    .normalize("NFC")
    .replace(/\.json$/i, "")
    .toLowerCase();
  return listPresets().some(({ alias, file }) =>
    [alias, file.replace(/\.json$/, "").toLowerCase()].includes(stem),
  );
}

/** A name as it can be given, as close to the wish as possible. @throws AutochromeError "usage" for one that is taken */
export function workflowName(wish: string): string {
  const trimmed = Array.from(wish.trim().replace(/^\.+/, "")).slice(0, LONGEST).join("").trim();
  const name = portableName(trimmed);
  if (trimmed !== "" && !isPreset(name) && name.toLowerCase() !== AUTO) return name;
  throw new AutochromeError(
    "usage",
    trimmed === "" ? "A workflow needs a name." : `A workflow that comes with Autochrome is called ${name}.`,
    "Choose another name.",
  );
}

/** Names of the saved workflows, in order. */
export async function listWorkflows(place: Place): Promise<string[]> {
  const names = await readdir(folderOf(place)).catch(() => []); // none yet
  return names
    .filter((name) => name.endsWith(".json") && !name.startsWith(".") && !isTemporaryName(name))
    .map((name) => name.slice(0, -".json".length))
    .sort((one, other) => one.localeCompare(other));
}

/** The file of a saved workflow; undefined where there is none. */
export async function findWorkflow(place: Place, name: string): Promise<string | undefined> {
  const path = join(folderOf(place), `${portableName(name)}.json`);
  const isThere = (await stat(path).catch(() => undefined))?.isFile() === true;
  return isThere && !portableName(name).startsWith(".") ? path : undefined;
}

/** @throws AutochromeError "not-found", "workflow-invalid" where the file is no JSON any more */
export async function readSavedWorkflow(place: Place, name: string): Promise<unknown> {
  const text = await readFile(await mustFind(place, name), "utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AutochromeError(
      "workflow-invalid",
      `The workflow ${name} is damaged.`,
      "Delete it, and save it anew.",
      { cause },
    );
  }
}

/** Saves a workflow, in the place of one of the same name. @param name as {@link workflowName} gives it */
export async function writeWorkflow(place: Place, name: string, workflow: unknown): Promise<void> {
  await mkdir(folderOf(place), { recursive: true });
  const path = join(folderOf(place), `${name}.json`);
  await writeFileAtomically(path, `${JSON.stringify(workflow, null, 2)}\n`, { overwrite: true });
}

/** @throws AutochromeError "not-found" */
export async function deleteWorkflow(place: Place, name: string): Promise<void> {
  await unlink(await mustFind(place, name));
}

async function mustFind(place: Place, name: string): Promise<string> {
  const path = await findWorkflow(place, name);
  if (path !== undefined) return path;
  throw new AutochromeError("not-found", `There is no workflow called ${name}.`, "Choose another one.");
}
