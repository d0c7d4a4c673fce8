// The executor on a ComfyUI server: our own service on another computer, or a stock ComfyUI. Each job is a prompt there.
//
// Owns: the way of a job to the server and back, and that nothing is done twice: a prompt's id is that of its work, so
// that after a crash it is found in the server's queue or history. Must never: leave a prompt behind that nobody waits
// for, or touch one that is not ours.
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  extensionFor,
  type ImageFacts,
  inspectImage,
  type OutputFormat,
  outputFormatFor,
} from "../../imaging/index.ts";
import { AutochromeError, hashFile, type Logger, newId, writeAtomically } from "../../kernel/index.ts";
import {
  type ApiGraph,
  type JobGraph,
  jobGraphOf,
  smallerGraph,
  withSettings,
} from "../../workflow/index.ts";
import type { Executor, Job, JobResult, PhotoResult } from "../executor.ts";
import type { Surroundings } from "../surroundings.ts";
import { createFollower } from "./comfyui-follow.ts";
import {
  classesOf,
  type Declarations,
  graphFor,
  judgeGraph,
  maskNames,
  promptId,
  savesLikeOurs,
} from "./comfyui-graph.ts";
import { openLine } from "./comfyui-http.ts";
import { FAILED, type Patience, patiently, USUAL_PATIENCE } from "./comfyui-patience.ts";
import { downloadBeside, fetchWhole, finishHere, resultOf } from "./comfyui-result.ts";
import {
  connectComfyui,
  type Declared,
  type Ending,
  FOLDER,
  type Picture,
  type ServerFacts,
} from "./comfyui-server.ts";
import { resultPath } from "./result-paths.ts";

export interface ComfyuiExecutorOptions {
  /** "http://192.168.1.5:8188"; a path in front of ComfyUI's own is kept. */
  readonly url: string;
  /** The server's API key, where it wants one. */
  readonly key?: string | undefined;
  /** Decodes and, for a stock ComfyUI, converts what comes back; not closed by this executor. */
  readonly surroundings: Pick<Surroundings, "workers" | "limits">;
  /** Hears what a batch waits for. */
  readonly onWords?: (text: string) => void;
  readonly log: Logger;
  readonly patience?: Partial<Patience>;
}

/** Prompts in the server's queue at once: enough for it never to wait, few enough for others to get their turn. */
const CAPACITY = 4;
/** Attempts at a server that does not answer, before a batch has begun. */
const FIRST_TRIES = 3;
/** How often a photo's work may get lost on the server. */
const MOST_LOSSES = 6;
/** Time for taking prompts out of the queue, in milliseconds. */
const WITHDRAW_MS = 5000;

/** A job as it is worked on. */
interface Work {
  readonly job: Job;
  readonly form: JobGraph;
  readonly facts: ImageFacts;
  readonly format: OutputFormat;
  readonly target: string;
  readonly sourceHash: string;
  readonly declarations: Declarations;
  readonly signal: AbortSignal;
}

