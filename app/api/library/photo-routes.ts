// Photos for windows: the library's numbers, the layout of a query, cells of the grid, one photo and its changes.
//
// Owns: those answers. Must never: write to an original, or keep the engine busy longer than a frame.
import { z } from "@hono/zod-openapi";
import {
  countDecades,
  countPhotos,
  countSmart,
  editPhoto,
  getPhoto,
  listAlbums,
  readCards,
  readLayout,
  removePhoto,
} from "../../catalogue/index.ts";
import { writeSidecarFile } from "../../imaging/index.ts";
import { AutochromeError, errorFromRecord, toErrorRecord, VERSION } from "../../kernel/index.ts";
import { badRequest } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH, packed, unlessLeft } from "./answering.ts";
import { photoCard, photoDetails } from "./cards.ts";
import {
  routes as at,
  cardsQuerySchema,
  cardsSchema,
  layoutSchema,
  librarySchema,
  photoChangeSchema,
  photoDetailsSchema,
  photoQuerySchema,
  timelineSchema,
} from "./contract.ts";
import type { Desk } from "./desk.ts";
import { hintSentence } from "./hints.ts";

/** Cards in one answer. */
const MOST_CARDS = 500;

export function photoRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, events } = desk;
  const tag = "Library";
  const details = { description: "The photo", schema: photoDetailsSchema };
  const gone = "It is not there any more";

  endpoint(
    routes,
    {
      ...at.library,
      tag,
      summary: "The library: where it lies, its albums, how many photos are where",
      answers: { 200: { description: "The library", schema: librarySchema } },
    },
    (c) =>
      c.json(
        {
          folder: library.folder,
          photos: countPhotos(library),
          missing: countPhotos(library, { missing: true }),
          smart: countSmart(library),
          albums: listAlbums(library).map(({ id, name, photos }) => ({ id, name, photos })),
          warnings: [...library.warnings],
          version: VERSION,
        },
        200,
        FRESH,
      ),
  );

  endpoint(
    routes,
    {
      ...at.layout,
      tag,
      summary: "All photos of a query at once: ids, shapes and headings, in order",
      query: photoQuerySchema,
      answers: { 200: { description: "The layout", schema: layoutSchema }, 404: "There is no such album" },
    },
    (c, { query }) =>
      unlessLeft(c, async (signal) => {
        const layout = await readLayout(library, query, signal);
        const language = c.req.header("Accept-Language");
        const hints = layout.hints.map((hint) => hintSentence(hint, language));
        return packed(c, [
          '{"ids":',
          layout.ids,
          ',"ratios":',
          layout.ratios,
          `,"headings":${JSON.stringify(layout.headings)},"hints":${JSON.stringify(hints)}}`,
        ]);
      }),
  );

  endpoint(
    routes,
    {
      ...at.cards,
      tag,
      summary: `What a grid shows of up to ${MOST_CARDS} photos, by their ids with commas between; unknown ones are left out`,
      query: cardsQuerySchema,
      answers: { 200: { description: "Cards in the order asked for", schema: cardsSchema } },
    },
    (c, { query }) => {
      const ids = query.ids.split(",").filter((id) => id !== "");
      if (ids.length > MOST_CARDS) throw badRequest(`At most ${MOST_CARDS} photos can be asked for at once.`);
      return c.json({ photos: readCards(library, ids).map(photoCard) }, 200, FRESH);
    },
  );

  endpoint(
    routes,
    { ...at.photo, tag, summary: "All of a photo", answers: { 200: details, 404: gone } },
    (c, { param }) => c.json(photoDetails(library, param("id")), 200, FRESH),
  );

  endpoint(
    routes,
    {
      ...at.changePhoto,
      tag,
      summary: "Changes what the library says about a photo; its file stays as it is",
      body: photoChangeSchema,
      answers: { 200: details, 400: "Not understood, or no such date", 404: gone },
    },
    (c, { body, param }) => {
      const { id } = editPhoto(library, param("id"), body);
      events.publish({ type: "photos", ids: [id] });
      return c.json(photoDetails(library, id), 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.removePhoto,
      tag,
      summary: "Takes a photo out of the library; its file stays",
      answers: { 204: "It is out", 404: gone },
    },
    (c, { param }) => {
      const id = param("id");
      removePhoto(library, id);
      events.publish({ type: "photos", ids: [id] });
      events.publish({ type: "library" });
      return c.body(null, 204, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.writeSidecar,
      tag,
      summary: "Writes what the library says about a photo into an XMP file beside it",
      answers: {
        200: { description: "The XMP file's name", schema: z.object({ file: z.string() }) },
        404: "The photo or its folder is not there any more",
        500: "Nothing can be written there",
      },
    },
    async (c, { param }) => {
      const photo = getPhoto(library, param("id"));
      const file = `${photo.name}.xmp`;
      if (photo.missingSince !== undefined) {
        throw new AutochromeError(
          "not-found",
          `${photo.name} is not where it was, so nothing can be written beside it.`,
          "Import the folder where it is now.",
        );
      }
      await writeSidecarFile(`${photo.path}.xmp`, photo).catch((thrown: unknown) => {
        throw errorFromRecord(toErrorRecord(thrown, file));
      });
      return c.json({ file }, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.timeline,
      tag,
      summary: "How many photos were taken in each decade",
      answers: { 200: { description: "Decades, oldest first", schema: timelineSchema } },
    },
    async (c) => c.json({ decades: await countDecades(library) }, 200, FRESH),
  );
}
