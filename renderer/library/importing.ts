// Photos come in: from folders that are chosen, from what is dropped, from files that are opened with the app.
//
// Owns: how each way becomes an import of the engine's. Must never: read a photo itself; in a browser files are sent as they
// are.
import { call, refresh, shell } from "../engine/index.ts";

export interface ImportWish {
  /** Put them into the album of this name; made where it is not there. */
  readonly album?: string | undefined;
  /** Copy them into the library's folder; else they stay where they are. */
  readonly copy?: boolean;
}

/** Imports files and folders of this computer. @returns the job's id */
export async function importPaths(paths: readonly string[], { album, copy = false }: ImportWish = {}) {
  const body = { paths, copy, ...(album ? { album } : {}) };
  const { job } = await call("startImport", { body });
  refresh("jobs");
  return job;
}

/** So many files go in one form: one that fails costs little, and progress is seen. */
const PER_FORM = 50;

/** Sends files to the engine, which copies them into the library. */
export async function uploadFiles(files: readonly File[], album?: string): Promise<void> {
  for (let at = 0; at < files.length; at += PER_FORM) {
    const form = new FormData();
    if (album) form.append("album", album);
    for (const file of files.slice(at, at + PER_FORM)) form.append("file", file, file.name);
    await call("upload", { body: form });
    refresh("jobs");
  }
}

/** What was dropped on the window. @returns false where there was no file in it */
export async function importDrop(transfer: DataTransfer, album?: string): Promise<boolean> {
  // Entries have to be taken before the first wait: the browser empties the list then.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const files = [...transfer.files];
  const desktop = shell();
  if (desktop !== undefined) {
    const paths = desktop.pathsOfDrop(files).filter((path) => path !== "");
    if (paths.length > 0) await importPaths(paths, { album });
    return paths.length > 0;
  }
  const all = entries.length === 0 ? files : (await Promise.all(entries.map(filesIn))).flat();
  if (all.length > 0) await uploadFiles(all, album);
  return all.length > 0;
}

/** All files below an entry. */
async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (isFile(entry)) return [await new Promise<File>((resolve, reject) => entry.file(resolve, reject))];
  if (!isFolder(entry)) return [];
  const reader = entry.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) break;
    found.push(...some);
  }
  const visible = found.filter(({ name }) => !name.startsWith("."));
  return (await Promise.all(visible.map(filesIn))).flat();
}
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;
