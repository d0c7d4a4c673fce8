// Ctrl-C: once finishes what is under way, twice stops at once. Owns: the process's signal handlers.
import type { Output } from "./output.ts";

export interface Interrupt {
  /** Aborted by the first Ctrl-C. */
  readonly drain: AbortSignal;
  /** Aborted by the second Ctrl-C, or by SIGTERM. */
  readonly stop: AbortSignal;
  release(): void;
}

/** @param goesOn whether the work goes on elsewhere when nobody waits for it here */
export function listenForInterrupt(output: Output, goesOn = false): Interrupt {
  const drain = new AbortController();
  const stop = new AbortController();
  const onInterrupt = () => {
    if (drain.signal.aborted) return onTerminate();
    output.say(
      goesOn
        ? "What was sent is worked on there meanwhile; its results are fetched when you go on."
        : "Finishing what is under way; press Ctrl-C again to stop at once.",
    );
    drain.abort();
  };
  const onTerminate = () => {
    drain.abort();
    stop.abort();
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  return {
    drain: drain.signal,
    stop: stop.signal,
    release() {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", onTerminate);
    },
  };
}
