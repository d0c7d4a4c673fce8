// The bus and its stream, with a real server and several readers.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiEnv, createRoutes } from "../endpoint.ts";
import type { JobFacts, LibraryEvent } from "./contract.ts";
import { createEventBus, eventRoutes } from "./events.ts";

const job = (id: string, done: number): LibraryEvent => ({
  type: "job",
  job: { id, kind: "import", state: "running", done, problems: [], problemCount: 0 } satisfies JobFacts,
});
const photos = (...ids: string[]): LibraryEvent => ({ type: "photos", ids });

describe("the bus", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("joins a burst: ids gathered, of one job the latest, and says it to everybody", () => {
    const bus = createEventBus(200);
    const [one, two]: LibraryEvent[][] = [[], []];
    bus.subscribe((event) => one?.push(event));
    bus.subscribe((event) => two?.push(event));
    for (const id of ["a", "b", "a"]) bus.publish(photos(id));
    for (const done of [1, 2, 3]) bus.publish(job("x", done));
    bus.publish(job("y", 1));
    vi.advanceTimersByTime(1);
    expect(one).toEqual([photos("a", "b"), job("x", 3), job("y", 1)]);
    expect(two).toEqual(one);
  });

  it("tells at most once in its time, and loses nothing", () => {
    const bus = createEventBus(200);
    const told: LibraryEvent[] = [];
    bus.subscribe((event) => told.push(event));
    const ids = Array.from({ length: 100 }, (_, index) => `photo ${index}`);
    for (const id of ids) {
      bus.publish(photos(id));
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(200);
    expect(told.length).toBeLessThanOrEqual(6);
    expect(told.flatMap((event) => (event.type === "photos" ? event.ids : []))).toEqual(ids);
  });

  it("says all photos where they are too many to name, or were not named", () => {
    const bus = createEventBus(200);
    const told: LibraryEvent[] = [];
    bus.subscribe((event) => told.push(event));
    bus.publish(photos(...Array.from({ length: 1001 }, (_, index) => String(index))));
    bus.publish(photos("one more"));
    vi.advanceTimersByTime(500);
    bus.publish(photos("a"));
    bus.publish({ type: "photos" });
    vi.advanceTimersByTime(500);
    expect(told).toEqual([{ type: "photos" }, { type: "photos" }]);
  });

  it("says nothing to whoever has left", () => {
    const bus = createEventBus(200);
    const told: LibraryEvent[] = [];
    bus.subscribe((event) => told.push(event))();
    bus.publish({ type: "library" });
    vi.advanceTimersByTime(500);
    expect(told).toEqual([]);
  });
});

describe("the stream", () => {
  let bus: ReturnType<typeof createEventBus>;
  let windows: Set<unknown>;
  let server: ReturnType<typeof serve>;
  let url: string;

  beforeEach(async () => {
    bus = createEventBus(5);
    windows = new Set();
    const own = windows;
    const counting = {
      ...bus,
      subscribe(listener: (event: LibraryEvent) => void) {
        own.add(listener);
        const end = bus.subscribe(listener);
        return () => {
          own.delete(listener);
          end();
        };
      },
    };
    const routes = createRoutes();
    eventRoutes(routes, { events: counting });
    const app = new Hono<ApiEnv>();
    app.route("/", routes);
    server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/library/events`;
  });
  afterEach(() => {
    bus.close();
    server.close();
  });

  async function open() {
    const end = new AbortController();
    const answer = await fetch(url, { signal: end.signal });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    return {
      answer,
      leave: () => end.abort(),
      async until(what: string) {
        while (!text.includes(what)) {
          const { value, done } = await reader.read();
          if (done) throw new Error(`it ended: ${text}`);
          text += value;
        }
        return text;
      },
    };
  }

  it("reaches every window, as server-sent events", async () => {
    const opened = [await open(), await open(), await open()];
    expect(opened[0]!.answer.headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
    await Promise.all(opened.map((window) => window.until("retry:")));
    bus.publish(photos("line\nbreak"));
    for (const window of opened) {
      const text = await window.until("break");
      expect(text).toContain('\n\ndata: {"type":"photos","ids":["line\\nbreak"]}\n\n');
    }
    for (const window of opened) window.leave();
  });

  it("ends with its window, and the others go on", async () => {
    const [first, second] = [await open(), await open()];
    await vi.waitFor(() => expect(windows.size).toBe(2));
    first.leave();
    await vi.waitFor(() => expect(windows.size).toBe(1), 5000);
    bus.publish({ type: "settings" });
    expect(await second.until("settings")).toContain("settings");
    second.leave();
    await vi.waitFor(() => expect(windows.size).toBe(0), 5000);
  });

  it("gives up a window that does not read", async () => {
    let listener: ((event: LibraryEvent) => void) | undefined;
    const routes = createRoutes();
    const events = {
      publish: () => undefined,
      subscribe(given: (event: LibraryEvent) => void) {
        listener = given;
        return () => {
          listener = undefined;
        };
      },
    };
    eventRoutes(routes, { events });
    const answer = await routes.request("/library/events");
    for (let number = 0; number < 2000 && listener !== undefined; number++) listener({ type: "library" });
    expect(listener).toBeUndefined();
    const sent = (await answer.text()).split("\n\n").length; // what waited can still be read; then it is over
    expect(sent).toBeGreaterThan(400);
    expect(sent).toBeLessThan(600);
  });
});
