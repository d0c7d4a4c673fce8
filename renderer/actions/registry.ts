// Everything that can be done, in one list: menus, keys, buttons and the command palette all read it.
//
// Owns: which actions there are now and which keys call them. Must never: do an action's work.
import { useEffect } from "react";
import { createStore, useStore } from "../store.ts";

export interface Action {
  /** "review.accept": the key of its name in the words is actions.review.accept. */
  readonly id: string;
  /** Keys as `keyOf` writes them ("A", "Ctrl+Shift+Z", "ArrowRight"); the user may have others. */
  readonly keys?: readonly string[];
  /** Also while a text field has the focus. */
  readonly isGlobal?: boolean;
  /** Not shown in the palette: too small a thing (moving by one). */
  readonly isHidden?: boolean;
  /** Absent: it can be done whenever it is there. */
  readonly isPossible?: () => boolean;
  readonly run: () => void | Promise<void>;
}

/** The youngest registration of an id counts: a view's own action stands in front of the frame's. */
const stack: Action[] = [];
const actions = createStore<readonly Action[]>([]);
let ownKeys: Readonly<Record<string, readonly string[]>> = {};

function changed(): void {
  const known = new Map<string, Action>();
  for (const action of stack) known.set(action.id, action);
  actions.set(
    [...known.values()].map((action) => ({
      ...action,
      keys: ownKeys[action.id] ?? action.keys ?? [],
    })),
  );
}

export function registerActions(actions: readonly Action[]): () => void {
  stack.push(...actions);
  changed();
  return () => {
    for (const action of actions) {
      const at = stack.lastIndexOf(action);
      if (at >= 0) stack.splice(at, 1);
    }
    changed();
  };
}

/** Registers a view's actions while it is shown. Memoise the list. */
export function useActions(actions: readonly Action[]): void {
  useEffect(() => registerActions(actions), [actions]);
}

/** All that can be done now. */
export function useAllActions(): readonly Action[] {
  return useStore(actions);
}

export function findAction(id: string): Action | undefined {
  return actions.get().find((action) => action.id === id);
}

/** Does an action if it is there and possible. @returns whether it was */
export function runAction(id: string): boolean {
  const action = findAction(id);
  if (action === undefined || action.isPossible?.() === false) return false;
  void action.run();
  return true;
}

/** The user's own keys, by id. */
export function setOwnKeys(keys: Readonly<Record<string, readonly string[]>>): void {
  ownKeys = keys;
  changed();
}

/** A key press in words: "Ctrl+Shift+Z", "A", "ArrowRight", "?". Command counts as Ctrl. */
export function keyOf(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">,
): string {
  const { key } = event;
  const isLetter = /^\p{L}$/u.test(key);
  const isWord = key.length > 1 || key === " ";
  return [
    event.ctrlKey || event.metaKey ? "Ctrl" : [],
    event.altKey ? "Alt" : [],
    event.shiftKey && (isLetter || isWord) ? "Shift" : [],
    key === " " ? "Space" : isLetter ? key.toUpperCase() : key,
  ]
    .flat()
    .join("+");
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type)));

/** Listens to keys for the whole window. @returns ends it */
export function listenToKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const key = keyOf(event);
    const action = actions
      .get()
      .findLast(
        (one) =>
          one.keys?.includes(key) === true &&
          (one.isGlobal === true || !isTyping(event.target)) &&
          one.isPossible?.() !== false,
      );
    if (action === undefined) return;
    // In a dialog or menu only what is global acts: its own keys come first.
    if (
      action.isGlobal !== true &&
      document.querySelector('[role="dialog"][data-state="open"], [role="menu"]')
    )
      return;
    event.preventDefault();
    void action.run();
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}
