// A desk that works, for tests: small photos in a library, jobs, and a conductor over this computer's own executor with the
// network at 64 pixels. Must never: be imported by anything but tests.
import { join } from "node:path";
import sharp from "sharp";
import { expect, vi } from "vitest";
import { createLocalExecutor, queueMany } from "../../batches/index.ts";
import { importPhotos, listPhotos, listVersions, type Photo, type Version } from "../../catalogue/index.ts";
import { loadConfig } from "../../kernel/index.ts";
import { embeddedModel } from "../../modelstore/index.ts";
import { readPreset, withSettings } from "../../workflow/index.ts";
import type { ApiRoutes } from "../endpoint.ts";
import { createConductor } from "./conductor.ts";
import { type JobFacts, startedSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";
import { createJobs } from "./jobs.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";

export interface WorkDesk extends TestDesk {
  /** By file name: car.jpg, cat.jpg, dog.jpg, house.jpg. */
  readonly small: ReadonlyMap<string, Photo>;
  /** Colours photos. @returns the newest version of each */
  colour(...names: string[]): Promise<Version[]>;
  /** Asks for a job and waits for its end. @returns what became of it */
  job(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<JobFacts>;
  /** Waits for a job's end. */
  jobOver(id: string): Promise<JobFacts>;
  until(check: () => unknown): Promise<void>;
}

const SHADES = { "car.jpg": 40, "cat.jpg": 90, "dog.jpg": 140, "house.jpg": 190 };

export async function createWorkDesk(
  mount: (routes: ApiRoutes, desk: Desk) => void,
  change: Partial<Desk> = {},
): Promise<WorkDesk> {
  let desk: Desk | undefined;
  const closing = new AbortController();
  const scene = await createTestDesk((routes, bare) => {
    const executorFor = async () => createLocalExecutor(bare.surroundings);
    desk = {
      ...bare,
      jobs: createJobs(bare),
      conductor: createConductor({ ...bare, executorFor, lookEveryMs: 50 }),
      doors: { ...bare.doors, config: () => loadConfig({}, {}) },
      closing: closing.signal,
      ...change,
    };
    mount(routes, desk);
  });
  if (desk === undefined) throw new Error("nothing was mounted");
  const { library, surroundings, conductor, jobs } = desk;
  for (const [name, shade] of Object.entries(SHADES)) await smallPicture(join(scene.photos, name), shade);
  await importPhotos(library, [scene.photos], { workers: surroundings.workers });
  const small = new Map(listPhotos(library).photos.map((photo) => [photo.name, photo]));
  const until = (check: () => unknown) =>
    vi.waitFor(async () => void (await check()), { timeout: 100_000, interval: 20 });
  const jobOver = async (id: string) => {
    const facts = () => jobs.list().find((job) => job.id === id);
    await until(() => expect(facts()?.state).not.toBe("running"));
    return facts()!;
  };
  return {
    ...scene,
    desk,
    small,
    until,
    jobOver,
    async colour(...names) {
      const ids = names.map((name) => small.get(name)?.id ?? "");
      const graph = withSettings(await readPreset("quick"), {
        model: embeddedModel().id,
        modelSize: 64,
        format: "same",
      });
      const plan = { variants: [{ name: "quick", graph }], existing: "adopt" as const, mayShrink: true };
      const { id } = await queueMany(library, ids, plan, { executor: "local", priority: 0 });
      conductor.wake(id);
      await until(() => expect(conductor.facts(id).state).toBe("finished"));
      return ids.map((photo) => listVersions(library.db, photo).at(-1)!);
    },
    async job(method, path, body, headers) {
      const answer = await scene.ask(method, path, body, headers);
      expect(answer.status).toBe(200);
      return jobOver(startedSchema.parse(await answer.json()).job);
    },
    async close() {
      closing.abort();
      await jobs.close();
      await conductor.close();
      await scene.close();
    },
  };
}

/** A JPEG of two shades, so that something can be seen in it. */
export async function smallPicture(path: string, shade: number): Promise<void> {
  const grey = (level: number) => ({ r: level, g: level, b: level });
  const part = await sharp({ create: { width: 30, height: 45, channels: 3, background: grey(255 - shade) } })
    .png()
    .toBuffer();
  await sharp({ create: { width: 80, height: 60, channels: 3, background: grey(shade) } })
    .composite([{ input: part, left: 0, top: 0 }])
    .jpeg({ quality: 95 })
    .toFile(path);
}
