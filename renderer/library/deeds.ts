// What the library's window does to albums and photos, each with a way back.
//
// Owns: how every change is undone. Must never: touch files; the engine does what it does, and never to originals.
import type { PhotoChange, PhotoDetails } from "../../app/api/library/contract.ts";
import { perform } from "../actions/index.ts";
import { call, queryClient, refresh } from "../engine/index.ts";

async function change(id: string, changes: PhotoChange): Promise<void> {
  const details = await call("changePhoto", { params: { id }, body: changes });
  queryClient.setQueryData(["photo", { params: { id } }], details);
}

/** What fields were before a change, as a change back. */
export function changeBack(before: PhotoDetails, changes: PhotoChange): PhotoChange {
  const old: PhotoChange = {
    title: before.title ?? null,
    caption: before.caption ?? null,
    place: before.place ?? null,
    people: before.people,
    keywords: before.keywords,
    takenAt: shownDate(before) ?? null,
    rating: before.rating ?? null,
  };
  return Object.fromEntries(
    Object.keys(changes).flatMap((key) => (key in old ? [[key, old[key as keyof PhotoChange]]] : [])),
  );
}

/** A date as exact as it is known: 1936, 1936-02 or 1936-02-11. */
export function shownDate({ takenAt, takenPrecision }: Pick<PhotoDetails, "takenAt" | "takenPrecision">) {
  if (takenAt === undefined) return undefined;
  const parts = takenPrecision === "year" ? 1 : takenPrecision === "month" ? 2 : 3;
  return takenAt.slice(0, 10).split("-").slice(0, parts).join("-");
}

export async function changePhoto(before: PhotoDetails, changes: PhotoChange): Promise<void> {
  const back = changeBack(before, changes);
  await perform({
    label: "library.deeds.change",
    values: { name: before.title || before.name },
    redo: () => change(before.id, changes),
    undo: () => change(before.id, back),
  });
}

/** @returns the new album's id, for going there */
export async function createAlbum(name: string, photos: readonly string[] = []): Promise<string> {
  let id = "";
  await perform({
    label: "library.deeds.createAlbum",
    values: { name },
    redo: async () => {
      id = (await call("createAlbum", { body: { name } })).id;
      if (photos.length > 0) await call("changeAlbum", { params: { id }, body: { add: photos } });
      refresh("library");
    },
    undo: async () => {
      await call("deleteAlbum", { params: { id } });
      refresh("library");
    },
  });
  return id;
}

export async function renameAlbum(id: string, before: string, name: string): Promise<void> {
  const rename = async (to: string) => {
    await call("renameAlbum", { params: { id }, body: { name: to } });
    refresh("library");
  };
  await perform({
    label: "library.deeds.renameAlbum",
    values: { name },
    redo: () => rename(name),
    undo: () => rename(before),
  });
}

/** The album goes, its photos stay in the library. */
export async function deleteAlbum(id: string, name: string): Promise<void> {
  const photos = (await call("layout", { query: { album: id } })).ids;
  let now = id;
  await perform({
    label: "library.deeds.deleteAlbum",
    values: { name },
    redo: async () => {
      await call("deleteAlbum", { params: { id: now } });
      refresh("library");
    },
    undo: async () => {
      now = (await call("createAlbum", { body: { name } })).id;
      if (photos.length > 0) await call("changeAlbum", { params: { id: now }, body: { add: photos } });
      refresh("library");
    },
  });
}

async function changeAlbum(id: string, body: { add?: readonly string[]; remove?: readonly string[] }) {
  await call("changeAlbum", { params: { id }, body });
  refresh("library");
  void queryClient.invalidateQueries({ queryKey: ["layout"] });
}

/** @returns how many were not in it before */
export async function addToAlbum(id: string, name: string, photos: readonly string[]): Promise<number> {
  const there = new Set((await call("layout", { query: { album: id } })).ids);
  const added = photos.filter((photo) => !there.has(photo));
  if (added.length > 0) {
    await perform({
      label: "library.deeds.addToAlbum",
      values: { name, count: added.length },
      redo: () => changeAlbum(id, { add: added }),
      undo: () => changeAlbum(id, { remove: added }),
    });
  }
  return added.length;
}

export async function removeFromAlbum(id: string, name: string, photos: readonly string[]): Promise<void> {
  await perform({
    label: "library.deeds.removeFromAlbum",
    values: { name, count: photos.length },
    redo: () => changeAlbum(id, { remove: photos }),
    undo: () => changeAlbum(id, { add: photos }),
  });
}

/** Photos at once, a few at a time. @throws what the first failure throws, after the others are through */
export async function eachPhoto(photos: readonly string[], work: (id: string) => Promise<unknown>) {
  const rest = [...photos];
  const problems: unknown[] = [];
  const workers = Array.from({ length: 4 }, async () => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      await work(id).catch((thrown: unknown) => problems.push(thrown));
    }
  });
  await Promise.all(workers);
  if (problems.length > 0) throw problems[0];
}

/** Not to be undone: what was made of them goes too. Files of theirs stay where they are. */
export async function removeFromLibrary(photos: readonly string[]): Promise<void> {
  await eachPhoto(photos, (id) => call("removePhoto", { params: { id } })).finally(() =>
    refresh("library", "layout", "timeline"),
  );
}

export const writeSidecars = (photos: readonly string[]): Promise<void> =>
  eachPhoto(photos, (id) => call("writeSidecar", { params: { id } }));
