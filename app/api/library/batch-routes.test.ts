// Batches by address: a real library, real photos, this computer's own executor with the network at 64 pixels.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createLocalExecutor, type Executor } from "../../batches/index.ts";
import {
  addToAlbum,
  countItems,
  createAlbum,
  importPhotos,
  listItems,
  listPhotos,
  listVersions,
  type Photo,
} from "../../catalogue/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import { embeddedModel } from "../../modelstore/index.ts";
import { readPreset, withSettings } from "../../workflow/index.ts";
import { batchRoutes } from "./batch-routes.ts";
import { type Conductor, createConductor } from "./conductor.ts";
import { type BatchFacts, batchSchema, placeSchema } from "./contract.ts";
import type { Desk, Doors, PlanWish } from "./desk.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";

let scene: TestDesk;
let conductor: Conductor;
let photos: ReadonlyMap<string, Photo>;
let wishes: PlanWish[];
let isChoosing: boolean;
let wrap: (executor: Executor) => Executor;
let restart: () => Promise<void>;

/** Doors that know this computer and nothing else. */
function doorsOf(desk: Desk): Pick<Doors, "planFor" | "placeFor" | "executorFor" | "devices"> {
  return {
    async planFor(wish) {
      wishes.push(wish);
      if (wish.workflow === "nothing")
        throw new AutochromeError("not-found", "No such workflow.", "Choose another.");
      const graph = withSettings(await readPreset("quick"), { model: embeddedModel().id, modelSize: 64 });
      const variants = ["one", "two"].map((name) => ({ name, graph }));
      const plan = {
        variants: isChoosing ? variants : variants.slice(0, 1),
        existing: "adopt" as const,
        mayShrink: true,
      };
      return isChoosing
        ? { plan, said: [], choose: async ({ name }) => [name.startsWith("c") ? 1 : 0] }
        : { plan, said: [] };
    },
    async placeFor(on, _, __, say) {
      if (on === "auto") say("This computer works.");
      return on === "auto" ? "local" : on;
    },
    async executorFor(name) {
      if (name !== "local") throw new AutochromeError("usage", "No cluster is set up.", "Set one up.");
      return wrap(createLocalExecutor(desk.surroundings));
    },
    devices: async () => [{ device: "cpu", works: true, isUsed: true, sentence: "The CPU, 4 cores." }],
  };
}

beforeAll(async () => {
  scene = await createTestDesk((routes, bare) => {
    const doors = { ...bare.doors, ...doorsOf(bare) };
    const make = () => createConductor({ ...bare, executorFor: doors.executorFor, lookEveryMs: 20 });
    restart = async () => {
      await conductor?.close();
      conductor = make();
    };
    const own: Conductor = {
      wake: (id) => conductor.wake(id),
      facts: (id) => conductor.facts(id),
      list: () => conductor.list(),
      executorAt: (place) => conductor.executorAt(place),
      close: () => conductor.close(),
    };
    batchRoutes(routes, { ...bare, doors, conductor: own });
  });
  const { library, surroundings } = scene.desk;
  for (const [index, name] of ["car", "cat", "dog", "house", "river"].entries()) {
    const grey = { r: 40 * index, g: 40 * index, b: 40 * index };
    const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: grey } });
    await picture.jpeg().toFile(join(scene.photos, `${name}.jpg`));
  }
  await importPhotos(library, [scene.photos], { workers: surroundings.workers });
  photos = new Map(listPhotos(library).photos.map((photo) => [photo.name, photo]));
});
beforeEach(async () => {
  wishes = [];
  isChoosing = false;
  wrap = (executor) => executor;
  scene.events.length = 0;
  await restart();
});
afterEach(() => conductor.close());
afterAll(() => scene.close());

async function create(request: object): Promise<BatchFacts> {
  const { status, body } = await scene.json("POST", "/library/batches", request);
  expect({ status, body }).toMatchObject({ status: 200 });
  return batchSchema.parse(body);
}
const show = async (id: string) =>
  batchSchema.parse((await scene.json("GET", `/library/batches/${id}`)).body);
