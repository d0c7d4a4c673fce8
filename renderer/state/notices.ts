// Short notices: what was done, with a way back, and what went wrong, with the next step. Owns: which are shown.
// Must never: hide an error before it was read: those stay until they are closed.

import i18next from "i18next";
import { problemFrom } from "../engine/client.ts";
import { createStore, useStore } from "../store.ts";

export interface Notice {
  readonly id: number;
  readonly kind: "done" | "problem";
  readonly text: string;
  readonly next?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const DONE_MS = 6000;
const notices = createStore<readonly Notice[]>([]);
let count = 0;

export function notify(notice: Omit<Notice, "id">): void {
  const id = ++count;
  // The same trouble twice is told once.
  const others = notices.get().filter(({ text, kind }) => kind !== notice.kind || text !== notice.text);
  notices.set([...others, { ...notice, id }].slice(-4));
  if (notice.kind === "done") setTimeout(() => dismiss(id), DONE_MS);
}
export function dismiss(id: number): void {
  notices.set(notices.get().filter((one) => one.id !== id));
}

/** Tells of something that was thrown, in the window's own words where it knows the code. */
export function tell(thrown: unknown): void {
  if (thrown instanceof DOMException && thrown.name === "AbortError") return;
  const { text, next } = wordsFor(thrown);
  notify({ kind: "problem", text, ...(next === "" ? {} : { next }) });
}

/** A sentence and a next step for something that was thrown. */
export function wordsFor(thrown: unknown): { readonly text: string; readonly next: string } {
  return wordsForProblem(problemFrom(thrown));
}

/** The engine speaks English; for codes whose sentence says nothing particular the window has its own in every language. */
export function wordsForProblem(problem: { code: string; message: string; next: string }): {
  readonly text: string;
  readonly next: string;
} {
  const key = `problems.${problem.code}`;
  const isOurs =
    i18next.exists(`${key}.text`) &&
    (i18next.language !== "en" || problem.message === "" || problem.code === "engine-away");
  return isOurs
    ? { text: i18next.t(`${key}.text`), next: i18next.t(`${key}.next`) }
    : { text: problem.message, next: problem.next };
}

export function useNotices(): readonly Notice[] {
  return useStore(notices);
}
