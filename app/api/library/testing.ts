// What the tests of the library's routes share: a desk on a temporary library with real pixel workers, and an app that
// answers like the service. Must never: be imported by anything but tests.
import { cp, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { createSurroundings } from "../../batches/index.ts";
import { importPhotos, listPhotos, openLibrary, type Photo } from "../../catalogue/index.ts";
import { silentLogger } from "../../kernel/index.ts";
import { problemFrom, problemResponse } from "../answers.ts";
import { type ApiEnv, type ApiRoutes, createRoutes } from "../endpoint.ts";
import type { LibraryEvent } from "./contract.ts";
import type { Desk, EventBus } from "./desk.ts";

export interface TestDesk {
  readonly desk: Desk;
  /** A temporary folder of the user's: photos to import lie here. */
  readonly photos: string;
  /** What was published, oldest first. */
  readonly events: LibraryEvent[];
  readonly app: Hono<ApiEnv>;
  /** Copies the sample photos into `photos` and imports them. @returns them by file name */
  importSamples(): Promise<ReadonlyMap<string, Photo>>;
  /** Asks the app. @param body sent as JSON */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Asks the app and reads JSON. */
  json(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  close(): Promise<void>;
}

const SAMPLES = fileURLToPath(new URL("../../../main/demo/samples/", import.meta.url));

/**
 * @param mount adds the routes that are tested
 * @param change parts of the desk for this test; a part that is not given refuses to work
 */
export async function createTestDesk(
  mount: (routes: ApiRoutes, desk: Desk) => void,
  change: Partial<Desk> = {},
): Promise<TestDesk> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-desk-")));
  const photos = join(folder, "photos");
  await mkdir(photos);
  const library = await openLibrary(join(folder, "library"));
  const log = silentLogger();
  const surroundings = createSurroundings({
    threads: 2,
    inferenceThreads: 1,
    limits: { maxMegapixels: 600 },
    models: join(folder, "models"),
    imageModels: join(folder, "image-models"),
    log,
  });
  const events: LibraryEvent[] = [];
  const desk: Desk = {
    library,
    surroundings,
    log,
    events: recordingBus(events),
    conductor: absent("conductor"),
    jobs: absent("jobs"),
    doors: absent("doors"),
    isLocal: true,
    ...change,
  };
  const routes = createRoutes();
  mount(routes, desk);
  const app = new Hono<ApiEnv>();
  app.route("/", routes);
  app.onError((error) => {
    if (error instanceof HTTPException) return error.getResponse();
    return problemResponse(problemFrom(error));
  });

  const ask: TestDesk["ask"] = async (method, path, body, headers = {}) =>
    app.request(path, {
      method,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    desk,
    photos,
    events,
    app,
    async importSamples() {
      await cp(SAMPLES, photos, { recursive: true, filter: (path) => !/\.(md|json)$/.test(path) });
      await importPhotos(library, [photos], { workers: surroundings.workers });
      return new Map(listPhotos(library, { limit: 1000 }).photos.map((photo) => [photo.name, photo]));
    },
    ask,
    async json(method, path, body) {
      const response = await ask(method, path, body);
      return { status: response.status, body: await response.json() };
    },
    async close() {
      library.close();
      await surroundings.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function recordingBus(events: LibraryEvent[]): EventBus {
  const listeners = new Set<(event: LibraryEvent) => void>();
  return {
    publish(event) {
      events.push(event);
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A part of the desk that this test has not. */
function absent<Part extends object>(name: string): Part {
  return new Proxy({} as Part, {
    get(_, method) {
      throw new Error(`this test's desk has no ${name} (asked for ${String(method)})`);
    },
  });
}
