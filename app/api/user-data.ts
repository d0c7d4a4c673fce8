// What ComfyUI's front end keeps with the server: settings, saved workflows. One user, as ComfyUI without --multi-user.
// Owns: users/default below the data folder. Must never: reach out of that folder, or lose settings that two tabs write
// at once.
import { mkdir, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { z } from "@hono/zod-openapi";
import { isTemporaryName, writeFileAtomically } from "../kernel/index.ts";
import { badRequest, notFound, refusal } from "./answers.ts";
import { type ApiContext, type ApiRoutes, endpoint } from "./endpoint.ts";
import { namesOf, pathBelow } from "./folders.ts";
import { openJsonFile } from "./json-file.ts";
import { disposition, sendFile, untrustedFileHeaders } from "./send-file.ts";

const USER = "default";
const SETTINGS = "comfy.settings.json";

const flag = z.string().optional();
const settingsSchema = z.record(z.string(), z.unknown());
const fileSchema = z
  .object({ path: z.string(), size: z.int(), modified: z.int(), created: z.int() })
  .openapi("UserFile", { description: "modified and created in milliseconds since 1970" });

/** @param users real path of the folder of all users */
export async function userDataRoutes(routes: ApiRoutes, users: string): Promise<void> {
  const root = join(users, USER);
  await mkdir(root, { recursive: true });
  settingsRoutes(routes, join(root, SETTINGS));
  listRoutes(routes, root);
  fileRoutes(routes, root);
}

function settingsRoutes(routes: ApiRoutes, file: string): void {
  const { read, change } = openJsonFile(file);
  const merge = (some: Record<string, unknown>) => change((settings) => ({ ...settings, ...some }));
  const tag = "Front end";
  endpoint(
    routes,
    {
      method: "get",
      path: "/settings",
      tag,
      summary: "All settings of the front end",
      answers: { 200: { description: "By id", schema: settingsSchema } },
    },
    async (c) => c.json(await read()),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/settings/{id}",
      tag,
      summary: "One setting; null where it was never set",
      answers: { 200: { description: "Its value", schema: z.unknown() } },
    },
    async (c, { param }) => {
      const settings = await read();
      return c.json(Object.hasOwn(settings, param("id")) ? settings[param("id")] : null);
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/settings",
      tag,
      summary: "Changes some settings",
      body: settingsSchema,
      answers: { 200: "Done" },
    },
    async (c, { body }) => {
      await merge(body);
      return c.body(null, 200);
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/settings/{id}",
      tag,
      summary: "Changes one setting",
      body: z.unknown(),
      answers: { 200: "Done" },
    },
    async (c, { body, param }) => {
      await merge({ [param("id")]: body ?? null });
      return c.body(null, 200);
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/users",
      tag,
      summary: "Who can use this server: one user",
      answers: {
        200: {
          description: "As ComfyUI says it for a single user",
          schema: z.object({ storage: z.literal("server"), migrated: z.boolean() }),
        },
      },
    },
    (c) => c.json({ storage: "server", migrated: true }),
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/users",
      tag,
      summary: "Adds a user, which this server does not do",
      body: z.unknown(),
      answers: { 400: { description: "Always", schema: z.object({ error: z.string() }) } },
    },
    (c) => c.json({ error: "This server has one user." }, 400),
  );
}

function listRoutes(routes: ApiRoutes, root: string): void {
  const tag = "User data";
  endpoint(
    routes,
    {
      method: "get",
      path: "/userdata",
      tag,
      summary: "Files of a folder of the user's",
      query: z.object({ dir: z.string().optional(), recurse: flag, full_info: flag, split: flag }),
      answers: {
        200: {
          description: "Paths, or with full_info facts, or with split paths and their parts",
          schema: z.array(z.union([z.string(), fileSchema, z.array(z.string())])),
        },
        400: "dir is missing",
        403: "dir leads out",
        404: "There is no such folder",
      },
    },
    async (c, { query }) => {
      if (!query.dir) throw badRequest("No folder was asked for.", "Add dir=…");
      const folder = await pathFor(root, query.dir);
      const files = await filesIn(folder, query.recurse === "true");
      if (query.full_info === "true") {
        return c.json(await Promise.all(files.map((file) => factsOf(file, folder))));
      }
      const paths = files.map((file) => slashed(relative(folder, file)));
      return c.json(query.split === "true" ? paths.map((path) => [path, ...path.split("/")]) : paths);
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/v2/userdata",
      tag,
      summary: "Files and folders of a folder of the user's",
      query: z.object({ path: z.string().optional() }),
      answers: {
        200: {
          description: "What is in it",
          schema: z.array(
            z.object({
              name: z.string(),
              path: z.string(),
              type: z.enum(["file", "directory"]),
              size: z.int().optional(),
              modified: z.int().optional(),
            }),
          ),
        },
        403: "path leads out",
        404: "There is no such folder",
      },
    },
    async (c, { query }) => {
      const folder = await pathFor(root, query.path ?? "");
      const entries = await entriesOf(folder);
      return c.json(
        await Promise.all(
          entries.map(async (entry) => {
            const full = join(folder, entry.name);
            const path = slashed(relative(root, full));
            if (entry.isDirectory()) return { name: entry.name, path, type: "directory" };
            const { size, modified } = await factsOf(full, root);
            return { name: entry.name, path, type: "file", size, modified };
          }),
        ),
      );
    },
  );
}

