// The executor on this computer: each job is a run of its graph.
// Owns: what a graph may reach while it runs for a job: the photo, and the one result. Must never: touch the queue.
import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ImageFacts, inspectImage, type OutputFormat, outputFormatFor } from "../../imaging/index.ts";
import { AutochromeError, errorFromRecord, toErrorRecord, writeAtomically } from "../../kernel/index.ts";
import {
  type ApiGraph,
  createGraphCache,
  type GraphFiles,
  isMaskName,
  isTunable,
  type JobGraph,
  jobGraphOf,
  modelsIn,
  runGraph,
  smallerGraph,
  validatePrompt,
  type World,
  type Written,
  withSettings,
  workflowError,
} from "../../workflow/index.ts";
import type { Executor, Job, JobResult, PhotoResult } from "../executor.ts";
import type { Surroundings } from "../surroundings.ts";
import { createJobColorizer } from "./kept-colours.ts";
import { coloursPath, resultPath } from "./result-paths.ts";

/** More jobs than threads, so that no thread waits while the network works. */
const EXTRA_JOBS = 2;

/** @param surroundings shared with others; not closed by this executor */
export function createLocalExecutor(surroundings: Surroundings): Executor {
  const { workers, colorizer, limits } = surroundings;

  return {
    name: "local",
    capacity: workers.threads + EXTRA_JOBS,
    get device() {
      return colorizer.device;
    },
    async prepare(graph, { networks }) {
      const form = jobGraphOf(graph);
      // Masks are looked for when a job brings them.
      const world = { ...surroundings, files: onlyPhoto(form, "", "") };
      validated(graph, form, world);
      if (!networks) return;
      for (const model of modelsIn(graph, world)) await colorizer.warm(model);
    },
    async run(job, signal) {
      const facts = await inspectImage(job.source, limits);
      const form = jobGraphOf(job.graph);
      const format = outputFormatFor(facts, form.format);
      const target = resultPath(job.target, format);
      if (job.existing !== "overwrite" && (await stat(target).catch(() => undefined)) !== undefined) {
        return job.existing === "skip"
          ? { status: "skipped", output: target }
          : adopt(job, facts, target, format, surroundings, form);
      }
      await mkdir(dirname(target), { recursive: true });
      return {
        status: "done",
        ...(await colourAsLargeAsCan(job, form, format, target, surroundings, signal)),
      };
    },
    close: async () => undefined,
  };
}

