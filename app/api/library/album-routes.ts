// Albums for windows. Must never: remove a photo from the library.
import { z } from "@hono/zod-openapi";
import { changeAlbum, createAlbum, deleteAlbum, findAlbum, renameAlbum } from "../../catalogue/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH } from "./answering.ts";
import { albumNameSchema, albumPhotosSchema, routes as at } from "./contract.ts";
import type { Desk } from "./desk.ts";

const albumSchema = z.object({ id: z.string(), name: z.string(), photos: z.int() });

export function albumRoutes(routes: ApiRoutes, { library, events }: Desk): void {
  const tag = "Library";
  const album = { description: "The album", schema: albumSchema };
  const gone = "It is not there any more";
  const facts = (id: string) => {
    const { name, photos } = findAlbum(library, id);
    return { id, name, photos };
  };
  const badName = "The name is empty, too long or taken";

  endpoint(
    routes,
    {
      ...at.createAlbum,
      tag,
      summary: "Makes an empty album",
      body: albumNameSchema,
      answers: { 200: album, 400: badName },
    },
    (c, { body }) => {
      const { id } = createAlbum(library, body.name);
      events.publish({ type: "library" });
      return c.json(facts(id), 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.renameAlbum,
      tag,
      summary: "Gives an album another name",
      body: albumNameSchema,
      answers: { 200: album, 400: badName, 404: gone },
    },
    (c, { body, param }) => {
      const { id, name } = findAlbum(library, param("id"));
      renameAlbum(library, name, body.name);
      events.publish({ type: "library" });
      return c.json(facts(id), 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.deleteAlbum,
      tag,
      summary: "Deletes an album; its photos stay in the library",
      answers: { 204: "It is deleted", 404: gone },
    },
    (c, { param }) => {
      deleteAlbum(library, findAlbum(library, param("id")).name);
      events.publish({ type: "library" });
      return c.body(null, 204, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.changeAlbum,
      tag,
      summary: "Puts photos into an album and takes others out; photos that are gone are passed over",
      body: albumPhotosSchema,
      answers: { 200: album, 404: gone },
    },
    async (c, { body, param }) => {
      const { id } = await changeAlbum(library, param("id"), body);
      events.publish({ type: "library" });
      return c.json(facts(id), 200, FRESH);
    },
  );
}
