// What the tests of the prompt queue share: a queue over a library on disk, whose runs the test plays.
// Must never: be imported by anything but tests.
import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { openLibrary } from "../catalogue/index.ts";
import { silentLogger } from "../kernel/index.ts";
import { createGraphCache, type RunOptions, type RunResult, type World } from "../workflow/index.ts";
import type { PromptEvent } from "./prompt-messages.ts";
import {
  createPromptQueue,
  type PromptQueue,
  type PromptQueueOptions,
  type PromptRequest,
  type Validate,
} from "./prompts.ts";

/** The name of a process that is gone. */
export const DEAD = `${hostname()}:999999999:1`;
export const GRAPH = { 1: { class_type: "SaveImage", inputs: {} } };
export const accept: Validate = () => ({ ok: true, graph: GRAPH, outputs: ["1"], nodeErrors: {} });
export const success: RunResult = { status: "success", outputs: { 1: { text: ["done"] } }, executed: ["1"] };
export const failure: RunResult = {
  status: "error",
  outputs: {},
  executed: [],
  failure: {
    node: "1",
    class: "SaveImage",
    error: {
      code: "disk-full",
      message: "The disk is full.",
      next: "Free some space.",
      detail: "/secret/path",
    },
    inputs: { filename_prefix: "a" },
  },
};
export const interrupted: RunResult = { status: "interrupted", outputs: {}, executed: [] };

export interface Stand {
  queue: PromptQueue;
  /** What the queue has told since it was started. */
  events: PromptEvent[];
  /** The run that is under way; a test ends it. */
  under: { readonly options: RunOptions; end(result: RunResult): void } | undefined;
  /** How often models, and results, were given up. */
  readonly freed: { models: number; results: number };
  /** Starts a queue in the place of one that was closed. */
  start(options?: Partial<PromptQueueOptions>): void;
  /** A second queue over the same library. */
  another(): PromptQueue;
  /** Until the queue runs something, or has nothing to run. */
  settle(): Promise<void>;
  submit(request?: Partial<PromptRequest>): string;
  /** Ends what runs. */
  end(result?: RunResult): Promise<void>;
  /** The process dies: nothing that it would still do reaches the library. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

export async function createStand(): Promise<Stand> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-prompts-"));
  let library = await openLibrary(folder);
  const freed = { models: 0, results: 0 };
  // Graphs are not run here, so their world needs little.
  const world = { colorizer: { unload: () => void freed.models++, forget: () => undefined } } as World;
  const cache = {
    ...createGraphCache({ scratchBeside: join(folder, "unused"), capacity: 0 }),
    clear: async () => void freed.results++,
  };
  /** A run that goes on until the test ends it or the queue stops it. */
  const run = (options: RunOptions) =>
    new Promise<RunResult>((resolve) => {
      const end = (result: RunResult) => {
        stand.under = undefined;
        resolve(result);
      };
      stand.under = { options, end };
      options.signal.addEventListener("abort", () => end(interrupted), { once: true });
    });
  const make = (options: Partial<PromptQueueOptions> = {}) =>
    createPromptQueue({
      library,
      world,
      cache,
      log: silentLogger(),
      run,
      validate: accept,
      ...options,
    });

  const stand: Stand = {
    queue: make(),
    events: [],
    under: undefined,
    freed,
    start(options) {
      stand.under = undefined;
      stand.queue = make(options);
      const events: PromptEvent[] = [];
      stand.events = events;
      stand.queue.on({ onEvent: (event) => events.push(event), watches: () => true });
    },
    another: () => make(),
    async settle() {
      for (let i = 0; i < 20; i++) await turn();
      for (let i = 0; i < 1000 && stand.queue.remaining() > 0 && stand.under === undefined; i++) await turn();
    },
    submit(request = {}) {
      const submission = stand.queue.submit({ graph: GRAPH, clientId: "me", ...request });
      if (!submission.ok) throw new Error(submission.error.message);
      return submission.id;
    },
    async end(result = success) {
      stand.under?.end(result);
      await stand.settle();
    },
    async crash() {
      library.close();
      await stand.queue.close();
      library = await openLibrary(folder);
    },
    async close() {
      await stand.queue.close();
      library.close();
      await rm(folder, { recursive: true });
    },
  };
  await stand.queue.close();
  stand.start();
  return stand;
}

export const ids = (prompts: Iterable<{ readonly id: string }>) => [...prompts].map(({ id }) => id);
