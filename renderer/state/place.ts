// Where in the window one is, as the address says it: #/library?album=…, #/review/ID, so that back, forward and reload work.
import { useSyncExternalStore } from "react";

export const ROOMS = ["library", "review", "work"] as const;
export type Room = (typeof ROOMS)[number];

export interface Place {
  readonly room: Room;
  /** What follows the room: a photo's id, a settings page. */
  readonly rest: string;
  readonly query: Readonly<Record<string, string>>;
}

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", ...rest] = path.split("/");
  const room = ROOMS.find((one) => one === name) ?? "library";
  return {
    room,
    rest: rest.map(decodeURIComponent).join("/"),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function hashOf({ room, rest = "", query = {} }: Partial<Place> & Pick<Place, "room">): string {
  const words = Object.entries(query).filter(([, value]) => value !== "");
  const path = rest === "" ? room : `${room}/${encodeURIComponent(rest)}`;
  return `#/${path}${words.length === 0 ? "" : `?${new URLSearchParams(words)}`}`;
}

/** @param isSilent replaces the present entry of the history: for what changes while one types */
export function goTo(place: Partial<Place> & Pick<Place, "room">, { isSilent = false } = {}): void {
  const hash = hashOf(place);
  if (hash === location.hash) return;
  if (isSilent) {
    history.replaceState(null, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}

let cached: { hash: string; place: Place } | undefined;
function current(): Place {
  const { hash } = location;
  if (cached?.hash !== hash) cached = { hash, place: placeOf(hash) };
  return cached.place;
}

export function usePlace(): Place {
  return useSyncExternalStore((listener) => {
    window.addEventListener("hashchange", listener);
    return () => window.removeEventListener("hashchange", listener);
  }, current);
}
export const currentPlace = current;
