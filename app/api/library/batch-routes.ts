// Batches for windows: made, listed, looked into, paused, resumed, cancelled, retried; and where one would run.
//
// Owns: how a wish becomes a batch in the queue. Must never: run one; that is the conductor's.
import { z } from "@hono/zod-openapi";
import { measureMs, type Plan, queueMany } from "../../batches/index.ts";
import {
  type BatchItem,
  cancelBatch,
  getBatch,
  itemsOf,
  retryFailed,
  setBatchState,
} from "../../catalogue/index.ts";
import { badRequest } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH, unlessLeft } from "./answering.ts";
import {
  routes as at,
  batchActionSchema,
  batchItemSchema,
  batchRequestSchema,
  batchSchema,
  placeSchema,
} from "./contract.ts";
import type { Desk, PlanWish } from "./desk.ts";
import { plain } from "./problems.ts";
import { chosenPhotos } from "./selection.ts";

/** So few photos that nobody measures how long they take before it is said where they run: see the route "place". */
const UNTIMED = 0;

export function batchRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, conductor, doors, events } = desk;
  const { db } = library;
  const tag = "Library";
  const facts = { description: "The batch", schema: batchSchema };

  endpoint(
    routes,
    {
      ...at.batches,
      tag,
      summary: "Batches that are not over, and the newest others; newest first",
      answers: { 200: { description: "Batches", schema: z.object({ batches: z.array(batchSchema) }) } },
    },
    (c) => c.json({ batches: conductor.list() }, 200, FRESH),
  );

  endpoint(
    routes,
    {
      ...at.createBatch,
      tag,
      summary: "Colours photos: queues them and begins",
      body: batchRequestSchema,
      answers: { 200: facts, 400: "Not understood, or no photos", 404: "A photo, album or workflow is gone" },
    },
    (c, { body }) =>
      unlessLeft(c, async (signal) => {
        const photos = await chosenPhotos(library, body, signal);
        const { plan, choose, said } = await doors.planFor(wishOf(body));
        const say = (text: string) => desk.log.info({ text }, "where a batch runs");
        const executor = await doors.placeFor(body.on, plan, UNTIMED, say);
        await conductor.executorAt(executor); // what is not set up is told before anything is queued
        if (said.length > 0) desk.log.info({ said }, "a plan was changed");
        const how = { executor, priority: 0, workflow: body.workflow };
        const { id } = await queueMany(library, photos, plan, how, choose, signal);
        conductor.wake(id);
        events.publish({ type: "photos", ids: photos });
        return c.json(conductor.facts(id), 200, FRESH);
      }),
  );

  endpoint(
    routes,
    { ...at.batch, tag, summary: "One batch", answers: { 200: facts, 404: "It is not there" } },
    (c, { param }) => c.json(conductor.facts(param("id")), 200, FRESH),
  );

  endpoint(
    routes,
    {
      ...at.batchItems,
      tag,
      summary: "The photos of a batch in its order; `next` goes into `after` for those that follow",
      query: z.object({
        state: batchItemSchema.shape.state.optional(),
        after: z.coerce.number().int().min(-1).default(-1),
        limit: z.coerce.number().int().min(1).max(1000).default(200),
      }),
      answers: {
        200: {
          description: "Items",
          schema: z.object({ items: z.array(batchItemSchema), next: z.string().optional() }),
        },
        404: "It is not there",
      },
    },
    (c, { query: { state, after, limit }, param }) => {
      const { id } = getBatch(db, param("id"));
      const items = itemsOf(db, id, { state, after, limit });
      const last = items.length === limit ? items.at(-1) : undefined;
      return c.json(
        {
          items: items.map(itemOf),
          ...(last === undefined ? {} : { next: String(last.position) }),
        },
        200,
        FRESH,
      );
    },
  );

  endpoint(
    routes,
    {
      ...at.changeBatch,
      tag,
      summary: "Pauses, resumes or cancels a batch, or tries its failed photos again",
      answers: { 200: facts, 400: "The batch is over", 404: "It is not there" },
    },
    async (c, { param }) => {
      const id = param("id");
      const action = batchActionSchema.safeParse(param("action")).data;
      if (action === undefined) throw badRequest(`A batch cannot be told to "${param("action")}".`);
      await change(id, action);
      conductor.wake(id);
      events.publish({ type: "photos" });
      return c.json(conductor.facts(id), 200, FRESH);
    },
  );

  async function change(id: string, action: z.infer<typeof batchActionSchema>): Promise<void> {
    if (action === "cancel") await cancelBatch(db, id);
    else if (action === "retry") retryFailed(db, id);
    else setBatchState(db, id, action === "pause" ? "paused" : "active");
  }

  const measured = new Map<string, Promise<number | undefined>>();

  /** What the networks of a plan take for one photo on this computer's CPU; measured once. */
  function msPerPhoto(plan: Plan): Promise<number | undefined> {
    const key = JSON.stringify(plan.variants.map(({ graph }) => graph));
    const known = measured.get(key) ?? measure(plan);
    measured.set(key, known);
    known.catch(() => measured.delete(key));
    return known;
  }

  async function measure(plan: Plan): Promise<number | undefined> {
    let sum = 0;
    let count = 0;
    for (const { graph } of plan.variants) {
      const ms = await measureMs(desk.surroundings, graph);
      if (ms === undefined) continue;
      sum += ms;
      count++;
    }
    return count === 0 ? undefined : sum / count;
  }

  endpoint(
    routes,
    {
      ...at.place,
      tag,
      summary: "Where a batch would run now, and about how long so many photos would take",
      query: z.object({
        photos: z.coerce.number().int().min(0).max(10_000_000).default(0),
        on: z.string().default("auto"),
        workflow: z.string().default("quick"),
      }),
      answers: { 200: { description: "The place", schema: placeSchema } },
    },
    async (c, { query: { photos, on, workflow } }) => {
      const { plan, choose } = await doors.planFor({ workflow });
      const said: string[] = [];
      const place = await doors.placeFor(on, plan, UNTIMED, (text) => void said.push(text));
      const executor = await conductor.executorAt(place);
      const used = place === "local" ? (await doors.devices(false)).find(({ isUsed }) => isUsed) : undefined;
      if (said.length === 0 && used !== undefined) said.push(used.sentence);
      // With a GPU it is not the network that takes the time.
      const ms = used?.device === "cpu" && photos > 0 ? await msPerPhoto(plan) : undefined;
      const each = choose === undefined ? plan.variants.length : 1;
      return c.json(
        {
          on: place,
          device: used?.device ?? executor.device,
          sentence: said.join(" "),
          ...(ms === undefined ? {} : { remainingMs: Math.round(ms * photos * each) }),
        },
        200,
        FRESH,
      );
    },
  );
}

function wishOf({ workflow, models, modelSizes, colorFactor }: z.infer<typeof batchRequestSchema>): PlanWish {
  return { workflow, models, modelSizes, colorFactor };
}

function itemOf({ id, photoId, source, state, ms, error }: BatchItem): z.infer<typeof batchItemSchema> {
  return {
    id,
    ...(photoId === undefined ? {} : { photo: photoId }),
    name: source.split(/[/\\]/).at(-1) ?? source,
    state,
    ...(ms === undefined ? {} : { ms }),
    ...(error === undefined ? {} : { error: plain(error) }),
  };
}
