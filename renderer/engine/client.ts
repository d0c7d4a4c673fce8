// Talks to the engine: one call per route of the contract, errors as values that a person can read.
// Must never: invent an address; all come from the contract.

import type { z } from "zod";
import {
  type BatchFacts,
  type batchItemSchema,
  type contextsSchema,
  type DeviceFacts,
  type Finding,
  type foldersSchema,
  type JobFacts,
  type Layout,
  type LibraryFacts,
  type ModelFacts,
  type PhotoCard,
  type PhotoDetails,
  type Preset,
  type Problem,
  type placeSchema,
  type ReviewSession,
  type RouteName,
  routes,
  type SettingsFacts,
  type TilesFacts,
  type timelineSchema,
  type VersionCard,
  type watchedSchema,
} from "../../app/api/library/contract.ts";

type Started = { readonly job: string };
type Nothing = undefined;

/** What each route answers. */
export interface Answers {
  library: LibraryFacts;
  events: never;
  layout: Layout;
  cards: { photos: PhotoCard[] };
  photo: PhotoDetails;
  changePhoto: PhotoDetails;
  removePhoto: Nothing;
  writeSidecar: { file: string };
  photoTiles: TilesFacts;
  versionTiles: TilesFacts;
  timeline: z.infer<typeof timelineSchema>;
  createAlbum: { id: string };
  renameAlbum: Nothing;
  deleteAlbum: Nothing;
  changeAlbum: Nothing;
  startImport: Started;
  upload: Started;
  folders: z.infer<typeof foldersSchema>;
  watched: z.infer<typeof watchedSchema>;
  setWatched: Nothing;
  jobs: { jobs: JobFacts[] };
  stopJob: Nothing;
  batches: { batches: BatchFacts[] };
  createBatch: BatchFacts;
  batch: BatchFacts;
  batchItems: { items: z.infer<typeof batchItemSchema>[]; next?: string };
  changeBatch: BatchFacts;
  place: z.infer<typeof placeSchema>;
  changeVersion: VersionCard;
  look: Blob;
  tune: BatchFacts;
  putMask: { mask: string };
  sessions: { sessions: ReviewSession[] };
  createSession: ReviewSession;
  changeSession: ReviewSession;
  deleteSession: Nothing;
  report: Started;
  startExport: Started;
  presets: { presets: Preset[] };
  workflow: unknown;
  saveWorkflow: Nothing;
  deleteWorkflow: Nothing;
  models: { models: ModelFacts[] };
  pullModel: Started;
  importModel: { id: string };
  removeModel: Nothing;
  defaultModel: Nothing;
  devices: { devices: DeviceFacts[] };
  contexts: z.infer<typeof contextsSchema>;
  checkCluster: { findings: Finding[] };
  settings: SettingsFacts;
  changeSettings: SettingsFacts;
  windowState: Record<string, unknown>;
  changeWindowState: Record<string, unknown>;
  healthReport: { text: string };
}

/** Why a call failed. "engine-away": there was no answer. */
export class EngineError extends Error {
  readonly problem: Problem;
  readonly status: number;
  constructor(problem: Problem, status: number) {
    super(problem.message);
    this.name = "EngineError";
    this.problem = problem;
    this.status = status;
  }
}

export interface Ask {
  /** Values of {…} in the path. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** JSON, or a form, or a file as it is. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** The address of a route, relative to the engine. */
export function addressOf(name: RouteName, { params = {}, query = {} }: Ask = {}): string {
  const path = routes[name].path.replace(/\{(\w+)\}/g, (_, key: string) =>
    encodeURIComponent(params[key] ?? ""),
  );
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/**
 * Calls the engine.
 * @throws EngineError; an abort rejects with the signal's reason
 */
export async function call<Name extends RouteName>(name: Name, ask: Ask = {}): Promise<Answers[Name]> {
  const { body, signal } = ask;
  const isRaw = body instanceof FormData || body instanceof Blob;
  const answer = await fetch(addressOf(name, ask), {
    method: routes[name].method.toUpperCase(),
    ...(signal === undefined ? {} : { signal }),
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    headers: {
      // Sentences of the engine's come in the window's language where it has them.
      "Accept-Language": document.documentElement.lang,
      ...(body === undefined || isRaw ? {} : { "Content-Type": "application/json" }),
    },
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new EngineError({ code: "engine-away", message: String(cause), next: "" }, 0);
  });
  if (!answer.ok) throw new EngineError(await problemOf(answer), answer.status);
  return (await contentOf(answer)) as Answers[Name]; // the contract is the engine's word
}

async function contentOf(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined;
  const type = answer.headers.get("Content-Type") ?? "";
  return type.startsWith("application/json") ? answer.json() : answer.blob();
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const { error } = (await answer.json()) as { error: Problem };
    if (typeof error.message === "string") return error;
  } catch {
    // No words of ours: a proxy's page, or half an answer.
  }
  return { code: "engine-away", message: `HTTP ${answer.status}`, next: "" };
}

export function problemFrom(thrown: unknown): Problem {
  if (thrown instanceof EngineError) return thrown.problem;
  return { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown), next: "" };
}
