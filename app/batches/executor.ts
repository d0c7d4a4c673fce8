// What an executor is: a place where photographs go through a graph. The local one is here; a cluster and other machines
// implement the same. Must never: know about SQL or states; it gets a job and makes a file.
import type { OutputFormat } from "../imaging/index.ts";
import type { ErrorRecord } from "../kernel/index.ts";
import type { ApiGraph } from "../workflow/index.ts";

export interface Job {
  /** What it belongs to. */
  readonly batchId: string;
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
  /** The network may see the photo smaller than the graph says where memory does not suffice. */
  readonly mayShrink: boolean;
  /** Keep the network's colours beside the result. */
  readonly keepColours: boolean;
  /** Absolute path of colours that an earlier job kept: they stand in for the network's. */
  readonly colours: string | undefined;
  /** Absolute path of the folder with the masks that the graph names; see maskName in app/workflow. */
  readonly masks: string | undefined;
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
  /** The graph as it was run. */
  readonly graph: ApiGraph;
  /** Absolute path of the network's colours, where they were kept. */
  readonly colours: string | undefined;
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

/** Whether an error says that an executor as a whole cannot work, so that no photo is to blame and the batch can wait. */
export function isAboutPlace(error: ErrorRecord): boolean {
  return /^(cluster|storage|server)-/.test(error.code);
}

export interface Executor {
  /** What batches name it by. */
  readonly name: string;
  /** Jobs that it can usefully have at once. */
  readonly capacity: number;
  /** What runs the network, in words. */
  readonly device: string;
  /** What it was given is worked on while this program is closed: when it is to stop, nothing has to be waited for. */
  readonly goesOnAlone?: boolean;
  /**
   * Makes sure that this graph can be run here at all.
   * @param needs networks: whether they have to be loaded; false where their answers are known
   * @throws AutochromeError "workflow-invalid", "model-missing", "model-damaged", "device-unavailable"
   */
  prepare(graph: ApiGraph, needs: { readonly networks: boolean }): Promise<void>;
  /**
   * A batch will not be run any more: what is left of it elsewhere is cleared away. Results that were not fetched are given
   * up. Only for executors that keep something elsewhere.
   */
  end?(batch: string): Promise<void>;
  /**
   * Runs one job. An abort rejects with the signal's reason and leaves nothing behind.
   * @throws AutochromeError about this photo; or about the place as a whole (isAboutPlace), and then nothing can be done there
   */
  run(job: Job, signal: AbortSignal): Promise<JobResult>;
  close(): Promise<void>;
}
