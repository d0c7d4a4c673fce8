// How much of the computer the program takes while it works.
// Must never: decide for a setting that somebody made by hand.
import { availableParallelism } from "node:os";
import type { Config } from "./config.ts";

export interface Threads {
  /** Pixel worker threads. */
  readonly workers: number;
  /** Threads of a network on the CPU. */
  readonly network: number;
  /** Added to the niceness of the processes that run networks, 0–19: the desktop goes first. */
  readonly niceness: number;
}

/** Most pixel workers: each may hold a strip of a large photograph, and the network is the slower half anyway. */
const MOST_WORKERS = 8;

/** "polite" takes half of the cores and stands back, "balanced" takes all and stands back, "all" takes all. */
export function threadsOf(
  config: Pick<Config, "effort" | "workers" | "inferenceThreads">,
  cores: number = availableParallelism(),
): Threads {
  const { effort, workers, inferenceThreads } = config;
  const share = effort === "polite" ? Math.ceil(cores / 2) : cores;
  return {
    workers: workers ?? Math.min(MOST_WORKERS, share),
    network: inferenceThreads ?? share,
    niceness: { polite: 10, balanced: 5, all: 0 }[effort],
  };
}