/** @throws AutochromeError "usage" for what is no address */
export function createComfyuiExecutor(options: ComfyuiExecutorOptions): Executor {
  const { log, key } = options;
  const { workers, limits } = options.surroundings;
  const patience = { ...USUAL_PATIENCE, ...options.patience };
  const line = openLine(options.url, key, patience, (text) => {
    log.info({ server: line.host }, text);
    options.onWords?.(text);
  });
  const { host, teller } = line;
  const server = connectComfyui(line);
  const follower = createFollower(server, { patience, teller, log });
  const nodes = new Map<string, Declared | undefined>();
  /** Prompts that were in the queue when it was first looked at: an earlier run of this program may have sent them. */
  let early: Set<string> | undefined;
  let facts: ServerFacts = { device: "ComfyUI", maxUpload: undefined };
  /** Prompts that we wait for. */
  const mine = new Set<string>();

  function asked<T>(attempt: () => Promise<T>, signal?: AbortSignal, awayTries?: number): Promise<T> {
    const how = { patience, teller, signal };
    return patiently(attempt, awayTries === undefined ? how : { ...how, awayTries });
  }

  async function declarationsOf(
    graph: ApiGraph,
    signal?: AbortSignal,
    awayTries?: number,
  ): Promise<Declarations> {
    for (const name of classesOf(graph)) {
      if (!nodes.has(name)) nodes.set(name, await asked(() => server.node(name, signal), signal, awayTries));
    }
    return nodes;
  }

  /** Takes prompts out of the queue, and stops them if they run. Only a running prompt of ours is ever interrupted. */
  async function withdraw(
    isMeant: (prompt: { id: string; batch: string | undefined }) => boolean,
  ): Promise<void> {
    const signal = AbortSignal.timeout(WITHDRAW_MS);
    const take = async () => {
      const meant = (await server.open(signal)).filter(isMeant);
      const waiting = meant.filter(({ isRunning }) => !isRunning).map(({ id }) => id);
      if (waiting.length > 0) await server.remove(waiting, signal);
      for (const { id } of meant.filter(({ isRunning }) => isRunning)) await server.interrupt(id, signal);
      return waiting.length;
    };
    // What waited may have begun to run before it was taken out.
    if ((await asked(take, signal, FIRST_TRIES)) > 0) await asked(take, signal, FIRST_TRIES);
  }

  /** Puts a file among the server's uploads unless it is there. */
  async function bring(
    name: string,
    file: string,
    sha256: string,
    size: number,
    signal: AbortSignal,
  ): Promise<void> {
    await asked(async () => {
      if (await server.has(name, size, signal)) return;
      if (facts.maxUpload !== undefined && size > facts.maxUpload)
        throw tooLarge(file, size, facts.maxUpload, host);
      await server.upload(name, file, { sha256, size }, signal);
    }, signal);
  }

  /** Has a prompt run, unless it is already; says how it ended. */
  async function endingOf(work: Work, id: string): Promise<Ending | "lost"> {
    const { job, form, facts: photo, format, declarations, sourceHash, signal } = work;
    // The queue first: what ends in between is in the history then.
    early ??= new Set((await asked(() => server.open(signal), signal)).map((prompt) => prompt.id));
    const before = await asked(() => server.ending(id, signal), signal);
    if (before?.kind === "done") return before;
    if (before !== undefined) await asked(() => server.forget(id, signal), signal); // an earlier attempt's end
    const isThere = early.delete(id);
    let isOurs = false;
    mine.add(id);
    try {
      if (!isThere) {
        const photoName = sourceHash + extensionOf(photo);
        await bring(photoName, job.source, sourceHash, (await stat(job.source)).size, signal);
        for (const name of maskNames(job.graph)) {
          const file = join(job.masks ?? "", name);
          await bring(name, file, await hashFile(file, signal), (await stat(file)).size, signal);
        }
        const shown = withSettings(job.graph, { format });
        const prefix = `${FOLDER}/${newId()}`; // another one each time: what is cached has the name of another file
        const graph = graphFor(job.graph, form, declarations, { photo: photoName, prefix, format });
        let mayBeThere = false;
        const submitted = await asked(async () => {
          if (mayBeThere && (await isKnown(id, signal))) return "known";
          try {
            const { batchId: batch, createdAt } = job;
            const shownGraph = savesLikeOurs(declarations) ? shown : undefined;
            return await server.submit(
              { id, graph, output: form.saveNode, batch, createdAt, shownGraph },
              signal,
            );
          } catch (thrown) {
            mayBeThere = true; // perhaps only the answer was lost
            throw thrown;
          }
        }, signal);
        teller.over("busy");
        if (submitted === "photo-missing") return "lost"; // cleaned away in this moment
        isOurs = submitted === "queued";
        log.info({ item: job.itemId, prompt: id, submitted }, "sent to the server");
      }
      const ending = await follower.wait(id, signal);
      // Of an earlier run of this program, which withdrew it when it was stopped.
      if (ending !== "lost" && ending.kind === "interrupted" && !isOurs) return "lost";
      return ending;
    } catch (thrown) {
      if (signal.aborted) {
        await withdraw((prompt) => prompt.id === id).catch((error: unknown) =>
          log.warn({ err: error, prompt: id }, "a prompt could not be taken out of the queue"),
        );
      }
      throw thrown;
    } finally {
      mine.delete(id);
    }
  }

  async function isKnown(id: string, signal: AbortSignal): Promise<boolean> {
    if ((await server.open(signal)).some((prompt) => prompt.id === id)) return true;
    return (await server.ending(id, signal)) !== undefined;
  }

  async function colour(work: Work): Promise<PhotoResult> {
    const { job, signal } = work;
    const id = promptId(job.itemId, work.sourceHash, job.graph);
    for (let losses = 0; losses < MOST_LOSSES; losses++) {
      const ending = await endingOf(work, id);
      if (ending === "lost") continue;
      if (ending.kind === "interrupted") throw interrupted(host);
      if (ending.kind === "failed") throw about(ending.error, work);
      const pictures = ending.pictures.get(work.form.saveNode) ?? [];
      const [picture] = pictures;
      if (picture === undefined || pictures.length > 1) throw notOnePicture(pictures.length);
      const result = await fetchResult(work, picture);
      if (result !== undefined) return result;
      await asked(() => server.forget(id, signal), signal); // its file was cleaned away
    }
    throw new AutochromeError(
      FAILED,
      `The server ${host} lost the work on this photo ${MOST_LOSSES} times.`,
      "Look at its log, then retry the batch.",
    );
  }

  /** Brings a result home. @returns undefined where it is not there any more */
  async function fetchResult(work: Work, picture: Picture): Promise<PhotoResult | undefined> {
    const { job, form, format, target, sourceHash, declarations, signal } = work;
    await mkdir(dirname(target), { recursive: true });
    const gone = new Error("gone");
    try {
      return await writeAtomically(target, { overwrite: job.existing === "overwrite" }, async (temporary) => {
        const file = downloadBeside(temporary, picture);
        try {
          const fetch = (path: string) => server.download(picture, path, signal);
          const found = await asked(() => fetchWhole(file, fetch, workers, host, signal), signal);
          if (found === undefined) throw gone;
          const notes = [...work.facts.notes];
          const how = { ...job, saveNode: form.saveNode, format };
          const device = `${facts.device} at ${host}`;
          const told = { output: target, sourceHash, format, graph: job.graph, notes };
          if (savesLikeOurs(declarations) && found.facts.format === format) {
            await rename(file, temporary);
            return await resultOf(temporary, found, told, host);
          }
          notes.push(...(await finishHere(file, temporary, how, found.facts, device, workers)));
          return await resultOf(temporary, await workers.ingest(temporary, undefined, signal), told, host);
        } finally {
          await rm(file, { force: true });
        }
      });
    } catch (thrown) {
      if (thrown === gone) return undefined;
      throw thrown;
    }
  }

  return {
    name: options.url,
    capacity: CAPACITY,
    get device() {
      return `${facts.device} at ${host}`;
    },
    async prepare(graph, { networks }) {
      jobGraphOf(graph);
      if (!networks) throw onlyHere();
      nodes.clear();
      facts = await asked(() => server.meet(undefined), undefined, FIRST_TRIES);
      judgeGraph(graph, await declarationsOf(graph, undefined, FIRST_TRIES), host);
    },
    async run(job, signal): Promise<JobResult> {
      signal.throwIfAborted();
      if (job.colours !== undefined) throw onlyHere();
      const photo = await inspectImage(job.source, limits);
      const form = jobGraphOf(job.graph);
      const format = outputFormatFor(photo, form.format);
      const target = resultPath(job.target, format);
      const isThere = (await stat(target).catch(() => undefined)) !== undefined;
      if (isThere && job.existing === "skip") return { status: "skipped", output: target };
      const sourceHash = await workers.hash(job.source, signal);
      if (isThere && job.existing === "adopt") {
        const told = { output: target, sourceHash, format, graph: job.graph, notes: photo.notes };
        const found = await workers.ingest(target, undefined, signal);
        return { status: "done", ...(await resultOf(target, found, told, host)) };
      }
      if (job.sourceHash !== undefined && job.sourceHash !== sourceHash) throw changed(job.source);
      const notes: string[] = [];
      for (let { graph } = job; ; ) {
        const declarations = await declarationsOf(graph, signal);
        const work = {
          job: { ...job, graph },
          form,
          facts: photo,
          format,
          target,
          sourceHash,
          declarations,
          signal,
        };
        try {
          const result = await colour(work);
          return { status: "done", ...result, notes: [...notes, ...result.notes] };
        } catch (thrown) {
          const smaller = job.mayShrink ? smallerGraph(graph) : undefined;
          const isMemory = thrown instanceof AutochromeError && thrown.code === "out-of-memory";
          if (!isMemory || smaller === undefined) throw thrown;
          graph = smaller.graph;
          notes[0] = `Memory did not suffice, so the network saw this photo at ${smaller.modelSize}.`;
        }
      }
    },
    end: (batch) => withdraw((prompt) => prompt.batch === batch),
    async close() {
      if (mine.size > 0) {
        const left = new Set(mine);
        await withdraw(({ id }) => left.has(id)).catch((error: unknown) =>
          log.warn({ err: error }, "prompts could not be taken out of the queue"),
        );
      }
      await follower.close();
      await server.close();
    },
  };
}

