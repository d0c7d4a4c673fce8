// The queue of ComfyUI prompts: takes graphs, runs them one at a time, keeps what came out.
//
// Owns: what runs and when, interrupts, and what happens to a prompt when the program ends or dies.
// Must never: lose a prompt that it has accepted, or announce an end that the history does not know yet.
import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import {
  addPrompt,
  claimPrompt,
  countOpenPrompts,
  deadPrompts,
  extendPromptLease,
  type FinishedPrompt,
  findPrompt,
  finishPrompt,
  type HistoryRequest,
  type JobsRequest,
  type Library,
  listPromptIds,
  openPrompts,
  promptHistory,
  releasePrompt,
  removeFinished,
  removePending,
  type StoredPrompt,
} from "../catalogue/index.ts";
import { type Logger, toErrorRecord } from "../kernel/index.ts";
import {
  apiGraphSchema,
  type GraphCache,
  isObject,
  type RunResult,
  runGraph,
  validatePrompt,
  type World,
} from "../workflow/index.ts";
import { isOwnerAlive, ownerName } from "./owner.ts";
import {
  type Audience,
  audienceOf,
  createNarrator,
  fatalEnding,
  type Narrator,
  type PromptEvent,
} from "./prompt-messages.ts";

export interface PromptQueueOptions {
  readonly library: Library;
  readonly world: World;
  readonly cache: GraphCache;
  readonly log: Logger;
  /** Prompts that may wait at most. */
  readonly mostPending?: number;
  /** Runs a graph; tests put another in its place. */
  readonly run?: typeof runGraph;
  /** Names this process in leases; tests put that of a dead one in its place. */
  readonly owner?: string;
  /** Judges a graph; tests put another in its place. */
  readonly validate?: Validate;
}

export type Validate = (
  graph: unknown,
  targets: readonly string[] | undefined,
) => ReturnType<typeof validatePrompt>;

export interface PromptRequest {
  /** The graph as the client sent it. */
  readonly graph: unknown;
  /** A UUID in lower case; undefined: one is made. */
  readonly id?: string;
  readonly clientId?: string;
  /** Lower runs first; undefined: after all that came before. */
  readonly number?: number;
  /** Before all others, unless there is a number. */
  readonly isFront?: boolean;
  readonly extraData?: Readonly<Record<string, unknown>>;
  /** Ids of the output nodes to run; undefined: all. */
  readonly targets?: readonly string[];
}

/** ComfyUI's form of an error about a whole prompt. */
export interface PromptError {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: Readonly<Record<string, unknown>>;
}

export type Submission =
  | { readonly ok: true; readonly id: string; readonly number: number; readonly nodeErrors: unknown }
  | {
      readonly ok: false;
      /** The graph is at fault, or there is no room. */
      readonly reason: "invalid" | "full";
      readonly error: PromptError;
      readonly nodeErrors: unknown;
    };

export interface PromptListener {
  onEvent(event: PromptEvent): void;
  /** Whether somebody of this audience is there: previews are made only then. */
  watches(audience: Audience): boolean;
}

export interface PromptQueue {
  /** Puts a prompt into the queue, or says what is wrong with it. */
  submit(request: PromptRequest): Submission;
  /** Prompts that wait or run, in their order; read piece by piece. */
  open(state: "pending" | "running"): Iterable<StoredPrompt>;
  /** How many prompts wait or run. */
  remaining(): number;
  /** What runs in this process. */
  current(): { readonly prompt: StoredPrompt; readonly node: string | undefined } | undefined;
  /** Takes waiting prompts out, all of them without ids; one that runs goes on. @returns how many */
  remove(ids?: readonly string[]): number;
  /** Stops what runs; with an id only if it is that prompt. @returns whether something is being stopped */
  interrupt(id?: string): boolean;
  /** A prompt in any state. */
  find(id: string): StoredPrompt | FinishedPrompt | undefined;
  /** Finished prompts, oldest first; read piece by piece. */
  history(request?: HistoryRequest): Iterable<FinishedPrompt>;
  /** Drops finished prompts from the history, all of them without ids. */
  forget(ids?: readonly string[]): void;
  /** Ids of prompts in any state. */
  jobs(request: JobsRequest): { readonly ids: readonly string[]; readonly total: number };
  /** Gives memory back as soon as nothing runs. */
  free(wish: { readonly models: boolean; readonly results: boolean }): void;
  /** @returns a function that ends the listening */
  on(listener: PromptListener): () => void;
  /** Stops what runs, which stays in the queue for the next start, and takes nothing new. */
  close(): Promise<void>;
}

