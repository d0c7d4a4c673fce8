// Photos come in: folders of this computer are chosen, imported and watched; files are taken from browsers.
// Must never: read a folder for somebody who does not sit at this computer.
import { rm } from "node:fs/promises";
import { z } from "@hono/zod-openapi";
import { listWatched, setWatched } from "../../catalogue/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import { badRequest } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH } from "./answering.ts";
import { browse } from "./browse.ts";
import { requireAbsolute, requireLocal, requireOutside } from "./computer-paths.ts";
import {
  routes as at,
  foldersSchema,
  importRequestSchema,
  startedSchema,
  watchedSchema,
} from "./contract.ts";
import type { Desk } from "./desk.ts";
import { startImport } from "./imports.ts";
import { forbidden } from "./problems.ts";
import { receivePhotos } from "./receive.ts";

/** From a browser at this computer; what the settings say is about clients elsewhere. */
const LOCAL_BYTES = 20e9;

const formSchema = z.object({
  file: z.array(z.string().openapi({ format: "binary" })),
  album: z.string().optional(),
});

export function importRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, events } = desk;
  const tag = "Library";
  const started = { description: "The job", schema: startedSchema };
  const only = "Only at the computer itself";

  endpoint(
    routes,
    {
      ...at.startImport,
      tag,
      summary:
        "Imports files and folders of this computer; photos stay where they are unless copies are wished",
      body: importRequestSchema,
      answers: { 200: started, 400: "Not whole paths", 403: only },
    },
    (c, { body: { paths, album, copy } }) => {
      requireLocal(desk);
      for (const path of paths) requireAbsolute(path);
      return c.json({ job: startImport(desk, paths, { album: albumOf(album), copy }) }, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.upload,
      tag,
      summary: "Takes photos from a browser into the library's own folder",
      upload: { type: "multipart/form-data", schema: formSchema },
      answers: { 200: started, 400: "Not a form, no file in it, or it ends early" },
    },
    async (c) => {
      const maxBytes = desk.isLocal ? LOCAL_BYTES : desk.doors.config().uploadMaxMb * 1e6;
      const { folder, files, skipped, fields } = await receivePhotos(c.env.incoming, maxBytes);
      const forget = () => rm(folder, { recursive: true, force: true });
      if (files.length === 0 && skipped.length === 0) {
        await forget();
        throw badRequest("The form has no file in it.", 'Send photos as "file", with their names.');
      }
      const album = albumOf(fields.get("album"));
      return c.json({ job: startImport(desk, files, { album, copy: true }, forget, skipped) }, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.folders,
      tag,
      summary: "What is in a folder of this computer; without a path, the user's own",
      query: z.object({ path: z.string().min(1).max(4096).optional() }),
      answers: { 200: { description: "Folders", schema: foldersSchema }, 403: only, 404: "It is not there" },
    },
    async (c, { query: { path } }) => {
      requireLocal(desk);
      try {
        return c.json(await browse(path === undefined ? undefined : requireAbsolute(path)), 200, FRESH);
      } catch (thrown) {
        if (!(thrown instanceof AutochromeError) || thrown.code !== "unreadable-file") throw thrown;
        throw forbidden(thrown.message, thrown.next, thrown.code);
      }
    },
  );

  endpoint(
    routes,
    {
      ...at.watched,
      tag,
      summary: "Folders whose photos come in by themselves",
      answers: { 200: { description: "Folders", schema: watchedSchema }, 403: only },
    },
    (c) => {
      requireLocal(desk);
      const folders = listWatched(library).map(({ path, album }) => ({
        path,
        ...(album === undefined ? {} : { album }),
      }));
      return c.json({ folders }, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.setWatched,
      tag,
      summary: "Says which folders are watched; photos of others stay in the library",
      body: watchedSchema,
      answers: { 204: "They are watched", 400: "Not whole paths, or the library's own folder", 403: only },
    },
    async (c, { body: { folders } }) => {
      requireLocal(desk);
      const watched = folders.map(({ path, album }) => ({ path, album: albumOf(album) }));
      for (const { path } of watched) await requireOutside(library, path);
      setWatched(library, watched);
      events.publish({ type: "library" }); // the watcher hears it, too
      return c.body(null, 204, FRESH);
    },
  );
}

/** A name of spaces is none. */
function albumOf(name: string | undefined): string | undefined {
  const clean = name?.trim();
  return clean === "" ? undefined : clean;
}