function extensionOf({ format }: ImageFacts): string {
  return format === "heif" ? ".heic" : format === "gif" ? ".gif" : extensionFor(format);
}

/** A failure in the server's words, with the photo's own name. */
function about(error: AutochromeError, { job, sourceHash, facts }: Work): AutochromeError {
  const message = error.message.replaceAll(sourceHash + extensionOf(facts), basename(job.source));
  return new AutochromeError(error.code, message, error.next, { cause: error });
}

function onlyHere(): AutochromeError {
  return new AutochromeError(
    "usage",
    "The colours of a version are tuned on this computer, where they are kept, and on no other.",
    "Run it with --on local.",
  );
}

function tooLarge(file: string, size: number, most: number, host: string): AutochromeError {
  const inMegabytes = (bytes: number) => `${Number((bytes / 1e6).toPrecision(3))} MB`;
  return new AutochromeError(
    "image-too-large",
    `${basename(file)} has ${inMegabytes(size)}; the server ${host} takes files of at most ${inMegabytes(most)}.`,
    "Let it take larger ones (uploadMaxMb; ComfyUI: --max-upload-size), or colour this photo here.",
  );
}

function interrupted(host: string): AutochromeError {
  return new AutochromeError(
    "interrupted",
    `Somebody stopped the work on this photo on the server ${host}.`,
    "Retry the batch.",
  );
}

function notOnePicture(count: number): AutochromeError {
  return new AutochromeError(
    "workflow-invalid",
    `This workflow makes ${count === 0 ? "no picture" : "several pictures"} of one photo; a photo becomes exactly one.`,
    "Join them with ImageStitch before saving.",
  );
}

function changed(source: string): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    `${basename(source)} has changed since it was imported.`,
    "Import it again, then colour it.",
  );
}
