// ComfyUI's routes for prompts: queueing, the queue, the history, interrupts, jobs.
//
// Owns: the form of their requests and answers, which is ComfyUI's. Bodies are JSON whatever their Content-Type says.
// Must never: hold a whole history in memory: long answers are written piece by piece.
import { z } from "@hono/zod-openapi";
import type { PromptError, PromptQueue } from "../batches/index.ts";
import { isDeeperThan, isObject } from "../workflow/index.ts";
import { type ApiContext, type ApiRoutes, createRoutes, describe, endpoint } from "./endpoint.ts";
import { historyEntry, isUuid, jobOf, parts, queueItem, STATES, streamJson } from "./prompt-json.ts";

/** Bytes of a request's body at most. */
const MAX_BODY = 16 * 1024 * 1024;
/** How many times the limit a body is read, to answer it, before the connection is broken. */
const PATIENCE = 4;
/** Values within values in a request at most: what is deeper is nobody's workflow. */
const MOST_LEVELS = 100;
const TAG = "ComfyUI";

const ids = z.array(z.string());
const listEdit = z.looseObject({ clear: z.unknown().optional(), delete: ids.nullish() });
const promptBody = z.looseObject({
  prompt: z.record(z.string(), z.unknown()),
  client_id: z.union([z.string().max(200), z.number().transform(String)]).nullish(),
  prompt_id: z.string().nullish(),
  number: z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\s*[-+]?\d+(\.\d+)?\s*$/)
        .transform(Number),
    ])
    .nullish(),
  front: z.unknown().optional(),
  extra_data: z.record(z.string(), z.unknown()).nullish(),
  partial_execution_targets: ids.nullish(),
});
const nodeErrors = z.record(z.string(), z.unknown());
const refusedSchema = z.object({
  error: z.object({
    type: z.string(),
    message: z.string(),
    details: z.string(),
    extra_info: z.record(z.string(), z.unknown()),
  }),
  node_errors: nodeErrors,
});
const whole = z.coerce.number().int();

