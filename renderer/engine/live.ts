// What the window knows of the engine's state, kept fresh: queries, and the events that make them stale.
//
// Owns: the query client, the one EventSource, whether the engine is there. Must never: poll.
import {
  keepPreviousData,
  QueryClient,
  type UseQueryOptions,
  type UseQueryResult,
  useQuery,
} from "@tanstack/react-query";
import { type BatchFacts, type JobFacts, type LibraryEvent, routes } from "../../app/api/library/contract.ts";
import { createStore, useStore } from "../store.ts";
import { type Answers, type Ask, call, EngineError } from "./client.ts";

type Asked = Parameters<typeof call>[0];

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY, // events say when something is stale
      retry: (failures, error) => error instanceof EngineError && error.status === 0 && failures < 20,
      retryDelay: (failures) => Math.min(300 * 2 ** failures, 5000),
      refetchOnWindowFocus: false,
    },
  },
});

/** A route's answer, kept fresh. `keep`: show the last answer while another one is fetched. */
export function useEngine<Name extends Asked>(
  name: Name,
  ask: Omit<Ask, "signal" | "body"> = {},
  { isOn = true, keep = false }: { readonly isOn?: boolean; readonly keep?: boolean } = {},
): UseQueryResult<Answers[Name], Error> {
  const options: UseQueryOptions<Answers[Name], Error> = {
    queryKey: [name, ask],
    queryFn: ({ signal }) => call(name, { ...ask, signal }),
    enabled: isOn,
  };
  return useQuery(keep ? { ...options, placeholderData: keepPreviousData } : options);
}

/** Makes answers stale, so that who shows them asks anew. */
export function refresh(...names: Asked[]): void {
  for (const name of names) void queryClient.invalidateQueries({ queryKey: [name] });
}

export type Connection = "connecting" | "open" | "lost";
const connection = createStore<Connection>("connecting");
export const useConnection = (): Connection => useStore(connection);

const eventListeners = new Set<(event: LibraryEvent) => void>();
/** Hears every event. @returns ends it */
export function onEvent(listener: (event: LibraryEvent) => void): () => void {
  eventListeners.add(listener);
  return () => eventListeners.delete(listener);
}

/** Opens the stream of events; it opens itself again after a break, and everything is asked for anew then. */
export function connect(): void {
  const source = new EventSource(routes.events.path);
  source.onopen = () => {
    if (connection.get() === "lost") void queryClient.invalidateQueries();
    connection.set("open");
  };
  source.onerror = () => {
    connection.set("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  };
  source.onmessage = ({ data }: MessageEvent<string>) => {
    const event = JSON.parse(data) as LibraryEvent; // the contract is the engine's word
    apply(event);
    for (const listener of eventListeners) listener(event);
  };
}

function apply(event: LibraryEvent): void {
  switch (event.type) {
    case "photos":
      refresh("layout", "library", "timeline", "sessions");
      if (event.ids === undefined) refresh("photo", "cards");
      else
        for (const id of event.ids)
          void queryClient.invalidateQueries({ queryKey: ["photo", { params: { id } }] });
      return;
    case "library":
      refresh("library", "layout", "timeline", "sessions", "watched");
      return;
    case "settings":
      refresh("settings", "models", "devices");
      return;
    case "batch":
      queryClient.setQueryData<{ batches: BatchFacts[] }>(["batches", {}], (known) =>
        known === undefined ? known : { batches: replaced(known.batches, event.batch) },
      );
      queryClient.setQueryData(["batch", { params: { id: event.batch.id } }], event.batch);
      return;
    case "job":
      queryClient.setQueryData<{ jobs: JobFacts[] }>(["jobs", {}], (known) =>
        known === undefined ? known : { jobs: replaced(known.jobs, event.job) },
      );
      if (event.job.kind === "pull" && event.job.state !== "running") refresh("models");
  }
}

/** Newest first, as the engine lists them. */
function replaced<Item extends { readonly id: string }>(items: readonly Item[], item: Item): Item[] {
  return items.some(({ id }) => id === item.id)
    ? items.map((one) => (one.id === item.id ? item : one))
    : [item, ...items];
}
