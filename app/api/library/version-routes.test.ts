// Decisions, looks, tunings and masks by address, on versions that were really coloured.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { TuningTable } from "../../batches/index.ts";
import { findVersion, listVersions, type Version } from "../../catalogue/index.ts";
import { batchSchema, maskSchema, versionCardSchema } from "./contract.ts";
import { createWorkDesk, type WorkDesk } from "./testing-work.ts";
import { createTuningTables } from "./tuning-tables.ts";
import { versionRoutes } from "./version-routes.ts";

let scene: WorkDesk;
let version: Version;
beforeAll(async () => {
  scene = await createWorkDesk(versionRoutes);
  [version] = (await scene.colour("car.jpg")) as [Version];
});
beforeEach(() => {
  scene.events.length = 0;
});
afterAll(() => scene.close());

const change = (body: object, id = version.id) => scene.json("PATCH", `/library/versions/${id}`, body);

describe("a decision", () => {
  it("is kept and told: review, stars, a note; null takes back, absent leaves", async () => {
    const note = `Grandma's coat was "red" <b>\u202eno</b>`;
    const first = await change({ review: "accepted", rating: 4, note });
    expect(versionCardSchema.parse(first.body)).toMatchObject({
      id: version.id,
      review: "accepted",
      rating: 4,
      note,
    });
    expect(scene.events).toEqual([{ type: "photos", ids: [version.photoId] }]);
    expect((await change({ rating: null })).body).not.toHaveProperty("rating");
    expect((await change({})).body).toMatchObject({ review: "accepted", note });
    expect((await change({ note: "", review: "undecided" })).body).not.toHaveProperty("note");
  });

  it("that makes no sense is refused", async () => {
    for (const body of [{ review: "maybe" }, { rating: 6 }, { rating: 2.5 }, { other: 1 }]) {
      expect(await change(body)).toMatchObject({ status: 400 });
    }
    expect(await change({ review: "accepted" }, "nobody")).toMatchObject({ status: 404 });
  });
});

describe("a look", () => {
  const look = (body: object, id = version.id) => scene.ask("POST", `/library/versions/${id}/look`, body);

  it("shows other colours, and leaves the version as it is", async () => {
    const file = join(scene.desk.library.folder, version.file);
    const before = await readFile(file);
    const saturation = async (answer: Response) => {
      const { channels } = await sharp(Buffer.from(await answer.arrayBuffer())).stats();
      const means = channels.map(({ mean }) => mean);
      return Math.max(...means) - Math.min(...means);
    };
    const [grey, strong] = [await look({ colorFactor: 0 }), await look({ colorFactor: 2 })];
    expect(grey.headers.get("Content-Type")).toBe("image/jpeg");
    expect(await saturation(grey)).toBeLessThan(1);
    expect(await saturation(strong)).toBeGreaterThan(1);
    expect(await readFile(file)).toEqual(before);
    expect(listVersions(scene.desk.library.db, version.photoId).length).toBe(1);
  });

  it("of several only the latest is made", async () => {
    const answers = await Promise.all([0.1, 0.5, 0.9, 1.3, 1.7].map((colorFactor) => look({ colorFactor })));
    expect(answers.at(-1)?.status).toBe(200);
    expect(answers.slice(0, -1).map(({ status }) => status)).toEqual([409, 409, 409, 409]);
  });

  it("at what is not there, or with settings that make no sense, is refused", async () => {
    expect((await look({}, "nobody")).status).toBe(404);
    expect((await look({ colorFactor: 9 })).status).toBe(400);
    expect((await look({ mask: "../../library.db" })).status).toBe(404);
  });
});

