// Watched folders: what appears in them is imported. Owns: the table watched_folder. Must never: look into a folder.
import type { Library } from "./library.ts";

export interface WatchedFolder {
  /** Absolute. */
  readonly path: string;
  /** Name of the album that its photos are put into. */
  readonly album: string | undefined;
}

/** In the order in which they were set. */
export function listWatched({ db }: Library): WatchedFolder[] {
  return db
    .all(db.build.selectFrom("watched_folder").select(["path", "album"]).orderBy("position"))
    .map(({ path, album }) => ({ path, album: album ?? undefined }));
}

/** Replaces the list. Of a path that is there twice the last one counts. */
export function setWatched({ db }: Library, folders: readonly WatchedFolder[]): void {
  const unique = new Map(folders.map((folder) => [folder.path, folder]));
  db.transaction(() => {
    db.run(db.build.deleteFrom("watched_folder"));
    let position = 0;
    for (const { path, album } of unique.values()) {
      const row = { path, album: album ?? null, position: position++ };
      db.run(db.build.insertInto("watched_folder").values(row));
    }
  });
}
