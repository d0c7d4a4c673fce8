// One way to declare a route: what it takes is checked, what it is stands in the OpenAPI document.
//
// Owns: reading and checking of queries and JSON bodies. Bodies are read whatever their Content-Type says: ComfyUI's own
// examples send JSON as a form. Must never: do a route's work.
import type { HttpBindings } from "@hono/node-server";
import { OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Logger } from "../kernel/index.ts";
import { badRequest } from "./answers.ts";
import type { BlobScope } from "./blob-grants.ts";

export interface ApiEnv {
  Bindings: HttpBindings;
  Variables: {
    requestId: string;
    log: Logger;
    identity: string;
    /** Of that identity; see Admission. */
    expiresAt: number;
    scope?: BlobScope;
    promptId?: string;
  };
}
export type ApiContext = Context<ApiEnv>;
export type ApiRoutes = OpenAPIHono<ApiEnv>;

export function createRoutes(): ApiRoutes {
  return new OpenAPIHono<ApiEnv>();
}

export type Answer =
  | string
  | { readonly description: string; readonly schema?: z.ZodType; readonly type?: string };

export interface Endpoint<Query extends z.ZodObject, Body extends z.ZodType> {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** As OpenAPI writes it: "/userdata/{file}". */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly query?: Query;
  /** Of a JSON body. An empty body counts as undefined. */
  readonly body?: Body;
  /** Other bodies, for the document only. */
  readonly upload?: { readonly type: string; readonly schema: z.ZodType };
  /** By status; every route can also answer 401, 403, 429 and 500. */
  readonly answers: Readonly<Record<number, Answer>>;
}

export interface Asked<Query, Body> {
  readonly query: Query;
  readonly body: Body;
  /** A part of the path, decoded. */
  param(name: string): string;
}

export const errorSchema = z
  .object({ error: z.object({ code: z.string(), message: z.string(), next: z.string() }) })
  .openapi("Error");

/** Adds a route and its description. */
export function endpoint<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodType = z.ZodUndefined>(
  routes: ApiRoutes,
  about: Endpoint<Query, Body>,
  answer: (c: ApiContext, asked: Asked<z.infer<Query>, z.infer<Body>>) => Response | Promise<Response>,
): void {
  describe(routes, about);
  const { method, path, query, body } = about;
  routes.on(method.toUpperCase(), path.replace(/\{(\w+)\}/g, ":$1"), async (c) =>
    answer(c, {
      query: check(query ?? z.object({}), c.req.query(), "query") as z.infer<Query>,
      body: (body === undefined ? undefined : check(body, await readJson(c), "body")) as z.infer<Body>,
      param: (name) => c.req.param(name) ?? "",
    }),
  );
}

/** Adds a description only, for a route that is made elsewhere. */
export function describe(
  routes: Pick<ApiRoutes, "openAPIRegistry">,
  about: Endpoint<z.ZodObject, z.ZodType>,
): void {
  const { method, path, tag, summary, query, body, upload, answers } = about;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const content =
    upload !== undefined
      ? { [upload.type]: { schema: upload.schema } }
      : body !== undefined
        ? { "application/json": { schema: body } }
        : undefined;
  const config: RouteConfig = {
    method,
    path,
    tags: [tag],
    summary,
    request: {
      ...(names.length === 0 ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(content === undefined ? {} : { body: { content } }),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, given]) => [status, answerConfig(Number(status), given)]),
      ),
      default: { description: "What went wrong", content: { "application/json": { schema: errorSchema } } },
    },
  };
  routes.openAPIRegistry.registerPath(config);
}

function answerConfig(status: number, given: Answer): RouteConfig["responses"][string] {
  if (typeof given !== "string") {
    const { description, schema, type = "application/json" } = given;
    return schema === undefined ? { description } : { description, content: { [type]: { schema } } };
  }
  return status < 400
    ? { description: given }
    : { description: given, content: { "application/json": { schema: errorSchema } } };
}

async function readJson(c: ApiContext): Promise<unknown> {
  const text = await c.req.text();
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("The body is not JSON.", "Send one JSON value in UTF-8.");
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = issue?.path.join(".");
  throw badRequest(
    `The ${where} is not as it must be${name ? `, at ${name}` : ""}: ${issue?.message ?? "unknown reason"}.`,
    "See /openapi.json for what is taken.",
  );
}