/** The routes, without a prefix: they are mounted at "/" and at "/api". */
export function promptRoutes(queue: PromptQueue): ApiRoutes {
  const routes = createRoutes();

  /** A POST whose body is read leniently; answers 200 without a body unless `answer` gives one. */
  function post<Body extends z.ZodType>(
    path: string,
    summary: string,
    body: Body,
    answer: (c: ApiContext, body: z.infer<Body>) => Response | undefined,
    answers: Parameters<typeof endpoint>[1]["answers"] = { 200: "Done" },
  ): void {
    const refused = { description: "Refused; nothing has changed", schema: refusedSchema };
    describe(routes, {
      method: "post",
      path,
      tag: TAG,
      summary,
      body,
      answers: { ...answers, 400: refused },
    });
    routes.post(path, async (c) => {
      const read = await readBody(c);
      if (!read.ok) return c.json(read.refusal, read.status);
      const parsed = body.safeParse(read.value);
      if (parsed.success) return answer(c, parsed.data) ?? c.body(null, 200);
      const { path: place = [], message = "" } = parsed.error.issues[0] ?? {};
      const isMissing = place[0] === "prompt" && !hasPrompt(read.value);
      if (isMissing) return c.json(refusal("no_prompt", "No prompt provided", "No prompt provided"), 400);
      return c.json(
        refusal("invalid_request", "The request is not as it must be", `${place.join(".")}: ${message}`),
        400,
      );
    });
  }

  endpoint(
    routes,
    {
      method: "get",
      path: "/prompt",
      tag: TAG,
      summary: "How many prompts wait or run",
      answers: {
        200: {
          description: "The count",
          schema: z.object({ exec_info: z.object({ queue_remaining: z.int() }) }),
        },
      },
    },
    (c) => c.json({ exec_info: { queue_remaining: queue.remaining() } }),
  );

  post(
    "/prompt",
    "Queue a graph in API format",
    promptBody,
    (c, body) => {
      const { prompt_id: id, number, extra_data: extraData, partial_execution_targets: targets } = body;
      if (typeof id === "string" && !isUuid(id)) {
        const details = "Use a UUID in lower case with hyphens.";
        return c.json(refusal("invalid_prompt_id", "This is no prompt_id", details), 400);
      }
      const clientId = body.client_id ?? extraData?.client_id;
      const submission = queue.submit({
        graph: body.prompt,
        isFront: Boolean(body.front),
        ...(typeof id === "string" ? { id } : {}),
        ...(typeof clientId === "string" ? { clientId } : {}),
        ...(typeof number === "number" ? { number } : {}),
        ...(extraData ? { extraData } : {}),
        ...(targets ? { targets } : {}),
      });
      if (submission.ok) {
        c.set("promptId", submission.id);
        const { id: prompt_id, number: place, nodeErrors: node_errors } = submission;
        return c.json({ prompt_id, number: place, node_errors });
      }
      const { error, nodeErrors: node_errors } = submission;
      return c.json({ error, node_errors }, submission.reason === "full" ? 429 : 400);
    },
    {
      200: {
        description: "Queued. Outputs that cannot run are named in node_errors; the others will run.",
        schema: z.object({ prompt_id: z.uuid(), number: z.number(), node_errors: nodeErrors }),
      },
      429: { description: "Too many prompts are waiting", schema: refusedSchema },
    },
  );

  const items = z.array(z.array(z.unknown()));
  endpoint(
    routes,
    {
      method: "get",
      path: "/queue",
      tag: TAG,
      summary: "What runs and what waits: [number, prompt_id, graph, extra_data, outputs]",
      answers: {
        200: { description: "The queue", schema: z.object({ queue_running: items, queue_pending: items }) },
      },
    },
    () =>
      streamJson(
        parts('{"queue_running":[', queue.open("running"), queueItem, '],"queue_pending":['),
        parts("", queue.open("pending"), queueItem, "]}"),
      ),
  );
  post("/queue", "Take waiting prompts out", listEdit, (_, body) => {
    if (body.clear) queue.remove();
    if (body.delete) queue.remove(body.delete);
    return undefined;
  });

  // ComfyUI takes a body that is no JSON for an empty one here.
  describe(routes, {
    method: "post",
    path: "/interrupt",
    tag: TAG,
    summary: "Stop what runs, or one prompt if it runs",
    body: z.object({ prompt_id: z.string().optional() }),
    answers: { 200: "Done" },
  });
  routes.post("/interrupt", async (c) => {
    const read = await readBody(c);
    const body = read.ok ? z.looseObject({ prompt_id: z.string() }).safeParse(read.value) : undefined;
    queue.interrupt(body?.success && body.data.prompt_id !== "" ? body.data.prompt_id : undefined);
    return c.body(null, 200);
  });
  const free = z.looseObject({ unload_models: z.unknown().optional(), free_memory: z.unknown().optional() });
  post("/free", "Give memory back as soon as nothing runs", free, (_, body) => {
    const results = Boolean(body.free_memory);
    queue.free({ models: Boolean(body.unload_models ?? results), results });
    return undefined;
  });

  const history = z.record(z.string(), z.unknown());
  endpoint(
    routes,
    {
      method: "get",
      path: "/history",
      tag: TAG,
      summary: "Finished prompts by id, oldest first",
      query: z.object({ max_items: whole.optional(), offset: whole.optional() }),
      answers: { 200: { description: "Entries by prompt_id", schema: history } },
    },
    (_, { query }) => {
      const { max_items: maxItems, offset } = query;
      const request = {
        ...(maxItems === undefined ? {} : { maxItems: Math.max(0, maxItems) }),
        ...(offset === undefined ? {} : { offset }),
      };
      return streamJson(parts("{", queue.history(request), historyEntry, "}"));
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/history/{id}",
      tag: TAG,
      summary: "One finished prompt; empty while it is not finished",
      answers: { 200: { description: "The entry by its prompt_id", schema: history } },
    },
    (_, { param }) => {
      const prompt = queue.find(param("id"));
      return streamJson(parts("{", prompt === undefined ? [] : [prompt], historyEntry, "}"));
    },
  );
  post("/history", "Forget finished prompts", listEdit, (_, body) => {
    if (body.clear) queue.forget();
    if (body.delete) queue.forget(body.delete);
    return undefined;
  });

  addJobs(routes, queue, post);
  return routes;
}

type Post = <Body extends z.ZodType>(
  path: string,
  summary: string,
  body: Body,
  answer: (c: ApiContext, body: z.infer<Body>) => Response | undefined,
  answers?: Parameters<typeof endpoint>[1]["answers"],
) => void;

