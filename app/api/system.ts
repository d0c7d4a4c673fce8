// What the service is and has: nodes, models, features, the machine. In ComfyUI's words, so that its clients understand.
// Owns: these answers. Must never: tell a path of this computer.

import { stat } from "node:fs/promises";
import { arch, freemem, platform, release, totalmem } from "node:os";
import { z } from "@hono/zod-openapi";
import { VERSION } from "../kernel/index.ts";
import {
  listPresets,
  nodeTranslations,
  objectInfo,
  readLayout,
  readPresetPicture,
  type World,
} from "../workflow/index.ts";
import { notFound } from "./answers.ts";
import { type ApiRoutes, endpoint } from "./endpoint.ts";

export interface SystemOptions {
  readonly world: World;
  readonly uploadMaxBytes: number;
  /** Addresses of scripts that the front end loads. */
  readonly extensions: readonly string[];
}

/** The release of ComfyUI whose interface is spoken. */
export const COMFYUI_VERSION = "0.38.1";
/** ComfyUI keeps models by kind; this is ours. */
const MODEL_FOLDER = "ddcolor";

const anyMap = z.record(z.string(), z.unknown());

/** What clients may rely on; also told over the WebSocket. */
export function featureFlags(uploadMaxBytes: number): Readonly<Record<string, unknown>> {
  return {
    supports_preview_metadata: true,
    max_upload_size: uploadMaxBytes,
    extension: { manager: { supports_v4: false } },
    node_replacements: false,
    assets: false,
  };
}

export function systemRoutes(routes: ApiRoutes, options: SystemOptions): void {
  const { world, uploadMaxBytes, extensions } = options;
  const tag = "System";
  const get = (path: string, summary: string, schema: z.ZodType, answer: () => unknown | Promise<unknown>) =>
    endpoint(
      routes,
      { method: "get", path, tag, summary, answers: { 200: { description: "As ComfyUI says it", schema } } },
      async () => Response.json(await answer()),
    );

  get("/object_info", "All nodes: inputs, outputs, words", anyMap, () => objectInfo(world));
  endpoint(
    routes,
    {
      method: "get",
      path: "/object_info/{class}",
      tag,
      summary: "One node; an empty object where there is none",
      answers: { 200: { description: "By class", schema: anyMap } },
    },
    (_, { param }) => Response.json(objectInfo(world, param("class"))),
  );
  get("/system_stats", "The machine", z.object({ system: anyMap, devices: z.array(anyMap) }), () =>
    stats(world),
  );
  get("/features", "What the server can do", anyMap, () => featureFlags(uploadMaxBytes));
  get("/extensions", "Scripts for the front end", z.array(z.string()), () => extensions);
  get("/embeddings", "None: there are no text prompts", z.array(z.string()), () => []);
  get("/i18n", "Words of the nodes in English and Chinese", anyMap, nodeTranslations);
  get("/global_subgraphs", "None", anyMap, () => ({}));
  get("/node_replacements", "None", anyMap, () => ({}));
  endpoint(
    routes,
    {
      method: "get",
      path: "/global_subgraphs/{id}",
      tag,
      summary: "There are none",
      answers: { 404: "Always" },
    },
    () => {
      throw notFound();
    },
  );
  templateRoutes(routes);
  modelRoutes(routes, world);
}

/** The presets, as the front end's template browser takes them: by collection, and each in the editor's format. */
function templateRoutes(routes: ApiRoutes): void {
  const tag = "System";
  const collection = "autochrome";
  endpoint(
    routes,
    {
      method: "get",
      path: "/workflow_templates",
      tag,
      summary: "Presets, by collection",
      answers: { 200: { description: "Names", schema: z.record(z.string(), z.array(z.string())) } },
    },
    (c) => c.json({ [collection]: listPresets().map(({ alias }) => alias) }),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/workflow_templates/{collection}/{file}",
      tag,
      summary: "A preset in the editor's format: NAME.json; its picture: NAME.jpg",
      answers: { 200: { description: "The graph", schema: anyMap }, 404: "There is no such preset" },
    },
    async (_, { param }) => {
      const [, name, kind] = /^([a-z-]+)\.(json|jpg)$/.exec(param("file")) ?? [];
      const isKnown = listPresets().some(({ alias }) => alias === name);
      if (param("collection") !== collection || name === undefined || !isKnown) throw notFound();
      if (kind === "json") return Response.json(await readLayout(name));
      const picture = new Uint8Array(await readPresetPicture(name));
      return new Response(picture, { headers: { "Content-Type": "image/jpeg" } });
    },
  );
}

function stats(world: World) {
  const memory = { vram_total: totalmem(), vram_free: freemem(), torch_vram_total: 0, torch_vram_free: 0 };
  return {
    system: {
      os: process.platform,
      ram_total: totalmem(),
      ram_free: freemem(),
      comfyui_version: COMFYUI_VERSION,
      required_frontend_version: "",
      installed_templates_version: "",
      required_templates_version: "",
      python_version: `none (Node.js ${process.versions.node})`,
      pytorch_version: "none (onnxruntime)",
      embedded_python: false,
      argv: [],
      autochrome_version: VERSION,
      platform: `${platform()} ${release()} ${arch()}`,
    },
    devices: [{ name: world.colorizer.device, type: "cpu", index: 0, ...memory }],
  };
}

function modelRoutes(routes: ApiRoutes, world: World): void {
  const tag = "Models";
  const files = z.array(
    z.object({
      name: z.string(),
      pathIndex: z.int(),
      modified: z.number(),
      created: z.number(),
      size: z.int(),
    }),
  );
  const known = (folder: string) => {
    if (folder !== MODEL_FOLDER)
      throw notFound("There is no folder of this kind.", `Ask for ${MODEL_FOLDER}.`);
  };
  endpoint(
    routes,
    {
      method: "get",
      path: "/models",
      tag,
      summary: "Kinds of models",
      answers: { 200: { description: "Folder names", schema: z.array(z.string()) } },
    },
    (c) => c.json([MODEL_FOLDER]),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/models/{folder}",
      tag,
      summary: "Models of a kind",
      answers: { 200: { description: "Names", schema: z.array(z.string()) }, 404: "There is no such kind" },
    },
    (c, { param }) => {
      known(param("folder"));
      return c.json(world.models.list().map((model) => model.id));
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/experiment/models",
      tag,
      summary: "Kinds of models, in the newer form",
      answers: {
        200: {
          description: "Folders",
          schema: z.array(z.object({ name: z.string(), folders: z.array(z.string()) })),
        },
      },
    },
    (c) => c.json([{ name: MODEL_FOLDER, folders: [] }]),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/experiment/models/{folder}",
      tag,
      summary: "Models of a kind, in the newer form",
      answers: { 200: { description: "Files", schema: files }, 404: "There is no such kind" },
    },
    async (c, { param }) => {
      known(param("folder"));
      const found = world.models.list().map(async ({ id, path, size }) => {
        const facts = await stat(path).catch(() => undefined);
        const [modified, created] = [facts?.mtimeMs ?? 0, facts?.birthtimeMs ?? 0];
        return { name: id, pathIndex: 0, modified: modified / 1000, created: created / 1000, size };
      });
      return c.json(await Promise.all(found));
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/experiment/models/preview/{folder}/{index}/{file}",
      tag,
      summary: "A model's picture; there are none",
      answers: { 404: "Always" },
    },
    () => {
      throw notFound("This model has no picture.");
    },
  );
}
