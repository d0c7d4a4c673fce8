// Is a database whole, and is it ours? For backups, before restoring, and for `doctor`.
// Must never: change what it looks at.
import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { Worker } from "node:worker_threads";
import { AutochromeError } from "../kernel/index.ts";
import type { Inspection, InspectReply } from "./inspect-worker.ts";
import { layoutOf, networkWarning } from "./library.ts";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.ts";

export interface LibraryFinding {
  readonly about: string;
  readonly ok: boolean;
  readonly found: string;
  /** What the user can do, where something is wrong. */
  readonly next?: string;
}

/**
 * Looks at a library without opening it for work.
 * @throws AutochromeError "library-damaged", "library-newer", "usage" when it is no library
 */
export async function checkLibrary(folder: string): Promise<LibraryFinding[]> {
  const layout = layoutOf(folder);
  const { version, photos, versions } = await inspectOurs(layout.file, folder);
  const backups = (await readdir(layout.backups).catch(() => [])).filter(
    (name) => name.endsWith(".db") && !name.startsWith("."),
  ).length;
  const warning = await networkWarning(folder);
  return [
    {
      about: "library database",
      ok: true,
      found: `whole, version ${version}, ${photos.all} photos, ${photos.missing} of them missing`,
    },
    versions.missing === 0
      ? { about: "versions", ok: true, found: `${versions.all}, all files are there` }
      : {
          about: "versions",
          ok: false,
          found: `${versions.missing} of ${versions.all} files are gone`,
          next: "Put them back from a backup of the library folder, or colour those photos again.",
        },
    { about: "backups", ok: true, found: String(backups) },
    ...(warning === undefined
      ? []
      : [{ about: "library disk", ok: false, found: warning, next: "Move the library folder." }]),
  ];
}

/**
 * Looks through a database and makes sure that it is a whole library of ours that this program can open.
 * @param folder where the library's files lie; undefined: they are not looked at
 * @throws AutochromeError "usage" when it is something else, "library-damaged", "library-newer"
 */
export async function inspectOurs(file: string, folder?: string): Promise<Inspection> {
  const name = basename(file);
  const reply = await ask({ file, ...(folder === undefined ? {} : { folder }) });
  if (!reply.ok && reply.code === "SQLITE_NOTADB") throw notOurs(name, reply.message);
  if (!reply.ok) throw damaged(name, reply.message);
  const { applicationId, version, problems } = reply.value;
  if (applicationId !== APPLICATION_ID || version === 0) {
    throw notOurs(name, `application id ${applicationId}, version ${version}`);
  }
  const newest = MIGRATIONS.at(-1)?.number ?? 0;
  if (version > newest) {
    throw new AutochromeError(
      "library-newer",
      `${name} was made by a newer Autochrome.`,
      "Update Autochrome, or choose a backup made by this version.",
      { detail: `database version ${version}, this program knows ${newest}` },
    );
  }
  if (problems.length > 0) throw damaged(name, problems.join("; "));
  return reply.value;
}

function ask(order: { readonly file: string; readonly folder?: string }): Promise<InspectReply> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./inspect-worker.ts", import.meta.url), { workerData: order });
    worker.once("message", (reply: InspectReply) => resolve(reply));
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the database check ended without an answer")));
  });
}

function notOurs(name: string, detail: string): AutochromeError {
  return new AutochromeError(
    "usage",
    `${name} is not the database of an Autochrome library.`,
    "Choose a file that `autochrome backup` has made.",
    { detail },
  );
}

function damaged(name: string, detail: string): AutochromeError {
  return new AutochromeError("library-damaged", `The database ${name} is damaged.`, "Use another backup.", {
    detail,
  });
}