const act = (id: string, action: string) => scene.json("POST", `/library/batches/${id}/${action}`);
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 100_000, interval: 20 });
const over = (id: string) => until(() => expect(conductor.facts(id).state).toBe("finished"));
const all = () => [...photos.values()].map(({ id }) => id);
/** How many versions each photo has from a batch. */
function versionsFrom(batch: string): number[] {
  const { db } = scene.desk.library;
  const items = new Set(listItems(db, batch).map(({ id }) => id));
  return all().map((id) => listVersions(db, id).filter(({ itemId }) => items.has(itemId)).length);
}

describe("a batch", () => {
  it("is made, watched and finished; its photos have versions then", async () => {
    const made = await create({ photos: all(), workflow: "people", colorFactor: 1.2 });
    expect(made).toMatchObject({ workflow: "people", executor: "local", state: "active" });
    expect(wishes).toEqual([
      { workflow: "people", models: undefined, modelSizes: undefined, colorFactor: 1.2 },
    ]);
    await over(made.id);
    expect(await show(made.id)).toMatchObject({
      device: "cpu",
      counts: { queued: 0, running: 0, done: all().length, failed: 0, cancelled: 0 },
    });
    expect(versionsFrom(made.id)).toEqual(all().map(() => 1));
    await until(() => expect(scene.events.at(-1)).toMatchObject({ type: "batch" }));
    const batches = scene.events.flatMap((event) => (event.type === "batch" ? [event.batch] : []));
    expect(batches[0]).toMatchObject({ id: made.id, state: "active" });
    expect(batches.at(-1)).toMatchObject({ id: made.id, state: "finished", counts: { done: all().length } });
    const changed = scene.events.flatMap((event) => (event.type === "photos" ? (event.ids ?? []) : []));
    expect(new Set(changed)).toEqual(new Set(all()));
    expect((await scene.json("GET", "/library/batches")).body).toMatchObject({
      batches: [await show(made.id)],
    });
  });

  it("goes on after a restart in the middle, and nothing is done twice", async () => {
    let runs = 0;
    wrap = (local) => ({
      ...local,
      capacity: 1,
      async run(job, signal) {
        if (++runs === 3) await sleep(60_000, undefined, { signal });
        return local.run(job, signal);
      },
    });
    const { id } = await create({ photos: all() });
    await until(() => expect(runs).toBe(3));
    await restart();
    await over(id);
    expect(versionsFrom(id)).toEqual(all().map(() => 1));
    expect(runs).toBe(all().length + 1);
  });

  it("takes all photos of a query: an album, words", async () => {
    const { library } = scene.desk;
    const album = createAlbum(library, "Two");
    const [one = "", two = ""] = all();
    addToAlbum(library, "Two", [one, two]);
    const made = await create({ query: { album: album.id } });
    expect(Object.values(made.counts).reduce((sum, count) => sum + count, 0)).toBe(2);
    await over(made.id);
    const named = await create({ query: { search: "house" } });
    await over(named.id);
    const { body } = await scene.json("GET", `/library/batches/${named.id}/items`);
    expect(body).toMatchObject({
      items: [{ name: "house.jpg", state: "done", photo: photos.get("house.jpg")?.id }],
    });
  });

  it("gives each photo the variant that suits it, where one is suggested", async () => {
    isChoosing = true;
    const made = await create({ photos: all(), workflow: "auto" });
    await over(made.id);
    expect((await show(made.id)).counts.done).toBe(all().length);
    expect(made.workflow).toBe("auto");
  });

  it("is paused, resumed, cancelled; what makes no sense is refused with words", async () => {
    wrap = (local) => ({
      ...local,
      capacity: 1,
      run: (_, signal) => sleep(60_000, undefined as never, { signal }),
    });
    const { id } = await create({ photos: all() });
    await until(async () => expect((await show(id)).counts.running).toBe(1));
    expect((await act(id, "pause")).body).toMatchObject({ state: "paused" });
    expect((await act(id, "resume")).body).toMatchObject({ state: "active" });
    expect((await act(id, "cancel")).body).toMatchObject({ state: "cancelled" });
    await until(async () =>
      expect((await show(id)).counts).toMatchObject({ running: 0, cancelled: all().length }),
    );
    expect(await act(id, "resume")).toMatchObject({ status: 400, body: { error: { code: "usage" } } });
    expect(await act(id, "explode")).toMatchObject({ status: 400 });
    expect(await act("nobody", "pause")).toMatchObject({ status: 404 });
  });

  it("tells what failed and why, and tries that again", async () => {
    let isBroken = true;
    wrap = (local) => ({
      ...local,
      async run(job, signal) {
        if (isBroken && job.source.endsWith("dog.jpg"))
          throw new AutochromeError("damaged-image", "It ends early.", "Scan it again.", {
            detail: "secret",
          });
        return local.run(job, signal);
      },
    });
    const { id } = await create({ photos: all() });
    await over(id);
    const failed = await scene.json("GET", `/library/batches/${id}/items?state=failed`);
    expect(failed.body).toEqual({
      items: [
        {
          ...{
            id: expect.any(String),
            photo: photos.get("dog.jpg")?.id,
            name: "dog.jpg",
            state: "failed",
          },
          ms: expect.any(Number),
          error: { code: "damaged-image", message: "It ends early.", next: "Scan it again." },
        },
      ],
    });
    isBroken = false;
    await act(id, "retry");
    await until(() => expect(countItems(scene.desk.library.db, id).done).toBe(all().length));
  });

  it("lists its items in pages", async () => {
    const { id } = await create({ photos: all() });
    const names: string[] = [];
    for (let after: string | undefined = "-1"; after !== undefined; ) {
      const { body } = await scene.json("GET", `/library/batches/${id}/items?limit=3&after=${after}`);
      const page = body as { items: { name: string }[]; next?: string };
      names.push(...page.items.map(({ name }) => name));
      after = page.next;
    }
    expect(names).toEqual([...photos.keys()]);
    await act(id, "cancel");
  });
});

