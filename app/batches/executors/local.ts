// The executor on this computer: pixel workers and an inference process per model.
// Owns: both, and their ending. Must never: touch the queue.
import { mkdir, stat } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { colorizePhoto, createInference, type Inference, type Recipe } from "../../colorize/index.ts";
import {
  extensionFor,
  type ImageFacts,
  inspectImage,
  type Limits,
  matchesExtension,
  type OutputFormat,
  outputFormatFor,
  type PixelWorkers,
} from "../../imaging/index.ts";
import { hashFile, type Logger, SOFTWARE } from "../../kernel/index.ts";
import { findModel } from "../../modelstore/index.ts";
import type { Executor, Job, JobResult } from "../executor.ts";

export interface LocalOptions {
  /** Shared with others; not closed by this executor. */
  readonly workers: PixelWorkers;
  readonly limits: Limits;
  /** Threads of the network on the CPU. */
  readonly inferenceThreads: number;
  readonly log: Logger;
}

/** More jobs than threads, so that no thread waits while the network works. */
const EXTRA_JOBS = 2;
const DEVICE = "cpu";

export function createLocalExecutor(options: LocalOptions): Executor {
  const inferences = new Map<string, Inference>();

  function inferenceFor(recipe: Recipe): Inference {
    const model = findModel(recipe.model);
    let inference = inferences.get(model.id);
    if (inference === undefined) {
      inference = createInference({
        modelPath: model.path,
        modelSha256: model.sha256,
        provider: DEVICE,
        threads: options.inferenceThreads,
        log: options.log,
      });
      inferences.set(model.id, inference);
    }
    return inference;
  }

  return {
    name: "local",
    capacity: options.workers.threads + EXTRA_JOBS,
    device: DEVICE,
    prepare: (recipe) => inferenceFor(recipe).warm(),
    async run(job, signal) {
      const facts = await inspectImage(job.source, options.limits);
      const format = outputFormatFor(facts, job.recipe.format);
      const target = withExtension(job.target, format);
      if (job.existing !== "overwrite" && (await stat(target).catch(() => undefined)) !== undefined) {
        return job.existing === "skip"
          ? { status: "skipped", output: target }
          : adopt(job, facts, target, format);
      }
      await mkdir(dirname(target), { recursive: true });
      const tools = {
        workers: options.workers,
        inference: inferenceFor(job.recipe),
        model: findModel(job.recipe.model),
        device: DEVICE,
      };
      const result = await colorizePhoto(
        { ...job, facts, target, overwrite: job.existing === "overwrite", software: SOFTWARE },
        tools,
        signal,
      );
      return { status: "done", ...result };
    },
    async close() {
      for (const inference of inferences.values()) inference.close();
      inferences.clear();
    },
  };
}

/** A finished result whose recording was cut off: results appear whole or not at all, so it is what we would make. */
async function adopt(job: Job, facts: ImageFacts, output: string, format: OutputFormat): Promise<JobResult> {
  const [outputHash, sourceHash] = await Promise.all([hashFile(output), hashFile(job.source)]);
  const { width, height, notes } = facts;
  return {
    status: "done",
    output,
    outputHash,
    sourceHash,
    width,
    height,
    format,
    device: DEVICE,
    networkMs: 0,
    notes,
  };
}

function withExtension(path: string, format: OutputFormat): string {
  const present = extname(path);
  if (matchesExtension(format, path)) return path;
  return path.slice(0, path.length - present.length) + extensionFor(format);
}
