// What an executor is: a place where photographs go through a graph. The local one is here; a cluster and other machines
// implement the same. Must never: know about SQL or states; it gets a job and makes a file.
import type { OutputFormat } from "../imaging/index.ts";
import type { ApiGraph } from "../workflow/index.ts";

export interface Job {
  readonly itemId: string;
  /** Absolute path; only read. */
  readonly source: string;
  /** What the source must be, where that is known: sha256, hex. */
  readonly sourceHash: string | undefined;
  /** Absolute path of the result; its extension is replaced where it does not fit the result's format. */
  readonly target: string;
  /**
   * What to do when the result is already there: take it as this item's (its name is the item's own, so an earlier
   * attempt made it), leave it and skip the item, or replace it.
   */
  readonly existing: "adopt" | "skip" | "overwrite";
  /** One photo in, one picture out; see jobGraphOf in app/workflow. */
  readonly graph: ApiGraph;
  /** ISO time, UTC, that is written into the result. */
  readonly createdAt: string;
}

/** What a job made. */
export interface PhotoResult {
  readonly output: string;
  readonly outputHash: string;
  readonly sourceHash: string;
  readonly width: number;
  readonly height: number;
  readonly format: OutputFormat;
  readonly device: string;
  /** The networks that the graph runs; empty where it only works on pixels. */
  readonly models: readonly { readonly id: string; readonly sha256: string }[];
  /** What the networks alone took, in milliseconds. */
  readonly networkMs: number;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

export type JobResult =
  | ({ readonly status: "done" } & PhotoResult)
  | { readonly status: "skipped"; readonly output: string };

export interface Executor {
  /** What batches name it by. */
  readonly name: string;
  /** Jobs that it can usefully have at once. */
  readonly capacity: number;
  /** What runs the network, in words. */
  readonly device: string;
  /**
   * Makes sure that this graph can be run here at all.
   * @throws AutochromeError "workflow-invalid", "model-missing", "model-damaged", "device-unavailable"
   */
  prepare(graph: ApiGraph): Promise<void>;
  /** Runs one job. An abort rejects with the signal's reason and leaves nothing behind. */
  run(job: Job, signal: AbortSignal): Promise<JobResult>;
  close(): Promise<void>;
}
