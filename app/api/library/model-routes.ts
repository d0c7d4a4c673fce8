// Models for the window: which there are, fetching, taking in, removing, choosing.
// Must never: fetch one twice at a time, or follow a path that somebody at another computer gave.
import { isAbsolute } from "node:path";
import { z } from "@hono/zod-openapi";
import { importModels, pullModel } from "../../colorize/index.ts";
import { AutochromeError, threadsOf } from "../../kernel/index.ts";
import { type Model, PUBLISHED, type Published } from "../../modelstore/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { unlessLeft } from "./answering.ts";
import { routes as at, type ModelFacts, modelImportSchema, modelSchema, startedSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";
import { forbidden } from "./problems.ts";
import { changeSettings } from "./settings-routes.ts";

export function modelRoutes(routes: ApiRoutes, desk: Desk): void {
  const { doors, jobs, surroundings, log } = desk;
  const store = surroundings.models;
  /** Jobs that fetch, by model. */
  const pulls = new Map<string, string>();
  const tag = "Library";

  endpoint(
    routes,
    {
      ...at.models,
      tag,
      summary: "Models that are here, and those that can be fetched",
      answers: { 200: { description: "Models", schema: z.object({ models: z.array(modelSchema) }) } },
    },
    (c) => c.json({ models: listModels(store.list(), doors.config().model) }),
  );

  endpoint(
    routes,
    {
      ...at.pullModel,
      tag,
      summary: "Fetches a model; goes on where it was stopped. done and total are bytes",
      answers: {
        202: { description: "The job that does it", schema: startedSchema },
        404: "There is no such model",
      },
    },
    (c, { param }) => {
      const id = param("id");
      if (!PUBLISHED.some((published) => published.id === id)) store.find(id); // says that there is none
      const known = pulls.get(id);
      const running = jobs.list().find((job) => job.id === known && job.state === "running");
      if (running !== undefined) return c.json({ job: running.id }, 202);
      const config = doors.config();
      const job = jobs.start("pull", async (report, signal) => {
        let total: number | undefined;
        await pullModel(store, id, {
          threads: threadsOf(config).network,
          mirrors: config.modelMirrors,
          log,
          signal,
          onProgress({ received, total: all, remainingMs }) {
            total = all;
            report({
              done: received,
              ...(all === undefined ? {} : { total: all }),
              ...(remainingMs === undefined ? {} : { remainingMs: Math.round(remainingMs) }),
            });
          },
          onTrouble({ source, reason, waitMs }) {
            const next =
              waitMs === undefined
                ? "The next address is tried."
                : `It is tried again in ${Math.ceil(waitMs / 1000)} s.`;
            const error = { code: "no-network", message: `${reason}.`, next };
            report({ problem: { file: new URL(source).host, error } });
          },
        });
        return total === undefined ? {} : { done: total };
      });
      pulls.set(id, job);
      return c.json({ job }, 202);
    },
  );

  endpoint(
    routes,
    {
      ...at.importModel,
      tag,
      summary:
        "Takes in an ONNX file or a pack of models of the engine's computer; the file stays where it is",
      body: modelImportSchema,
      answers: {
        200: { description: "Its id; of a pack the first one's", schema: z.object({ id: z.string() }) },
        400: "It is no model that colours",
        403: "Only at the engine's computer",
      },
    },
    (c, { body }) => {
      if (!desk.isLocal) {
        throw forbidden(
          "Model files can be taken in only at the computer that Autochrome runs on.",
          "Do it there, or fetch a published model.",
        );
      }
      const { path, id } = body;
      if (!isAbsolute(path)) {
        throw new AutochromeError("usage", "This is no whole path.", "Choose the file anew.");
      }
      return unlessLeft(c, async (signal) => {
        const threads = threadsOf(doors.config()).network;
        const how = { threads, log, signal, ...(id === undefined ? {} : { id }) };
        const [first] = await importModels(store, path, how);
        desk.events.publish({ type: "settings" });
        return c.json({ id: first?.id ?? "" });
      });
    },
  );

  endpoint(
    routes,
    {
      ...at.removeModel,
      tag,
      summary: "Removes a model; where it was the one in use, the embedded one is from now on",
      answers: { 204: "It is removed", 404: "It is not installed" },
    },
    async (c, { param }) => {
      const id = param("id");
      await store.remove(id);
      const isFixed = doors.fixedSettings().includes("model");
      if (doors.config().model === id && !isFixed) await changeSettings(desk, { model: null });
      else desk.events.publish({ type: "settings" });
      return c.body(null, 204);
    },
  );

  endpoint(
    routes,
    {
      ...at.defaultModel,
      tag,
      summary: "Uses a model from now on",
      answers: { 204: "It is used", 404: "It is not installed" },
    },
    async (c, { param }) => {
      await changeSettings(desk, { model: store.find(param("id")).id });
      return c.body(null, 204);
    },
  );
}

/** Installed ones first. Checkpoints, which have to be exported before they can be used, are for the command line. */
function listModels(installed: readonly Model[], used: string): ModelFacts[] {
  const others = PUBLISHED.filter(
    ({ id, format }) => format === "onnx" && !installed.some((model) => model.id === id),
  );
  return [
    ...installed.map((model) => factsOf(model, true, used)),
    ...others.map((published) => factsOf(published, false, used)),
  ];
}

function factsOf(model: Model | Published, isInstalled: boolean, used: string): ModelFacts {
  const { id, title, publisher, licence, goodFor, input, size = 0 } = model;
  const { fixed, standard } = input;
  return {
    id,
    isInstalled,
    isDefault: id === used,
    bytes: size,
    licence,
    about: `${title} · ${publisher}`,
    goodFor: goodFor.en,
    words: goodFor,
    input: fixed === undefined ? `64–2048 (${standard})` : `${fixed.width} × ${fixed.height}`,
    canPull: !isInstalled && "sources" in model && (model.sources?.length ?? 0) > 0,
  };
}
