// Watched folders: what appears in them is imported.
//
// Owns: when to look. The system's events are quick but not to be relied on (network disks, too many folders), so every
// minute each folder's changes are looked for by the times of the folders in it, which costs one stat for each.
// Must never: take a folder that has vanished for an empty one more than once, or end because something went wrong.
import { type FSWatcher, watch } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { type ImportEvent, listWatched, type WatchedFolder } from "../../catalogue/index.ts";
import { PHOTO_EXTENSIONS } from "../../imaging/index.ts";
import { toErrorRecord } from "../../kernel/index.ts";
import type { Desk, JobReport } from "./desk.ts";
import { importAndTell } from "./imports.ts";

export interface Watcher {
  /** Ends watching, and what is being imported. */
  close(): Promise<void>;
}

export interface WatcherOptions {
  /** Milliseconds between two looks. */
  readonly everyMs?: number;
  /** Milliseconds that a folder must have been quiet: a photo that is being written is not taken for a damaged one. */
  readonly quietMs?: number;
}

const EVERY_MS = 60_000;
const QUIET_MS = 2000;
/** Times of folders that changed less than this before are not believed: files in them may still be growing. */
const YOUNG_MS = 2 * 60_000;

/** Paths that are named by events before all of a folder is looked at. */
const MOST_NEWS = 500;

interface Watched {
  readonly folder: WatchedFolder;
  /** Times of change of the folders in it, as they were last found; NaN: not to be believed. */
  known: ReadonlyMap<string, number>;
  /** There the last time. */
  isGone: boolean;
  /** Tells whether the folder is still the same one. */
  inode: number | undefined;
  events: FSWatcher | undefined;
  /** Absolute paths that the system said something about. */
  readonly news: Set<string>;
  quiet: NodeJS.Timeout | undefined;
}

