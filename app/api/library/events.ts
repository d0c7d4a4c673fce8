// What changed, told to every window: a bus in the engine, and a stream of server-sent events for each window.
//
// Owns: the pace. Bursts are joined: of one batch or job only the latest state is told, ids of photos are gathered.
// Must never: let a window that does not listen make the engine's memory grow.
import { z } from "@hono/zod-openapi";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { routes as at, type LibraryEvent } from "./contract.ts";
import type { Desk, EventBus } from "./desk.ts";
import { paced } from "./pace.ts";

const EVERY_MS = 250;
/** More photos at once are told as all of them. */
const MOST_IDS = 1000;
const HEARTBEAT_MS = 15_000;
/** Events that may wait for a window before it is given up; it comes back and asks for everything anew. */
const MOST_WAITING = 500;

export interface OwnedEventBus extends EventBus {
  /** Nothing is told any more. */
  close(): void;
}

/** @param everyMs at most one event about the same thing in this time */
export function createEventBus(everyMs = EVERY_MS): OwnedEventBus {
  const listeners = new Set<(event: LibraryEvent) => void>();
  const waiting = new Map<string, LibraryEvent>();
  const pace = paced(everyMs, () => {
    const events = [...waiting.values()];
    waiting.clear();
    for (const event of events) for (const listener of [...listeners]) listener(event);
  });
  return {
    publish(event) {
      const key = keyOf(event);
      waiting.set(key, joined(waiting.get(key), event));
      pace.ask();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      pace.end();
      listeners.clear();
    },
  };
}

/** Events with the same key replace each other. */
function keyOf(event: LibraryEvent): string {
  if (event.type === "batch") return `batch ${event.batch.id}`;
  return event.type === "job" ? `job ${event.job.id}` : event.type;
}

function joined(before: LibraryEvent | undefined, event: LibraryEvent): LibraryEvent {
  if (event.type !== "photos" || before?.type !== "photos") return event;
  if (event.ids === undefined || before.ids === undefined) return { type: "photos" };
  const ids = [...new Set([...before.ids, ...event.ids])];
  return ids.length > MOST_IDS ? { type: "photos" } : { type: "photos", ids };
}

export function eventRoutes(routes: ApiRoutes, { events }: Pick<Desk, "events">): void {
  endpoint(
    routes,
    {
      ...at.events,
      tag: "Library",
      summary: "What changes, as server-sent events; after a break ask for everything anew",
      answers: { 200: { description: "Events", type: "text/event-stream", schema: z.string() } },
    },
    () =>
      new Response(streamOf(events), {
        headers: {
          "Content-Type": "text/event-stream; charset=utf-8",
          "Cache-Control": "no-store",
          "X-Accel-Buffering": "no", // a proxy in between shall not gather them
        },
      }),
  );
}

/** Ends with its reader. */
function streamOf(events: EventBus): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let end = (): void => undefined;
  return new ReadableStream({
    start(controller) {
      const send = (text: string) => {
        if ((controller.desiredSize ?? 0) >= -MOST_WAITING) return controller.enqueue(encoder.encode(text));
        end();
        controller.close();
      };
      const unsubscribe = events.subscribe((event) => send(`data: ${JSON.stringify(event)}\n\n`));
      const heart = setInterval(() => send(": here\n\n"), HEARTBEAT_MS).unref();
      end = () => {
        clearInterval(heart);
        unsubscribe();
      };
      send("retry: 1000\n\n");
    },
    cancel: () => end(),
  });
}
