// What the window remembers: language, theme, shortcuts, panels. Kept here, so that every window has it.
// Owns: window.json beside the settings. Must never: know what is in it, or let it grow without end.
import { dirname, join } from "node:path";
import { refusal } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { openJsonFile } from "../json-file.ts";
import { routes as at, windowStateSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";

/** Bytes of all of it. */
const MOST_BYTES = 100_000;

export function windowStateRoutes(routes: ApiRoutes, { doors }: Pick<Desk, "doors">): void {
  const file = openJsonFile(join(dirname(doors.settingsFile()), "window.json"));
  const answers = { 200: { description: "All of it", schema: windowStateSchema } };
  endpoint(
    routes,
    { ...at.windowState, tag: "Library", summary: "What the window remembers", answers },
    async (c) => c.json(await file.read()),
  );
  endpoint(
    routes,
    {
      ...at.changeWindowState,
      tag: "Library",
      summary: "Changes some of what the window remembers; null forgets",
      body: windowStateSchema,
      answers: { ...answers, 413: "It would be more than 100 kB" },
    },
    async (c, { body }) =>
      c.json(
        await file.change((state) => {
          const merged = Object.entries({ ...state, ...body }).filter(([, value]) => value !== null);
          const changed = Object.fromEntries(merged);
          if (Buffer.byteLength(JSON.stringify(changed)) > MOST_BYTES) throw tooLarge();
          return changed;
        }),
      ),
  );
}

const tooLarge = () =>
  refusal({
    status: 413,
    code: "too-large",
    message: "The window cannot remember so much.",
    next: "Shorten it; 100 kB are kept in all.",
  });
