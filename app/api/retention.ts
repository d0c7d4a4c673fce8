// The service's folders are kept from growing without end: uploads by age, results and previews by age and size.
//
// Owns: what is old, and the timer. Must never: remove a file that a waiting or running prompt names, one that was just
// made, or anything outside the service's folders.
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isTemporaryName, type Logger, sweepLeftovers } from "../kernel/index.ts";
import { annotated, FOLDER_TYPES, type Folders, type FolderType } from "./folders.ts";

/** When files of a folder go. 0: never for that reason. */
export interface Retention {
  readonly maxDays: number;
  /** Bytes of all files together. */
  readonly maxBytes: number;
}
export type RetentionRules = Readonly<Record<FolderType, Retention>>;

export interface Cleaned {
  readonly files: number;
  readonly bytes: number;
}

const DAY = 24 * 60 * 60 * 1000;
/** So young a file stays, however full the folder is: somebody is about to fetch it, or to name it. */
const YOUNG = 10 * 60 * 1000;
/** An upload takes no longer. */
const INCOMING = 60 * 60 * 1000;

interface Found {
  readonly path: string;
  readonly size: number;
  readonly time: number;
}

/**
 * Cleans all folders once.
 * @param inUse the graphs of prompts that wait or run; asked last, just before files go
 * @param now milliseconds since 1970
 */
export async function cleanFolders(
  folders: Folders,
  rules: RetentionRules,
  inUse: () => Iterable<unknown>,
  now = Date.now(),
): Promise<Cleaned> {
  const doomed: Found[] = [];
  for (const type of FOLDER_TYPES)
    doomed.push(...tooMuch(await filesBelow(folders.path(type)), rules[type], now));
  const abandoned = (await filesBelow(folders.incoming)).filter(({ time }) => now - time > INCOMING);
  const named = doomed.length === 0 ? new Set<string>() : await pathsNamedIn(inUse(), folders);
  let [files, bytes] = [0, 0];
  for (const { path, size } of [...doomed.filter((file) => !named.has(file.path)), ...abandoned]) {
    const gone = await unlink(path).then(
      () => true,
      () => false, // somebody else was faster, or it is held open: next time
    );
    if (!gone) continue;
    files++;
    bytes += size;
  }
  return { files, bytes };
}

/** The oldest first, as many as the rules want. */
function tooMuch(files: readonly Found[], { maxDays, maxBytes }: Retention, now: number): Found[] {
  const oldestFirst = [...files].sort((a, b) => a.time - b.time);
  let total = files.reduce((sum, { size }) => sum + size, 0);
  return oldestFirst.filter(({ size, time }) => {
    const isOld = maxDays > 0 && now - time > maxDays * DAY;
    const isSurplus = maxBytes > 0 && total > maxBytes;
    if (now - time < YOUNG || !(isOld || isSurplus)) return false;
    total -= size;
    return true;
  });
}

/** Regular files of ours; links and files that are being written are left alone. Leftovers of dead processes go at once. */
async function filesBelow(folder: string): Promise<Found[]> {
  await sweepLeftovers(folder);
  const found: Found[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path)));
    if (!entry.isFile() || isTemporaryName(entry.name)) continue;
    const facts = await lstat(path).catch(() => undefined);
    if (facts !== undefined) found.push({ path, size: facts.size, time: facts.mtimeMs });
  }
  return found;
}

/** Every text in a graph could be a file's name. */
async function pathsNamedIn(graphs: Iterable<unknown>, folders: Folders): Promise<Set<string>> {
  const texts = new Set<string>();
  for (const graph of graphs) collect(graph, texts);
  const paths = new Set<string>();
  for (const text of texts) {
    const { name, type } = annotated(text, "input");
    const path = await folders.locate({ filename: name, subfolder: "", type }).catch(() => undefined);
    if (path !== undefined) paths.add(path);
  }
  return paths;
}

function collect(value: unknown, texts: Set<string>): void {
  if (typeof value === "string") texts.add(value);
  else if (typeof value === "object" && value !== null)
    for (const part of Object.values(value)) collect(part, texts);
}

/** Cleans now and then every so often, one cleaning at a time. The timer keeps no process alive. */
export function startCleaning(options: {
  readonly folders: Folders;
  readonly rules: RetentionRules;
  readonly inUse: () => Iterable<unknown>;
  readonly everyMs: number;
  readonly log: Logger;
  readonly onCleaned: (cleaned: Cleaned) => void;
}): { stop(): Promise<void> } {
  const { folders, rules, inUse, everyMs, log, onCleaned } = options;
  let running: Promise<void> | undefined;
  const clean = () => {
    running ??= cleanFolders(folders, rules, inUse)
      .then((cleaned) => {
        if (cleaned.files > 0) log.info(cleaned, "cleaned away old files");
        onCleaned(cleaned);
      })
      .catch((error: unknown) => log.error({ error }, "the cleaning failed"))
      .finally(() => {
        running = undefined;
      });
  };
  clean();
  const timer = setInterval(clean, everyMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
