// Workflows for the window: presets, and those that people saved.
// Must never: keep a workflow that could not run as a batch.
import { z } from "@hono/zod-openapi";
import { createLocalExecutor } from "../../batches/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import {
  type ApiGraph,
  apiGraphSchema,
  graphFormatOf,
  listPresets,
  readLayout,
  readPreset,
  toApiGraph,
} from "../../workflow/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { routes as at, type Preset, presetSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";
import {
  deleteWorkflow,
  isPreset,
  listWorkflows,
  readSavedWorkflow,
  workflowName,
  writeWorkflow,
} from "./workflow-files.ts";

const graphSchema = z.record(z.string(), z.unknown());

export function workflowRoutes(routes: ApiRoutes, desk: Pick<Desk, "library" | "surroundings">): void {
  const { library, surroundings } = desk;
  const tag = "Library";
  endpoint(
    routes,
    {
      ...at.presets,
      tag,
      summary: "The presets in the order in which they are offered, then saved workflows by name",
      answers: { 200: { description: "Workflows", schema: z.object({ presets: z.array(presetSchema) }) } },
    },
    async (c) => c.json({ presets: [...ours(), ...(await listWorkflows(library)).map(saved)] }),
  );
  endpoint(
    routes,
    {
      ...at.workflow,
      tag,
      summary:
        "A workflow for the editor: presets with their layout, saved ones as they were given. format=api: to be run",
      query: z.object({ format: z.literal("api").optional() }),
      answers: {
        200: { description: "ComfyUI's JSON, in either format", schema: graphSchema },
        404: "There is no such workflow",
      },
    },
    async (_, { param, query }) => {
      const name = param("name");
      const isForRunning = query.format === "api";
      if (isPreset(name)) return Response.json(await (isForRunning ? readPreset : readLayout)(name));
      const workflow = await readSavedWorkflow(library, name);
      return Response.json(isForRunning ? graphOf(workflow) : workflow);
    },
  );
  endpoint(
    routes,
    {
      ...at.saveWorkflow,
      tag,
      summary: "Saves a workflow in either of ComfyUI's formats; its name is made fit for a file",
      body: graphSchema,
      answers: {
        200: { description: "What it is called now", schema: presetSchema },
        400: "It cannot run, or its name is taken",
      },
    },
    async (c, { param, body }) => {
      const name = workflowName(param("name"));
      // The same check as before a batch: one photo in, one picture out, and every node can run.
      await createLocalExecutor(surroundings).prepare(graphOf(body), { networks: false });
      await writeWorkflow(library, name, body);
      return c.json(saved(name));
    },
  );
  endpoint(
    routes,
    {
      ...at.deleteWorkflow,
      tag,
      summary: "Deletes a saved workflow; presets stay",
      answers: { 204: "It is gone", 404: "There is no such workflow" },
    },
    async (c, { param }) => {
      await deleteWorkflow(library, workflowName(param("name")));
      return c.body(null, 204);
    },
  );
}

/** @throws AutochromeError "workflow-invalid" */
function graphOf(workflow: unknown): ApiGraph {
  if (graphFormatOf(workflow) === "ui") return toApiGraph(workflow);
  const parsed = apiGraphSchema.safeParse(workflow);
  if (parsed.success) return parsed.data;
  throw new AutochromeError(
    "workflow-invalid",
    "This workflow is damaged.",
    "Export it from the editor again, in either format.",
    { cause: parsed.error },
  );
}

function ours(): Preset[] {
  return listPresets().map(({ alias, title, description }) => ({
    name: alias,
    isPreset: true,
    title,
    about: description,
  }));
}

function saved(name: string): Preset {
  return {
    name,
    isPreset: false,
    title: { en: name, zh: name },
    about: { en: "A workflow of your own.", zh: "你自己保存的工作流。" },
  };
}
