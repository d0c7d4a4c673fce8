// Which of the library's dialogs is open: asked for by actions, menus and buttons, shown by the room.
import { useSyncExternalStore } from "react";
import type { JobFacts } from "../../app/api/library/contract.ts";

export type Asked =
  | { readonly kind: "import"; readonly paths?: readonly string[] }
  | { readonly kind: "watched" }
  | { readonly kind: "export" }
  | { readonly kind: "album" }
  | { readonly kind: "newAlbum" }
  | { readonly kind: "renameAlbum"; readonly id: string; readonly name: string }
  | { readonly kind: "session" }
  | { readonly kind: "remove" }
  | { readonly kind: "report"; readonly job: JobFacts };

let asked: Asked | undefined;
const listeners = new Set<() => void>();

/** Opens a dialog in the place of the one that is open; undefined closes it. */
export function ask(next: Asked | undefined): void {
  asked = next;
  for (const listener of listeners) listener();
}

export function useAsked(): Asked | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => asked,
  );
}
