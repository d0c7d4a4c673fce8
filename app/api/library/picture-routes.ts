// Pictures of photos and versions: thumbnails, previews, tiles. By id, never by path.
//
// Owns: how long they may be kept: for ever, since another content has another id. A request that the browser gives up is
// dropped, so that what is looked at now comes first. Must never: send an original as it is.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "@hono/zod-openapi";
import {
  createPictures,
  ensureBlur,
  findVersion,
  getPhoto,
  type PictureSource,
  tilesOf,
} from "../../catalogue/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import { notFound } from "../answers.ts";
import { type ApiContext, type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH, unlessLeft } from "./answering.ts";
import { routes as at, tilesSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";

const FOR_EVER = "private, max-age=31536000, immutable";

const sideSchema = z.object({
  side: z.coerce.number().int().min(64).max(8192).default(2048),
});

export function pictureRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, surroundings, log } = desk;
  const pictures = createPictures(library, surroundings.workers);

  const kinds = [
    {
      name: "photos",
      one: "a photo",
      tiles: at.photoTiles,
      find(id: string): PictureSource {
        const { path, hash, width, height, size, mtime } = getPhoto(library, id);
        return { path, hash, width, height, file: { size, mtime } };
      },
    },
    {
      name: "versions",
      one: "a version",
      tiles: at.versionTiles,
      find(id: string): PictureSource {
        const version = findVersion(library.db, id);
        if (version === undefined) {
          throw new AutochromeError(
            "not-found",
            "This version is not there any more.",
            "Choose another one.",
          );
        }
        const { width, height } = version;
        return { path: join(library.folder, version.file), hash: version.fileHash, width, height };
      },
    },
  ] as const;

  for (const { name, one, tiles, find } of kinds) {
    const tag = "Library";
    const picture = (type: string) => ({
      200: { description: "The picture", type, schema: z.string().openapi({ format: "binary" }) },
      304: "Not changed",
      404: `There is no such picture: ${one} that is not there any more, or whose file is gone`,
    });

    endpoint(
      routes,
      {
        method: "get",
        path: `/library/${name}/{id}/thumbnail`,
        tag,
        summary: `Thumbnail of ${one}, at most 512 pixels wide and high`,
        answers: picture("image/webp"),
      },
      (c, { param }) => {
        const source = find(param("id"));
        return send(c, `${source.hash}-thumbnail`, "image/webp", async (signal) => {
          const path = await pictures.thumbnail(source, signal);
          if (name === "photos") void blur(source, path);
          return path;
        });
      },
    );

    endpoint(
      routes,
      {
        method: "get",
        path: `/library/${name}/{id}/picture`,
        tag,
        summary: `Preview of ${one}, at most \`side\` pixels wide and high, never enlarged`,
        query: sideSchema,
        answers: picture("image/jpeg"),
      },
      (c, { param, query: { side } }) => {
        const source = find(param("id"));
        return send(c, `${source.hash}-${side}`, "image/jpeg", (signal) =>
          pictures.preview(source, side, signal),
        );
      },
    );

    endpoint(
      routes,
      {
        ...tiles,
        tag,
        summary: `The pyramid of tiles of ${one}`,
        answers: {
          200: { description: "Its measures", schema: tilesSchema },
          404: "It is not there any more",
        },
      },
      (c, { param }) => c.json(tilesOf(find(param("id"))), 200, FRESH),
    );

    endpoint(
      routes,
      {
        method: "get",
        path: `/library/${name}/{id}/tiles/{level}/{column}/{row}`,
        tag,
        summary: `A tile of ${one}`,
        answers: picture("image/jpeg"),
      },
      (c, { param }) => {
        const source = find(param("id"));
        const [level, column, row] = ["level", "column", "row"].map((each) => placeOf(param(each)));
        if (level === undefined || column === undefined || row === undefined) throw noTile();
        return send(c, `${source.hash}-${level}-${column}-${row}`, "image/jpeg", async (signal) => {
          const path = await pictures.tile(source, { level, column, row }, signal);
          if (path === undefined) throw noTile();
          return path;
        });
      },
    );
  }

  /** For photos that were imported before there were blurs. Nobody waits for it. */
  async function blur(source: PictureSource, thumbnail: string): Promise<void> {
    await ensureBlur(library, source, thumbnail, surroundings.workers).catch((error: unknown) => {
      log.debug({ error }, "no blur was made");
    });
  }
}

const placeOf = (text: string) => (/^\d{1,6}$/.test(text) ? Number(text) : undefined);
const noTile = () => notFound("There is no such tile.", "Ask for the pyramid's measures.");

/** @param tag says which content is shown how: with the same one nothing needs to be made or sent */
async function send(
  c: ApiContext,
  tag: string,
  type: string,
  make: (signal: AbortSignal) => Promise<string>,
): Promise<Response> {
  const headers = {
    "Cache-Control": FOR_EVER,
    ETag: `"${tag}"`,
    "X-Content-Type-Options": "nosniff",
  };
  const known = c.req.header("If-None-Match")?.split(",") ?? [];
  if (known.some((each) => each.trim().replace(/^W\//, "") === headers.ETag)) {
    return new Response(null, { status: 304, headers });
  }
  return unlessLeft(c, async (signal) => {
    const bytes = await readFile(await make(signal));
    return new Response(bytes, {
      headers: { ...headers, "Content-Type": type, "Content-Length": String(bytes.length) },
    });
  });
}