function fileRoutes(routes: ApiRoutes, root: string): void {
  const tag = "User data";
  const changed = {
    description: "Its path, or with full_info its facts",
    schema: z.union([z.string(), fileSchema]),
  };
  const answer = async (c: ApiContext, path: string, fullInfo: string | undefined) =>
    c.json(fullInfo === "true" ? await factsOf(path, root) : slashed(relative(root, path)));
  endpoint(
    routes,
    {
      method: "get",
      path: "/userdata/{file}",
      tag,
      summary: 'A file of the user\'s; "/" in its path is written as %2F',
      answers: {
        200: { description: "The file", type: "*/*", schema: z.string().openapi({ format: "binary" }) },
        403: "It leads out",
        404: "There is no such file",
      },
    },
    async (c, { param }) => {
      const path = await pathFor(root, param("file"));
      const name = basename(path);
      const headers = untrustedFileHeaders(name);
      if (!name.endsWith(".json")) return sendFile(c, path, headers);
      const json = { "Content-Type": "application/json", "Content-Disposition": disposition("inline", name) };
      return sendFile(c, path, { ...headers, ...json });
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/userdata/{file}",
      tag,
      summary: "Writes a file of the user's; overwrite=false keeps one that is there",
      query: z.object({ overwrite: flag, full_info: flag }),
      upload: { type: "application/octet-stream", schema: z.string().openapi({ format: "binary" }) },
      answers: { 200: changed, 403: "It leads out", 409: "It is there already", 413: "It is too large" },
    },
    async (c, { query, param }) => {
      const path = await pathFor(root, param("file"));
      if (path === root) throw badRequest("The file has no name.");
      const content = new Uint8Array(await c.req.arrayBuffer());
      await mkdir(dirname(path), { recursive: true });
      await writeFileAtomically(path, content, { overwrite: query.overwrite !== "false" });
      return answer(c, path, query.full_info);
    },
  );
  endpoint(
    routes,
    {
      method: "delete",
      path: "/userdata/{file}",
      tag,
      summary: "Deletes a file of the user's",
      answers: { 204: "Deleted", 403: "It leads out", 404: "There is no such file" },
    },
    async (c, { param }) => {
      await unlink(await fileThere(root, param("file")));
      return c.body(null, 204);
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/userdata/{file}/move/{dest}",
      tag,
      summary: "Renames a file of the user's",
      query: z.object({ overwrite: flag, full_info: flag }),
      answers: {
        200: changed,
        403: "It leads out",
        404: "There is no such file",
        409: "dest is there already",
      },
    },
    async (c, { query, param }) => {
      const source = await fileThere(root, param("file"));
      const target = await pathFor(root, param("dest"));
      if (target === root) throw badRequest("The file has no name.");
      const isThere = (await stat(target).catch(() => undefined)) !== undefined;
      if (isThere && query.overwrite === "false") {
        throw refusal({
          status: 409,
          code: "output-exists",
          message: "This file is there already.",
          next: "Choose another name.",
        });
      }
      await mkdir(dirname(target), { recursive: true });
      if (source !== target) await rename(source, target);
      return answer(c, target, query.full_info);
    },
  );
}

/** @throws HTTPException 403 for a path that leads out, as ComfyUI does */
async function pathFor(root: string, untrusted: string): Promise<string> {
  try {
    return await pathBelow(root, namesOf(untrusted, true));
  } catch {
    throw refusal({
      status: 403,
      code: "path-outside",
      message: "This is no path of the user's files.",
      next: "Use a path inside the user's folder.",
    });
  }
}

async function fileThere(root: string, untrusted: string): Promise<string> {
  const path = await pathFor(root, untrusted);
  if ((await stat(path).catch(() => undefined))?.isFile() === true) return path;
  throw notFound("This file is not there.", "Check its name.");
}

async function entriesOf(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) throw notFound("There is no such folder.", "It is made with its first file.");
  return entries.filter((entry) => (entry.isFile() || entry.isDirectory()) && !isTemporaryName(entry.name));
}

async function filesIn(folder: string, recurse: boolean): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (recurse) files.push(...(await filesIn(path, true)));
  }
  return files;
}

async function factsOf(file: string, folder: string): Promise<z.infer<typeof fileSchema>> {
  const { size, mtimeMs, birthtimeMs } = await stat(file);
  const path = slashed(relative(folder, file));
  return { path, size, modified: Math.floor(mtimeMs), created: Math.floor(birthtimeMs) };
}

function slashed(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}