it("tuning makes new versions soon, without the network", async () => {
  const runs = scene.desk.surroundings.colorizer.counts.runs;
  const body = { versions: [version.id, version.id], tune: { colorFactor: 0.5 } };
  const { body: made } = await scene.json("POST", "/library/tunings", body);
  const { id, workflow } = batchSchema.parse(made);
  expect(workflow).toBe("tune");
  await scene.until(() => expect(scene.desk.conductor.facts(id).state).toBe("finished"));
  const all = listVersions(scene.desk.library.db, version.photoId);
  expect(all.length).toBe(2);
  expect(all.at(-1)?.parameters).toMatchObject({ tunes: version.id });
  expect(scene.desk.surroundings.colorizer.counts.runs).toBe(runs);
  expect(findVersion(scene.desk.library.db, version.id)).toBeDefined();
  expect(await scene.json("POST", "/library/tunings", { ...body, versions: ["nobody"] })).toMatchObject({
    status: 404,
  });
});

describe("a mask", () => {
  const put = (bytes: Uint8Array<ArrayBuffer>) =>
    scene.app.request("/library/masks", {
      method: "POST",
      body: bytes,
      headers: { "Content-Type": "image/png" },
    });
  const half = async () => {
    const white = await sharp({ create: { width: 40, height: 60, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
    const black = sharp({ create: { width: 80, height: 60, channels: 3, background: "#000" } });
    return new Uint8Array(
      await black
        .composite([{ input: white, left: 0, top: 0 }])
        .png()
        .toBuffer(),
    );
  };

  it("is kept once under a name, and limits a look to where it is white", async () => {
    const answers = [await put(await half()), await put(await half())];
    const [one, two] = await Promise.all(
      answers.map(async (answer) => maskSchema.parse(await answer.json())),
    );
    expect(one).toEqual(two);
    const tune = { colorFactor: 0, mask: one!.mask };
    const answer = await scene.ask("POST", `/library/versions/${version.id}/look`, tune);
    expect(answer.status).toBe(200);
    const picture = sharp(Buffer.from(await answer.arrayBuffer()));
    const spread = async (left: number) => {
      const { channels } = await sharp(
        await picture.clone().extract({ left, top: 50, width: 20, height: 8 }).png().toBuffer(),
      ).stats();
      const means = channels.map(({ mean }) => mean);
      return Math.max(...means) - Math.min(...means);
    };
    expect(await spread(10)).toBeLessThan(2);
    expect(await spread(55)).toBeGreaterThan(await spread(10));
  });

  it("that is no PNG is refused, with words", async () => {
    const jpeg = new Uint8Array(
      await sharp(Buffer.from(await half()))
        .jpeg()
        .toBuffer(),
    );
    for (const bytes of [jpeg, new Uint8Array([1, 2, 3]), new Uint8Array()]) {
      const answer = await put(bytes);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(/./) } });
    }
  });
});

describe("tuning tables", () => {
  function tables(options: { most?: number; idleMs?: number } = {}) {
    const opened: string[] = [];
    const closed: string[] = [];
    const open = async (name: string): Promise<TuningTable> => {
      if (name === "broken") throw new Error("it cannot be opened");
      opened.push(name);
      return {
        look: async () => new Uint8Array([opened.length]),
        close: async () => void closed.push(name),
      };
    };
    return { opened, closed, all: createTuningTables({ open, ...options }) };
  }
  const { signal } = new AbortController();

  it("stay open for the next look, the oldest is closed where there are too many", async () => {
    const { opened, closed, all } = tables({ most: 2 });
    for (const name of ["a", "b", "a", "c"]) await all.look(name, {}, signal);
    expect(opened).toEqual(["a", "b", "c"]);
    await vi.waitFor(() => expect(closed).toEqual(["b"]));
    await all.close();
    expect(closed.toSorted()).toEqual(["a", "b", "c"]);
  });

  it("are closed when nobody looks for a while, and opened again", async () => {
    const { opened, closed, all } = tables({ idleMs: 10 });
    await all.look("a", {}, signal);
    await vi.waitFor(() => expect(closed).toEqual(["a"]));
    await all.look("a", {}, signal);
    expect(opened).toEqual(["a", "a"]);
    await all.close();
  });

  it("one that cannot be opened is tried again", async () => {
    const { all } = tables();
    for (let time = 0; time < 2; time++)
      await expect(all.look("broken", {}, signal)).rejects.toThrow("cannot be opened");
    await all.close();
  });
});