function addJobs(routes: ApiRoutes, queue: PromptQueue, post: Post): void {
  const status = z
    .string()
    .optional()
    .transform((text) => text?.split(",").map((name) => name.trim()))
    .pipe(z.array(z.enum(["pending", "in_progress", "completed", "failed", "cancelled"])).optional());
  const cancel = (id: string) => queue.remove([id]) > 0 || queue.interrupt(id);
  const job = z.looseObject({ id: z.uuid(), status: z.string() });

  endpoint(
    routes,
    {
      method: "get",
      path: "/jobs",
      tag: TAG,
      summary: "A page of prompts in any state",
      query: z.object({
        status,
        workflow_id: z.string().optional(),
        sort_by: z.enum(["created_at", "execution_duration"]).default("created_at"),
        sort_order: z.enum(["asc", "desc"]).default("desc"),
        limit: whole.positive().optional(),
        offset: whole.default(0),
      }),
      answers: {
        200: {
          description: "The page",
          schema: z.object({ jobs: z.array(job), pagination: z.record(z.string(), z.unknown()) }),
        },
      },
    },
    (_, { query }) => {
      const offset = Math.max(0, query.offset);
      const { limit, workflow_id: workflowId } = query;
      const page = queue.jobs({
        states: query.status === undefined ? Object.values(STATES) : query.status.map((name) => STATES[name]),
        sortBy: query.sort_by === "created_at" ? "created" : "duration",
        isDescending: query.sort_order === "desc",
        offset,
        ...(limit === undefined ? {} : { limit }),
        ...(workflowId === undefined ? {} : { workflowId }),
      });
      const has_more = offset + page.ids.length < page.total;
      const pagination = { offset, limit: limit ?? null, total: page.total, has_more };
      const end = `],"pagination":${JSON.stringify(pagination)}}`;
      const write = (id: string) => {
        const prompt = queue.find(id);
        return prompt === undefined ? undefined : JSON.stringify(jobOf(prompt, false));
      };
      return streamJson(parts('{"jobs":[', page.ids, write, end));
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/jobs/{id}",
      tag: TAG,
      summary: "One prompt in any state, with graph and outputs",
      answers: { 200: { description: "The job", schema: job }, 404: { description: "There is no such job" } },
    },
    (c, { param }) => {
      const prompt = queue.find(param("id"));
      return prompt === undefined ? c.json({ error: "Job not found" }, 404) : c.json(jobOf(prompt, true));
    },
  );
  const cancelled = {
    200: {
      description: "Whether there was something to cancel",
      schema: z.object({ cancelled: z.boolean() }),
    },
  };
  post(
    "/jobs/cancel",
    "Cancel prompts that wait or run",
    z.looseObject({ job_ids: ids }),
    (c, body) => {
      const invalid_ids = body.job_ids.filter((id) => !isUuid(id));
      if (invalid_ids.length > 0) return c.json({ error: "Some job_ids are no ids", invalid_ids }, 400);
      return c.json({ cancelled: body.job_ids.map(cancel).includes(true) });
    },
    cancelled,
  );
  describe(routes, {
    method: "post",
    path: "/jobs/{id}/cancel",
    tag: TAG,
    summary: "Cancel a prompt that waits or runs",
    answers: cancelled,
  });
  routes.post("/jobs/:id/cancel", (c) => c.json({ cancelled: cancel(c.req.param("id")) }));
}

function refusal(type: string, message: string, details = ""): { error: PromptError; node_errors: object } {
  return { error: { type, message, details, extra_info: {} }, node_errors: {} };
}

function hasPrompt(body: unknown): boolean {
  return isObject(body) && "prompt" in body && body.prompt !== null;
}

type Body =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 413; readonly refusal: ReturnType<typeof refusal> };

/** The JSON of a body; none at all counts as {}. Not hono's own reading: that has no limit for a body without a length. */
async function readBody(c: ApiContext): Promise<Body> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of c.req.raw.body ?? []) {
    size += piece.length;
    if (size <= MAX_BODY) pieces.push(piece);
    // What is too much is still read: hanging up would break the connection before the answer.
    else if (size > MAX_BODY * PATIENCE) break;
  }
  if (size > MAX_BODY) {
    return { ok: false, status: 413, refusal: refusal("request_too_large", "The request is too large") };
  }
  const text = Buffer.concat(pieces).toString();
  if (text.trim() === "") return { ok: true, value: {} };
  const wrong = (problem: string): Body => ({
    ok: false,
    status: 400,
    refusal: refusal("invalid_json", problem),
  });
  try {
    const value: unknown = JSON.parse(text);
    return isDeeperThan(MOST_LEVELS, value)
      ? wrong("The request has too many values within values")
      : { ok: true, value };
  } catch {
    return wrong("The request is not JSON");
  }
}