const LEASE_MS = 30_000;
/** A prompt that the program died of this often is not tried again. */
const MOST_ATTEMPTS = 3;
const MOST_PENDING = 10_000;
/** Keys of extra_data that ComfyUI's front end sends for paid services. */
const SECRETS = ["auth_token_comfy_org", "api_key_comfy_org"];

/** Starts the queue: what waits in the library is run. */
export function createPromptQueue(options: PromptQueueOptions): PromptQueue {
  const { world, cache, log } = options;
  const { db } = options.library;
  const run = options.run ?? runGraph;
  const validate: Validate = options.validate ?? ((graph, targets) => validatePrompt(graph, world, targets));
  const mostPending = options.mostPending ?? MOST_PENDING;
  const owner = options.owner ?? ownerName();
  const listeners = new Set<PromptListener>();
  const wished = { models: false, results: false };
  let running:
    | { prompt: StoredPrompt; narrator: Narrator; abort: AbortController; byUser: boolean }
    | undefined;
  let work: Promise<void> | undefined;
  let isClosing = false;

  function tell(event: PromptEvent): void {
    for (const listener of listeners) {
      try {
        listener.onEvent(event);
      } catch (error) {
        log.error({ err: error }, "a listener failed");
      }
    }
  }
  const tellStatus = () => tell({ kind: "status", remaining: countOpenPrompts(db) });
  const leaseEnd = () => Date.now() + LEASE_MS;

  /** Brings back what a dead process left running. */
  function recover(): void {
    for (const { prompt, owner: dead } of deadPrompts(db, isOwnerAlive, Date.now())) {
      log.warn({ prompt: prompt.id, attempts: prompt.attempts }, "a process died while it ran this prompt");
      if (prompt.attempts < MOST_ATTEMPTS) releasePrompt(db, prompt.id, dead, true);
      else finishPrompt(db, prompt.id, dead, fatalEnding(prompt));
    }
  }

  function wake(): void {
    if (isClosing || work !== undefined) return;
    work = workOff().catch((error: unknown) =>
      log.error({ err: error }, "the queue stopped; it tries again later"),
    );
  }

  async function workOff(): Promise<void> {
    try {
      for (;;) {
        await turn(); // answers to requests go out before the work begins
        if (isClosing) return;
        await freeMemory();
        const prompt = claimPrompt(db, owner, leaseEnd());
        if (prompt === undefined) return;
        await runPrompt(prompt);
      }
    } finally {
      work = undefined; // in the same turn as the last look at the queue: nothing can come in between
    }
  }

  async function runPrompt(prompt: StoredPrompt): Promise<void> {
    const { id } = prompt;
    const plog = log.child({ prompt: id });
    const narrator = createNarrator(prompt, tell);
    const current = { prompt, narrator, abort: new AbortController(), byUser: false };
    running = current;
    try {
      tellStatus();
      narrator.start();
      const begun = performance.now();
      const result = await runSafely(prompt, narrator, current.abort.signal);
      if (isClosing && result.status !== "success" && !current.byUser) {
        releasePrompt(db, id, owner, result.status === "error");
        return plog.info("stopped; it runs again with the next start");
      }
      const ending = narrator.end(result);
      if (!finishPrompt(db, id, owner, ending)) {
        plog.warn("the lease was lost; another process has this prompt");
        return;
      }
      const ms = Math.round(performance.now() - begun);
      if (result.status === "error") plog.warn({ ms, failure: result.failure }, "prompt failed");
      else plog.info({ ms, status: result.status }, "prompt ended");
      narrator.announce(ending);
    } finally {
      running = undefined;
      tellStatus();
      narrator.close();
    }
  }

  /** A graph's failures are results; what is thrown nevertheless is one, too. */
  async function runSafely(
    prompt: StoredPrompt,
    narrator: Narrator,
    signal: AbortSignal,
  ): Promise<RunResult> {
    try {
      const graph = apiGraphSchema.parse(prompt.graph);
      const png = prompt.extraData.extra_pnginfo;
      return await run({
        graph,
        outputs: prompt.targets,
        prompt: {
          id: prompt.id,
          graph,
          extraPngInfo: isObject(png) ? png : undefined,
          createdAt: toldTime(prompt.extraData) ?? new Date(prompt.createdAt).toISOString(),
        },
        world,
        cache,
        signal,
        wantsPreviews: [...listeners].some((listener) => listener.watches(audienceOf(prompt))),
        onEvent: (event) => narrator.on(event),
      });
    } catch (thrown) {
      log.error({ prompt: prompt.id, err: thrown }, "the run broke off");
      const error = toErrorRecord(thrown, "this prompt");
      const failure = { node: narrator.node ?? "", class: "", error, inputs: {} };
      return { status: signal.aborted ? "interrupted" : "error", outputs: {}, executed: [], failure };
    }
  }

  async function freeMemory(): Promise<void> {
    const { models, results } = wished;
    wished.models = false;
    wished.results = false;
    if (models) world.colorizer.unload();
    if (results) {
      world.colorizer.forget();
      await cache.clear();
    }
  }

  const beat = setInterval(() => {
    try {
      if (running !== undefined) extendPromptLease(db, running.prompt.id, owner, leaseEnd());
      recover();
      wake();
    } catch (error) {
      log.error({ err: error }, "the queue could not be looked after");
    }
  }, LEASE_MS / 3);
  beat.unref();
  recover();
  wake();

  return {
    submit(request) {
      const id = request.id ?? randomUUID();
      if (isClosing || countOpenPrompts(db) >= mostPending) {
        const message = isClosing ? "The service is closing" : "Too many prompts are waiting";
        return { ok: false, reason: "full", error: refusal("queue_full", message), nodeErrors: {} };
      }
      const judged = validate(request.graph, request.targets);
      if (!judged.ok)
        return { ok: false, reason: "invalid", error: judged.error, nodeErrors: judged.nodeErrors };
      const createdAt = Date.now();
      const extraData: Record<string, unknown> = { ...request.extraData, create_time: createdAt };
      for (const key of SECRETS) delete extraData[key];
      if (request.clientId !== undefined) extraData.client_id = request.clientId;
      const number = addPrompt(db, {
        id,
        number: request.number,
        isFront: request.isFront ?? false,
        clientId: request.clientId,
        graph: judged.graph,
        targets: judged.outputs,
        extraData,
        createdAt,
      });
      if (number === undefined) {
        const error = refusal("invalid_prompt_id", "This prompt_id was used before", id);
        return { ok: false, reason: "invalid", error, nodeErrors: {} };
      }
      log.info({ prompt: id, number }, "prompt queued");
      tellStatus();
      wake();
      return { ok: true, id, number, nodeErrors: judged.nodeErrors };
    },
    open: (state) => openPrompts(db, state),
    remaining: () => countOpenPrompts(db),
    current: () =>
      running === undefined ? undefined : { prompt: running.prompt, node: running.narrator.node },
    remove(ids) {
      const removed = removePending(db, ids);
      if (removed > 0) tellStatus();
      return removed;
    },
    interrupt(id) {
      if (running === undefined || (id !== undefined && id !== running.prompt.id)) return false;
      log.info({ prompt: running.prompt.id }, "interrupted");
      running.byUser = true;
      running.abort.abort();
      return true;
    },
    find: (id) => findPrompt(db, id),
    history: (request) => promptHistory(db, request),
    forget(ids) {
      removeFinished(db, ids);
    },
    jobs: (request) => listPromptIds(db, request),
    free({ models, results }) {
      wished.models ||= models;
      wished.results ||= results;
      wake();
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      isClosing = true;
      clearInterval(beat);
      running?.abort.abort();
      await work;
    },
  };
}

function refusal(type: string, message: string, details = ""): PromptError {
  return { type, message, details, extra_info: {} };
}

const toldSchema = z.object({ autochrome: z.object({ created_at: z.iso.datetime() }) });

/** When the photo was begun by the client's own record: it is written into the result, so that both say the same. */
function toldTime(extraData: Readonly<Record<string, unknown>>): string | undefined {
  return toldSchema.safeParse(extraData).data?.autochrome.created_at;
}