/** Where memory does not suffice and the size was not chosen by hand, the network sees the photo smaller. */
async function colourAsLargeAsCan(
  job: Job,
  form: JobGraph,
  format: OutputFormat,
  target: string,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<PhotoResult> {
  const notes: string[] = [];
  for (let { graph } = job; ; ) {
    try {
      const result = await colour({ ...job, graph }, form, format, target, surroundings, signal);
      return { ...result, notes: [...notes, ...result.notes] };
    } catch (thrown) {
      const smaller = job.mayShrink ? smallerGraph(graph) : undefined;
      const isMemory = thrown instanceof AutochromeError && thrown.code === "out-of-memory";
      if (!isMemory || smaller === undefined) throw thrown;
      graph = smaller.graph;
      notes[0] = `Memory did not suffice, so the network saw this photo at ${smaller.modelSize}.`;
    }
  }
}

async function colour(
  job: Job,
  form: JobGraph,
  format: OutputFormat,
  target: string,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<PhotoResult> {
  const { source } = job;
  const before = await identity(source);
  const sourceHash = await surroundings.workers.hash(source, signal);
  if (job.sourceHash !== undefined && job.sourceHash !== sourceHash) {
    throw changed(source, "since it was imported");
  }
  let result: (Written & { readonly outputHash: string }) | undefined;
  const known = job.colours === undefined ? undefined : await surroundings.workers.readChroma(job.colours);
  const { colorizer, given } = createJobColorizer(surroundings.colorizer, known);
  const keptAt = coloursPath(target);
  let kept: string | undefined;
  const files: GraphFiles = {
    ...onlyPhoto(form, source, job.masks),
    async save(_, write) {
      if (result !== undefined) throw severalPictures();
      result = await writeAtomically(
        target,
        { overwrite: job.existing === "overwrite" },
        async (temporary) => {
          const written = await write(temporary);
          if ((await identity(source)) !== before) throw changed(source, "while it was being coloured");
          const colours = given();
          if (job.keepColours && colours !== undefined && isTunable(job.graph)) {
            await surroundings.workers.writeChroma(keptAt, colours.chroma, colours.origin);
            kept = keptAt;
          }
          return { ...written, outputHash: await surroundings.workers.hash(temporary) };
        },
      );
      return { filename: basename(target), subfolder: "", type: "output" };
    },
  };
  const workers = {
    ...surroundings.workers,
    hash: async (path: string, stop?: AbortSignal) =>
      path === source ? sourceHash : surroundings.workers.hash(path, stop),
  };
  const world = { ...surroundings, workers, colorizer, files };
  const graph = validated(withSettings(job.graph, { format }), form, world);
  const run = await runGraph({
    graph,
    outputs: [form.saveNode],
    prompt: { id: job.itemId, graph, extraPngInfo: undefined, createdAt: job.createdAt },
    world,
    cache: createGraphCache({ scratchBeside: target, capacity: 0 }),
    signal,
  });
  if (run.status === "interrupted") throw signal.reason;
  if (run.failure !== undefined) throw errorFromRecord(run.failure.error);
  if (result === undefined) throw new Error("the graph ran and saved nothing");
  const { width, height, outputHash, making, notes } = result;
  return {
    output: target,
    outputHash,
    sourceHash,
    width,
    height,
    format,
    graph: job.graph,
    colours: kept,
    device: devicesOf(making),
    models: [
      ...new Map(making.map((step) => [step.model, { id: step.model, sha256: step.modelSha256 }])).values(),
    ],
    networkMs: making.reduce((sum, step) => sum + step.networkMs, 0),
    notes,
  };
}

/** A finished result whose recording was cut off: results appear whole or not at all, so it is what we would make. */
async function adopt(
  job: Job,
  facts: ImageFacts,
  output: string,
  format: OutputFormat,
  surroundings: Surroundings,
  form: JobGraph,
): Promise<JobResult> {
  const { workers, colorizer, limits } = surroundings;
  const kept = coloursPath(output);
  const colours = await workers.readChroma(kept).catch(() => undefined);
  const [outputHash, sourceHash] = await Promise.all([workers.hash(output), workers.hash(job.source)]);
  const { width, height } = await inspectImage(output, limits);
  const world = { ...surroundings, files: onlyPhoto(form, job.source, job.masks) };
  return {
    status: "done",
    output,
    outputHash,
    sourceHash,
    width,
    height,
    format,
    graph: job.graph,
    colours: colours === undefined ? undefined : kept,
    device: colours?.origin.device ?? colorizer.device,
    models: modelsIn(job.graph, world).map(({ id, sha256 }) => ({ id, sha256 })),
    networkMs: 0,
    notes: facts.notes,
  };
}

function devicesOf(making: Written["making"]): string {
  const devices = [...new Set(making.map((step) => step.device))];
  return devices.length === 0 ? "cpu" : devices.join("+");
}

/** Files of a graph that may read the photo and the masks made for it, and nothing else. */
function onlyPhoto(form: JobGraph, source: string, masks?: string): GraphFiles {
  return {
    list: () => form.photoNames,
    find(name) {
      if (form.photoNames.includes(name)) return source;
      return masks !== undefined && isMaskName(name) ? join(masks, name) : undefined;
    },
    save: async () => {
      throw new Error("nothing is saved here");
    },
  };
}

/** @throws AutochromeError "workflow-invalid" */
function validated(graph: ApiGraph, form: JobGraph, world: World): ApiGraph {
  const verdict = validatePrompt(graph, world, [form.saveNode]);
  if (!verdict.ok) throw workflowError(verdict);
  return verdict.graph;
}

function severalPictures(): AutochromeError {
  return new AutochromeError(
    "workflow-invalid",
    "This workflow makes several pictures of one photo; a photo of the library becomes exactly one.",
    "Join them with ImageStitch before saving.",
  );
}

function changed(source: string, when: string): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    `${basename(source)} has changed ${when}.`,
    "Import it again, then colour it.",
  );
}

async function identity(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    const record = toErrorRecord(error, basename(path));
    throw new AutochromeError(record.code, record.message, record.next, { cause: error });
  }
}
