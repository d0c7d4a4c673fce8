// What the library's routes work with. Made by a door (main/), which knows settings, devices and clusters.
// Owns: nothing but this form. Must never: grow logic.
import type { Executor, Plan, Surroundings } from "../../batches/index.ts";
import type { Library, Photo } from "../../catalogue/index.ts";
import type { Config, Logger } from "../../kernel/index.ts";
import type { Suggester } from "../../suggest/index.ts";
import type { Conductor } from "./conductor.ts";
import type { DeviceFacts, Finding, JobFacts, LibraryEvent, Problem } from "./contract.ts";

export interface Desk {
  readonly library: Library;
  /** Not the library's to close. */
  readonly surroundings: Surroundings;
  readonly log: Logger;
  readonly events: EventBus;
  /** Runs what is queued. */
  readonly conductor: Conductor;
  readonly jobs: Jobs;
  readonly doors: Doors;
  /** Whether people at this computer use it: then folders of it can be looked at and chosen. */
  readonly isLocal: boolean;
  /** Aborted when the engine ends: what routes hold open is let go. */
  readonly closing?: AbortSignal;
}

/** Tells every window what changed. */
export interface EventBus {
  publish(event: LibraryEvent): void;
  /** @returns ends the subscription */
  subscribe(listener: (event: LibraryEvent) => void): () => void;
}

/** Long work that is no batch. */
export interface Jobs {
  /**
   * Starts work and answers at once. What it throws becomes the job's error.
   * @param work reports as it goes; an abort stops it
   */
  start(
    kind: JobFacts["kind"],
    work: (report: (facts: JobReport) => void, signal: AbortSignal) => Promise<JobReport>,
  ): string;
  list(): JobFacts[];
  /** @returns false where it is over or unknown */
  stop(id: string): boolean;
  close(): Promise<void>;
}
export type JobReport = Partial<Omit<JobFacts, "id" | "kind" | "state" | "problems" | "problemCount">> & {
  /** Added to those before. */
  readonly problem?: { readonly file: string; readonly error: Problem };
};

/** What only the program around the engine knows: settings, devices, clusters. */
export interface Doors {
  config(): Config;
  /** What is set in the environment, as keys of the settings. */
  fixedSettings(): readonly string[];
  settingsFile(): string;
  /** Writes these keys to the settings file; null takes one out. @throws AutochromeError "usage" for what is not valid */
  changeSettings(changes: Readonly<Record<string, unknown>>): Promise<void>;
  /** @throws AutochromeError "workflow-invalid", "not-found", "model-missing" */
  planFor(wish: PlanWish): Promise<PlanAnswer>;
  /** Which executor `on` means now; says why. */
  placeFor(on: string, plan: Plan, photos: number, say: (text: string) => void): Promise<string>;
  /** @param onWords hears what batches there wait for; none: nothing any more */
  executorFor(name: string, onWords: (text: string) => void): Promise<Executor>;
  suggester(): Suggester;
  devices(isFresh: boolean): Promise<DeviceFacts[]>;
  contexts(): Promise<{ contexts: string[]; current: string | undefined }>;
  checkCluster(): Promise<Finding[]>;
  /** The report of `doctor`, as lines of text. */
  health(): Promise<string>;
}

export interface PlanWish {
  readonly workflow: string;
  readonly models?: readonly string[] | undefined;
  readonly modelSizes?: readonly number[] | undefined;
  readonly colorFactor?: number | undefined;
}
export interface PlanAnswer {
  readonly plan: Plan;
  /** Places of the variants for a photo; absent: all of them. */
  readonly choose?: (photo: Photo, signal: AbortSignal) => Promise<number[]>;
  /** What was changed, in sentences. */
  readonly said: readonly string[];
}
