// /internal and the asset interface: what ComfyUI's own front end asks for and nobody else should build upon.
// Owns: the last lines of the log. Must never: tell a path of this computer.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "@hono/zod-openapi";
import { isTemporaryName } from "../kernel/index.ts";
import { badRequest, problemResponse } from "./answers.ts";
import { type ApiRoutes, describe, endpoint } from "./endpoint.ts";
import { type Folders, isFolderType } from "./folders.ts";

export interface LogEntry {
  /** ISO time. */
  readonly t: string;
  readonly m: string;
}

/** The last lines of a log. */
export interface LogTail {
  /** A stream for a logger; lines go on to `next`. */
  readonly stream: { write(line: string): void };
  entries(): readonly LogEntry[];
}

const LINES = 300;
const LINE_LENGTH = 2000;

export function createLogTail(next: { write(line: string): unknown }): LogTail {
  const entries: LogEntry[] = [];
  return {
    stream: {
      write(line) {
        entries.push({ t: new Date().toISOString(), m: line.slice(0, LINE_LENGTH) });
        if (entries.length > LINES) entries.shift();
        next.write(line);
      },
    },
    entries: () => entries,
  };
}

/** Routes under /internal; they have no twin under /api. */
export function internalRoutes(routes: ApiRoutes, folders: Folders, logs: Pick<LogTail, "entries">): void {
  const tag = "Internal";
  const entrySchema = z.object({ t: z.string(), m: z.string() });
  endpoint(
    routes,
    {
      method: "get",
      path: "/internal/logs",
      tag,
      summary: "The last lines of the log",
      answers: { 200: { description: "Lines", schema: z.string() } },
    },
    (c) =>
      c.json(
        logs
          .entries()
          .map(({ t, m }) => `${t} - ${m}`)
          .join(""),
      ),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/internal/logs/raw",
      tag,
      summary: "The last lines of the log, one by one",
      answers: {
        200: {
          description: "Lines, and the size of a terminal",
          schema: z.object({
            entries: z.array(entrySchema),
            size: z.object({ cols: z.int(), rows: z.int() }),
          }),
        },
      },
    },
    (c) => c.json({ entries: logs.entries(), size: { cols: 80, rows: 24 } }),
  );
  endpoint(
    routes,
    {
      method: "patch",
      path: "/internal/logs/subscribe",
      tag,
      summary: "Accepted; new lines are not pushed, fetch them instead",
      body: z.looseObject({ clientId: z.string().optional(), enabled: z.boolean().optional() }),
      answers: { 200: "Accepted" },
    },
    (c) => c.body(null, 200),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/internal/folder_paths",
      tag,
      summary: "Folders of models by kind; names, not paths",
      answers: { 200: { description: "By kind", schema: z.record(z.string(), z.array(z.string())) } },
    },
    (c) => c.json({ ddcolor: ["ddcolor"] }),
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/internal/files/{type}",
      tag,
      summary: "Names of files in input, output or temp, newest first",
      answers: { 200: { description: "Names", schema: z.array(z.string()) }, 400: "No folder of this kind" },
    },
    async (c, { param }) => {
      const type = param("type");
      if (!isFolderType(type)) throw badRequest("There is no such folder.", "Ask for input, output or temp.");
      return c.json(await newestFirst(folders.path(type)));
    },
  );
}

async function newestFirst(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith(".") && !isTemporaryName(name));
  const files = visible.filter((entry) => entry.isFile()).map(({ name }) => name);
  const timed = await Promise.all(
    files.map(async (name) => {
      const facts = await stat(join(folder, name)).catch(() => undefined); // gone meanwhile
      return { name, time: facts?.mtimeMs ?? 0 };
    }),
  );
  return timed.sort((a, b) => b.time - a.time).map(({ name }) => name);
}

/** ComfyUI's database of assets is not here; it has words of its own for that. Only under /api: "/assets" is the front end's. */
export function assetRoutes(routes: ApiRoutes): void {
  for (const path of ["/assets", "/tags"]) {
    describe(routes, {
      method: "get",
      path,
      tag: "Internal",
      summary: "Not offered, as /features says",
      answers: { 503: "Always" },
    });
    const disabled = () =>
      problemResponse({
        status: 503,
        code: "SERVICE_DISABLED",
        message: "There is no asset database here.",
        next: "Use /upload/image and /view.",
      });
    routes.all(path, disabled);
    routes.all(`${path}/*`, disabled);
  }
}
