// Cards of photos: fetched for what is seen and a little ahead, in batches, and given up once it has scrolled away.
//
// Owns: which cards are known, which are under way. Must never: ask for a card twice at once, or for more than is wanted.
import { useSyncExternalStore } from "react";
import type { PhotoCard } from "../../app/api/library/contract.ts";
import { call, onEvent } from "../engine/index.ts";

export interface Cards {
  /** What is wanted now, the most urgent first; it replaces what was wanted before. */
  want(ids: readonly string[]): void;
  /** What is known of a photo, perhaps from before a change; undefined: nothing yet. */
  get(id: string): PhotoCard | undefined;
  /** @returns ends it */
  subscribe(id: string, listener: () => void): () => void;
  /** These changed, or all: they are asked for anew as far as they are wanted. */
  forget(ids?: readonly string[]): void;
}
interface Flight {
  readonly ids: readonly string[];
  readonly abort: AbortController;
}

/** The contract allows 30,000 characters; a batch has to be quick, and fit into an address that every server takes. */
const BATCH = 200;
const FLIGHTS = 3;
const RETRY_MS = 1000;

/**
 * @param fetchCards asks the engine; photos that are gone are missing in its answer
 * @param most so many cards are kept at least; older ones may be dropped
 */
export function createCards(
  fetchCards: (ids: readonly string[], signal: AbortSignal) => Promise<readonly PhotoCard[]>,
  most = 20_000,
): Cards {
  const known = new Map<string, PhotoCard | undefined>();
  const stale = new Set<string>();
  const listeners = new Map<string, Set<() => void>>();
  const flights = new Set<Flight>();
  let wanted: readonly string[] = [];
  let wantedSet: ReadonlySet<string> = new Set();

  function pump(): void {
    while (flights.size < FLIGHTS) {
      const flying = new Set([...flights].flatMap(({ ids }) => ids));
      const next = wanted
        .filter((id) => (!known.has(id) || stale.has(id)) && !flying.has(id))
        .slice(0, BATCH);
      if (next.length === 0) return;
      void fly(next);
    }
  }

  async function fly(ids: readonly string[]): Promise<void> {
    const flight = { ids, abort: new AbortController() };
    flights.add(flight);
    for (const id of ids) stale.delete(id); // what changes from now on is stale again
    try {
      const cards = await fetchCards(ids, flight.abort.signal);
      const found = new Map(cards.map((card) => [card.id, card]));
      for (const id of ids) {
        known.delete(id); // to the end: the youngest are dropped last
        known.set(id, found.get(id));
      }
      trim();
      for (const id of ids) for (const listener of listeners.get(id) ?? []) listener();
    } catch {
      for (const id of ids) if (known.has(id)) stale.add(id);
      // The engine is away, which the frame tells; or this was given up.
      if (!flight.abort.signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    flights.delete(flight);
    pump();
  }

  function trim(): void {
    for (const id of known.keys()) {
      if (known.size <= most) return;
      if (!wantedSet.has(id)) known.delete(id);
    }
  }

  return {
    want(ids) {
      wanted = ids;
      wantedSet = new Set(ids);
      for (const flight of flights) {
        if (flight.abort.signal.aborted || flight.ids.some((id) => wantedSet.has(id))) continue;
        flight.abort.abort();
        flights.delete(flight);
      }
      pump();
    },
    get: (id) => known.get(id),
    subscribe(id, listener) {
      const own = listeners.get(id) ?? new Set();
      listeners.set(id, own.add(listener));
      return () => {
        own.delete(listener);
        if (own.size === 0) listeners.delete(id);
      };
    },
    forget(ids) {
      for (const id of ids ?? known.keys()) stale.add(id);
      pump();
    },
  };
}

export const cards = createCards(
  async (ids, signal) => (await call("cards", { query: { ids: ids.join(",") }, signal })).photos,
);
onEvent((event) => {
  if (event.type === "photos") cards.forget(event.ids);
});

/** A photo's card, as far as it is known; kept fresh while it is wanted. */
export function useCard(id: string): PhotoCard | undefined {
  return useSyncExternalStore(
    (listener) => cards.subscribe(id, listener),
    () => cards.get(id),
  );
}
