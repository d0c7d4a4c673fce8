// What the window remembers: language, theme, keys, panels, the place it was at. Kept by the engine, so that every window has
// it; a copy in the browser, so that the first picture is right at once. Must never: hold anything about photos.
import { z } from "zod";
import { call } from "../engine/client.ts";
import { createStore, useStore } from "../store.ts";
import { LANGUAGES } from "../words/index.ts";

const memorySchema = z.object({
  language: z.enum(["system", ...LANGUAGES]).catch("system"),
  theme: z.enum(["system", "light", "dark"]).catch("system"),
  keys: z.record(z.string(), z.array(z.string())).catch({}),
  /** Height of the grid's rows, in pixels. */
  rowHeight: z.number().min(80).max(500).catch(190),
  isDetailsOpen: z.boolean().catch(false),
  review: z
    .object({
      mode: z.enum(["slider", "side", "flicker", "lens", "single"]).catch("slider"),
      isAdvancing: z.boolean().catch(true),
      isFilmstripOpen: z.boolean().catch(true),
    })
    .catch({ mode: "slider", isAdvancing: true, isFilmstripOpen: true }),
  colouring: z
    .object({
      workflow: z.string().catch("auto"),
      on: z.string().catch("auto"),
    })
    .catch({ workflow: "auto", on: "auto" }),
});
export type Memory = z.infer<typeof memorySchema>;

const COPY = "autochrome.window";
function readCopy(): unknown {
  try {
    return JSON.parse(localStorage.getItem(COPY) ?? "{}");
  } catch {
    return {};
  }
}

const memory = createStore<Memory>(memorySchema.parse(readCopy()));
function set(next: Memory): void {
  memory.set(next);
  try {
    localStorage.setItem(COPY, JSON.stringify(next));
  } catch {
    // A browser that keeps nothing: the engine does.
  }
}

/** Fetches what the engine remembers. */
export async function loadMemory(): Promise<void> {
  set(memorySchema.parse({ ...memory.get(), ...(await call("windowState")) }));
}

export function remember(changes: Partial<Memory>): void {
  set({ ...memory.get(), ...changes });
  void call("changeWindowState", { body: changes }).catch(() => undefined); // the copy has it until the next time
}

export function useMemory(): Memory {
  return useStore(memory);
}
export const currentMemory = (): Memory => memory.get();
