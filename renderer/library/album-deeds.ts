// What is done with albums, said as it is done, with the way back at hand.
import type { TFunction } from "i18next";
import { runAction } from "../actions/index.ts";
import { currentPlace, goTo, notify, tell } from "../state/index.ts";
import { addToAlbum, createAlbum, deleteAlbum } from "./deeds.ts";

interface Album {
  readonly id: string;
  readonly name: string;
}

function say(text: string, t: TFunction): void {
  notify({ kind: "done", text, action: { label: t("actions.undo"), run: () => void runAction("undo") } });
}

export async function putInto({ id, name }: Album, photos: readonly string[], t: TFunction): Promise<void> {
  try {
    const count = await addToAlbum(id, name, photos);
    if (count === 0) notify({ kind: "done", text: t("library.allThere", { name }) });
    else say(t("library.added", { count, name }), t);
  } catch (thrown) {
    tell(thrown);
  }
}

/** A new album with these photos. @returns its id; undefined where that failed, which was told */
export async function makeAlbum(
  name: string,
  photos: readonly string[],
  t: TFunction,
): Promise<string | undefined> {
  try {
    const id = await createAlbum(name, photos);
    if (photos.length > 0) say(t("library.added", { count: photos.length, name }), t);
    return id;
  } catch (thrown) {
    tell(thrown);
    return undefined;
  }
}

export async function removeAlbum({ id, name }: Album, t: TFunction): Promise<void> {
  try {
    await deleteAlbum(id, name);
    if (currentPlace().query.album === id) goTo({ room: "library" });
    say(t("library.albumDeleted", { name }), t);
  } catch (thrown) {
    tell(thrown);
  }
}