it("refuses a wish that cannot be met before anything is queued", async () => {
  const ask = (request: object) => scene.json("POST", "/library/batches", request);
  const [one = ""] = all();
  const before = (await scene.json("GET", "/library/batches")).body;
  expect(await ask({})).toMatchObject({ status: 400 });
  expect(await ask({ photos: [one], query: {} })).toMatchObject({ status: 400 });
  expect(await ask({ photos: ["nobody"] })).toMatchObject({ status: 404 });
  expect(await ask({ query: { album: "nowhere" } })).toMatchObject({ status: 404 });
  expect(await ask({ query: { search: "zzzzzz" } })).toMatchObject({ status: 400 });
  expect(await ask({ photos: [one], workflow: "nothing" })).toMatchObject({ status: 404 });
  expect(await ask({ photos: [one], on: "cluster" })).toMatchObject({
    status: 400,
    body: { error: { message: "No cluster is set up." } },
  });
  expect(await ask({ photos: [one], surprise: 1 })).toMatchObject({ status: 400 });
  expect((await scene.json("GET", "/library/batches")).body).toEqual(before);
  expect(await scene.json("GET", "/library/batches/nobody")).toMatchObject({ status: 404 });
});

it("says where a batch would run and about how long", async () => {
  const { body } = await scene.json("GET", "/library/place?photos=100");
  const place = placeSchema.parse(body);
  expect(place).toMatchObject({ on: "local", device: "cpu", sentence: "This computer works." });
  expect(place.remainingMs).toBeGreaterThan(0);
  const twice = placeSchema.parse((await scene.json("GET", "/library/place?photos=200")).body);
  expect(twice.remainingMs).toBeCloseTo(2 * place.remainingMs!, -1);
  expect(placeSchema.parse((await scene.json("GET", "/library/place?on=local")).body)).toEqual({
    ...{ on: "local", device: "cpu", sentence: "The CPU, 4 cores." },
  });
});
