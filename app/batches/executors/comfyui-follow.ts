// Waits for prompts on a server, all of them with one loop.
//
// Owns: when the server is asked. Must never: ask for each prompt by itself while the ones before it have not ended.
import type { Logger } from "../../kernel/index.ts";
import { type Patience, pause, ServerTrouble, type Teller, waitBefore } from "./comfyui-patience.ts";
import type { ComfyuiServer, Ending } from "./comfyui-server.ts";

export interface Follower {
  /** How a prompt ended; "lost": the server does not know it any more. Rejects with the signal's reason. */
  wait(id: string, signal: AbortSignal): Promise<Ending | "lost">;
  close(): Promise<void>;
}

/** Milliseconds between two looks, while prompts end and while none does. */
const SOON_MS = 150;
const LATE_MS = 2000;
/** So long without an end, in milliseconds, and it is looked whether the prompts are there at all. */
const QUIET_MS = 8000;
/** A prompt that changes its place while the server writes its queue down may be missed once. */
const MISSES = 2;

interface Waiting {
  readonly resolve: (ending: Ending | "lost") => void;
  readonly reject: (reason: unknown) => void;
  misses: number;
}

export function createFollower(
  server: ComfyuiServer,
  options: { readonly patience: Patience; readonly teller: Teller; readonly log: Logger },
): Follower {
  const { patience, teller, log } = options;
  const waiting = new Map<string, Waiting>();
  const closing = new AbortController();
  let wake = new AbortController();
  let work: Promise<void> | undefined;

  function settle(id: string, ending: Ending | "lost"): void {
    waiting.get(id)?.resolve(ending);
    waiting.delete(id);
  }

  async function look(): Promise<number> {
    let ended = 0;
    // They run in their order: until the first has ended, the others need not be asked for.
    for (const id of [...waiting.keys()]) {
      const ending = await server.ending(id, closing.signal);
      if (ending === undefined) break;
      settle(id, ending);
      ended++;
    }
    return ended;
  }

  /** The whole queue, in any order, and what is in it no longer. */
  async function lookForAll(): Promise<void> {
    const ids = [...waiting.keys()];
    const open = new Set((await server.open(closing.signal)).map(({ id }) => id));
    for (const id of ids) {
      const entry = waiting.get(id);
      if (entry === undefined) continue;
      if (open.has(id)) {
        entry.misses = 0;
        continue;
      }
      // After the queue: what ended in between is found.
      const ending = await server.ending(id, closing.signal);
      if (ending !== undefined) settle(id, ending);
      else if (++entry.misses >= MISSES) settle(id, "lost");
    }
  }

  async function follow(): Promise<void> {
    let failures = 0;
    let isDoubtful = false;
    let quietSince = Date.now();
    let wait = SOON_MS;
    while (waiting.size > 0 && !closing.signal.aborted) {
      try {
        const ended = await look();
        if (ended > 0) quietSince = Date.now();
        else if (isDoubtful || Date.now() - quietSince > QUIET_MS) {
          await lookForAll();
          isDoubtful = [...waiting.values()].some(({ misses }) => misses > 0);
          quietSince = Date.now();
        }
        failures = 0;
        wait = ended > 0 ? SOON_MS : Math.min(LATE_MS, wait * 1.5);
      } catch (thrown) {
        if (closing.signal.aborted) break;
        if (!(thrown instanceof ServerTrouble) || thrown.kind === "lasting") {
          const error = thrown instanceof ServerTrouble ? thrown.error : thrown;
          for (const { reject } of waiting.values()) reject(error);
          waiting.clear();
          break;
        }
        log.info({ err: thrown.error }, "the server cannot be asked now");
        teller.say(thrown);
        isDoubtful = true; // it may come back without its queue
        wait = waitBefore(++failures, thrown.waitMs, patience);
      }
      if (waiting.size === 0) break;
      const woken = AbortSignal.any([wake.signal, closing.signal]);
      await pause(wait, woken).catch(() => undefined);
      if (wake.signal.aborted) {
        wake = new AbortController();
        wait = SOON_MS;
        quietSince = Date.now();
      }
    }
  }

  function begin(): void {
    work ??= follow().finally(() => {
      work = undefined;
      if (waiting.size > 0 && !closing.signal.aborted) begin(); // came while the last look ended
    });
  }

  return {
    wait: (id, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const stop = () => {
          waiting.delete(id);
          reject(signal.reason);
        };
        signal.addEventListener("abort", stop, { once: true });
        const free = () => signal.removeEventListener("abort", stop);
        waiting.set(id, {
          resolve(ending) {
            free();
            resolve(ending);
          },
          reject(reason) {
            free();
            reject(reason);
          },
          misses: 0,
        });
        wake.abort();
        begin();
      }),
    async close() {
      closing.abort();
      await work;
      for (const { reject } of waiting.values()) reject(closing.signal.reason);
      waiting.clear();
    },
  };
}
