// A value that parts of the window share and hear of: the one way to keep state outside React. Must never: know the value.
import { useSyncExternalStore } from "react";

export interface Store<Value> {
  get(): Value;
  /** Whoever uses it hears of it, unless it is the same value. */
  set(next: Value): void;
  /** @returns ends it */
  subscribe(listener: () => void): () => void;
}

export function createStore<Value>(initial: Value): Store<Value> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value now, in a component. */
export function useStore<Value>({ subscribe, get }: Store<Value>): Value {
  return useSyncExternalStore(subscribe, get);
}
