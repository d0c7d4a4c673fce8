// Which files an import means: folders walked in a stable order, files as they are named.
//
// Owns: what counts as a photo before it is opened, hidden files, symlinks, names that are not text.
// Must never: follow a symlink out of the folder that was given, walk into the library, or give up over one entry.
import type { Dirent, Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { PHOTO_EXTENSIONS } from "../imaging/index.ts";
import { AutochromeError, type ErrorRecord, isInside, realTarget, toErrorRecord } from "../kernel/index.ts";

/** A file as it lies on the disk now. */
export interface FileState {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970, whole. */
  readonly mtime: number;
}

/** A place that an import was asked for. "gone": nothing is there (any more). */
export interface Root {
  readonly path: string;
  readonly kind: "folder" | "file" | "gone";
}

export interface Failure {
  readonly path: string;
  readonly error: ErrorRecord;
}

export type Found = FileState | Failure;

export function fileState(path: string, stats: Stats): FileState {
  return { path, size: stats.size, mtime: Math.floor(stats.mtimeMs) };
}

/**
 * What the user's paths mean, without symlinks and without paths that another folder among them covers.
 * @param library the library's folder, which is never imported; none for work outside any library
 */
export async function resolveSources(
  sources: readonly string[],
  library: string | undefined,
): Promise<{ readonly roots: readonly Root[]; readonly failed: readonly Failure[] }> {
  const roots: Root[] = [];
  const failed: Failure[] = [];
  for (const source of sources) {
    try {
      const root = await resolveSource(source);
      if (library !== undefined && isInside(library, root.path)) throw ownFolder(source);
      if (roots.some((other) => other.path === root.path)) continue;
      roots.push(root);
      if (root.kind === "gone") await stat(root.path); // throws what the user is told
    } catch (thrown) {
      failed.push({ path: source, error: toErrorRecord(thrown, basename(source)) });
    }
  }
  const covered = (root: Root) =>
    roots.some(
      (other) =>
        other !== root &&
        other.kind === "folder" &&
        isInside(other.path, root.path) &&
        isWalked(relative(other.path, root.path), root.kind === "file"),
    );
  return { roots: roots.filter((root) => !covered(root)), failed };
}

async function resolveSource(source: string): Promise<Root> {
  if (source.includes("\0")) {
    throw new AutochromeError("not-found", "There is no file of this name.", "Check the path.");
  }
  const full = resolve(source);
  const stats = await stat(full).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
  if (stats === undefined) return { path: await realTarget(full), kind: "gone" };
  if (stats.isDirectory()) return { path: await realpath(full), kind: "folder" };
  if (!stats.isFile()) {
    throw new AutochromeError(
      "not-an-image",
      `${basename(full)} is not a file.`,
      "Choose a photo or a folder.",
    );
  }
  // The name stays as the user gave it, even when it is a link.
  return { path: join(await realpath(dirname(full)), basename(full)), kind: "file" };
}

/**
 * All files of the roots, in the roots' order and within a folder by name. What cannot be read is told in its place.
 * @param library a folder that is left out
 */
export async function* walk(roots: readonly Root[], library: string): AsyncGenerator<Found> {
  for (const root of roots) {
    if (root.kind === "file") yield await look(root.path);
    else if (root.kind === "folder") {
      yield* walkFolder(root.path, { root: root.path, library, followed: new Set() });
    }
  }
}

interface Walk {
  readonly root: string;
  readonly library: string;
  /** Real paths of hidden folders that a link led into. */
  readonly followed: Set<string>;
}

async function* walkFolder(folder: string, walk: Walk): AsyncGenerator<Found> {
  let entries: { name: string; isText: boolean; entry: Dirent<Buffer> }[];
  try {
    entries = (await readdir(folder, { withFileTypes: true, encoding: "buffer" })).map((entry) => {
      const name = entry.name.toString("utf8");
      return { name, isText: Buffer.from(name).equals(entry.name), entry };
    });
  } catch (thrown) {
    yield failure(folder, thrown);
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const { name, isText, entry } of entries) {
    if (isHidden(name)) continue; // our own temporary names are hidden, too
    const path = join(folder, name);
    if (entry.isSymbolicLink()) {
      if (isText) yield* walkLink(path, walk);
    } else if (entry.isDirectory()) {
      if (path === walk.library) continue;
      if (isText) yield* walkFolder(path, walk);
      else yield failure(path, notText(name));
    } else if (entry.isFile() && hasPhotoName(name)) {
      yield isText ? await look(path) : failure(path, notText(name));
    }
  }
}

/** What a link leads to, where that lies below the root and is not walked without the link. */
async function* walkLink(path: string, walk: Walk): AsyncGenerator<Found> {
  try {
    const real = await realpath(path);
    if (!isInside(walk.root, real) || isInside(walk.library, real)) return;
    const stats = await stat(real);
    if (isWalked(relative(walk.root, real), stats.isFile())) return;
    if (stats.isDirectory()) {
      if (walk.followed.has(real)) return;
      walk.followed.add(real);
      yield* walkFolder(real, walk);
    } else if (stats.isFile() && hasPhotoName(path)) {
      yield fileState(path, stats);
    }
  } catch (thrown) {
    if (hasPhotoName(path)) yield failure(path, thrown);
  }
}

async function look(path: string): Promise<Found> {
  try {
    return fileState(path, await stat(path));
  } catch (thrown) {
    return failure(path, thrown);
  }
}

function failure(path: string, thrown: unknown): Failure {
  return { path, error: toErrorRecord(thrown, basename(path)) };
}

/** Whether a plain walk of the root comes by this path below it. */
function isWalked(way: string, isFile: boolean): boolean {
  return !way.split(sep).some(isHidden) && (!isFile || hasPhotoName(way));
}

function isHidden(name: string): boolean {
  return name.startsWith(".");
}

function hasPhotoName(path: string): boolean {
  return PHOTO_EXTENSIONS.has(extname(path).toLowerCase());
}

/** Whether an error says that there is no such file. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function notText(name: string): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    `The name "${name}" is not valid text (UTF-8), so the file cannot be named in the library.`,
    "Rename it.",
  );
}

function ownFolder(source: string): AutochromeError {
  return new AutochromeError(
    "usage",
    `${basename(source)} lies in the library's own folder.`,
    "Choose photos outside the library.",
  );
}