/** Watches the folders that are set in the library, and hears when others are. */
export function watchFolders(
  desk: Pick<Desk, "library" | "surroundings" | "events" | "jobs" | "log">,
  { everyMs = EVERY_MS, quietMs = QUIET_MS }: WatcherOptions = {},
): Watcher {
  const { library, events, jobs, log } = desk;
  const watched = new Map<string, Watched>();
  const told = new Set<string>();
  const closing = new AbortController();
  let working: Promise<void> = Promise.resolve();

  const keyOf = ({ path, album }: WatchedFolder) => JSON.stringify([path, album]);

  /** One after the other: two imports of one folder would do everything twice. */
  const enqueue = (work: () => Promise<void>): void => {
    working = working.then(async () => {
      if (closing.signal.aborted) return;
      await work().catch((thrown: unknown) => {
        if (!closing.signal.aborted)
          log.warn({ error: toErrorRecord(thrown) }, "a watched folder was passed over");
      });
    });
  };

  function setUp(): void {
    const wanted = new Map(listWatched(library).map((folder) => [keyOf(folder), folder]));
    for (const [key, entry] of watched) {
      if (wanted.has(key)) continue;
      letGo(entry);
      watched.delete(key);
    }
    for (const [key, folder] of wanted) {
      if (watched.has(key)) continue;
      const entry: Watched = {
        ...{ folder, known: new Map(), isGone: false, inode: undefined },
        ...{ events: undefined, news: new Set(), quiet: undefined },
      };
      watched.set(key, entry);
      enqueue(() => look(entry));
    }
  }

  function letGo(entry: Watched): void {
    clearTimeout(entry.quiet);
    entry.events?.close();
    entry.events = undefined;
  }

  /** Hears of changes. Where the system has no more watches, or the folder is none of its own, the looks suffice. */
  function listen(entry: Watched): void {
    const { path } = entry.folder;
    try {
      entry.events = watch(path, { recursive: true, persistent: false }, (_, name) => {
        if (name === null || name.split(/[/\\]/).some((part) => part.startsWith("."))) return;
        entry.news.add(join(path, name));
        clearTimeout(entry.quiet);
        entry.quiet = setTimeout(() => enqueue(() => takeNews(entry)), quietMs).unref();
      });
      entry.events.on("error", () => letGo(entry));
    } catch {
      entry.events = undefined;
    }
  }

  /** Looks for changed folders, and imports those. */
  async function look(entry: Watched): Promise<void> {
    if (watched.get(keyOf(entry.folder)) !== entry) return;
    const { path } = entry.folder;
    const now = await stat(path).catch(() => undefined);
    if (now?.isDirectory() !== true) {
      letGo(entry);
      Object.assign(entry, { known: new Map(), inode: undefined });
      // Once, so that its photos are known to be missing; when it comes back all of it is looked at.
      if (!entry.isGone) await bringIn(entry, [path]);
      entry.isGone = true;
      return;
    }
    entry.isGone = false;
    if (entry.inode !== now.ino) {
      letGo(entry);
      listen(entry);
      entry.inode = now.ino;
    }
    const began = Date.now();
    const { times, changed } = await timesOf(path, entry.known, closing.signal);
    if (changed.length > 0) await bringIn(entry, changed);
    entry.known = new Map(
      [...times].map(([folder, time]) => [folder, began - time > YOUNG_MS ? time : Number.NaN]),
    );
  }

  async function takeNews(entry: Watched): Promise<void> {
    if (watched.get(keyOf(entry.folder)) !== entry) return;
    const news = [...entry.news];
    entry.news.clear();
    if (news.length > MOST_NEWS) {
      entry.known = new Map();
      return look(entry);
    }
    const paths: string[] = [];
    for (const path of news) {
      const now = await lstat(path).catch(() => undefined);
      const isPhoto = PHOTO_EXTENSIONS.has(extname(path).toLowerCase());
      // What is gone counts, too: its photo is missing then. Links are left to the looks.
      if (now === undefined || now.isDirectory() || (now.isFile() && isPhoto)) paths.push(path);
    }
    if (paths.length > 0 && (await stat(entry.folder.path).catch(() => undefined)) !== undefined) {
      await bringIn(entry, paths);
    }
  }

  /** A job is made of it only where there is something to tell. */
  async function bringIn(entry: Watched, paths: readonly string[]): Promise<void> {
    let report: ((facts: JobReport) => void) | undefined;
    let finish: (() => void) | undefined;
    const stop = new AbortController();
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const hear = (facts: JobReport, event: ImportEvent) => {
      // A path that is gone has its photo marked as missing, which is no failure; but a whole folder is worth a word.
      const isGone = event.error?.code === "not-found" && event.path !== entry.folder.path;
      const isNews = event.status === "imported" || (facts.problem !== undefined && !isGone && isNew(event));
      if (isNews && report === undefined) {
        jobs.start("import", (tell, signal) => {
          report = tell;
          signal.addEventListener("abort", () => stop.abort(), { once: true });
          return over.then(() => ({}));
        });
      }
      if (facts.problem === undefined || isNews) report?.(facts);
    };
    try {
      const signal = AbortSignal.any([closing.signal, stop.signal]);
      await importAndTell(desk, paths, { album: entry.folder.album }, hear, signal);
    } finally {
      finish?.();
    }
  }

  /** Whether a failure was not told before: a damaged photo stays damaged. */
  function isNew({ path, error }: ImportEvent): boolean {
    const key = JSON.stringify([path, error?.code]);
    if (told.has(key)) return false;
    told.add(key);
    return true;
  }

  const lookEverywhere = () => {
    for (const entry of watched.values()) enqueue(() => look(entry));
  };
  const safely = (work: () => void) => {
    try {
      work();
    } catch (thrown) {
      log.warn({ error: toErrorRecord(thrown) }, "watched folders could not be read");
    }
  };
  const unsubscribe = events.subscribe(({ type }) => {
    if (type === "library") safely(setUp);
  });
  const timer = setInterval(lookEverywhere, everyMs).unref();
  safely(setUp);

  return {
    async close() {
      closing.abort();
      clearInterval(timer);
      unsubscribe();
      for (const entry of watched.values()) letGo(entry);
      await working;
    },
  };
}

/**
 * The times of change of a folder and all folders in it.
 * @param known times of an earlier look: where a folder has the same time still, what is in it is known
 * @returns `changed`: the uppermost folders that are new or have another time
 */
async function timesOf(
  root: string,
  known: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<{ readonly times: Map<string, number>; readonly changed: string[] }> {
  const below = Map.groupBy(known.keys(), (folder) => dirname(folder));
  const times = new Map<string, number>();
  const changed: string[] = [];
  const walk = async (folder: string, isCovered: boolean): Promise<void> => {
    signal.throwIfAborted();
    const time = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
    if (time === undefined) return;
    times.set(folder, time);
    const hasChanged = known.get(folder) !== time;
    if (hasChanged && !isCovered) changed.push(folder);
    const inside = hasChanged ? await foldersIn(folder) : (below.get(folder) ?? []);
    for (const one of inside) if (one !== folder) await walk(one, isCovered || hasChanged);
  };
  await walk(root, false);
  return { times, changed };
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => join(folder, entry.name));
}
