// Colours of finished versions changed without the network: a look at once, and new versions for good.
//
// Owns: what a tuned graph is, and the reduced photo that a look is made from. Must never: run a network, or change the
// version that is tuned.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Batch,
  createBatch,
  findVersion,
  getPhoto,
  type Library,
  type Version,
} from "../catalogue/index.ts";
import type { Picture } from "../imaging/index.ts";
import { AutochromeError, errorFromRecord } from "../kernel/index.ts";
import {
  type ApiGraph,
  apiGraphSchema,
  colouringNodes,
  createGraphCache,
  isMaskName,
  jobGraphOf,
  runGraph,
  type TuneSettings,
  tunedGraph,
  validatePrompt,
  withSettings,
  workflowError,
} from "../workflow/index.ts";
import { createJobColorizer } from "./executors/kept-colours.ts";
import { masksFolder } from "./masks.ts";
import type { Plan } from "./run.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * Queues new versions with other colours; each is its version's graph with these settings.
 * @throws AutochromeError "not-found" for an unknown version, "workflow-invalid" for one whose colours cannot be tuned
 */
export function queueTuning(
  library: Library,
  versions: readonly string[],
  settings: TuneSettings,
  how: { readonly executor: string; readonly priority: number },
): Batch {
  const tuned = versions.map((id) => {
    const version = tunable(library, id);
    return { version, variant: { name: `tuned ${id}`, graph: tunedGraph(graphOf(version), settings) } };
  });
  const plan: Plan = {
    variants: tuned.map(({ variant }) => variant),
    existing: "adopt",
    mayShrink: false,
    tunes: true,
  };
  const items = tuned.map(({ version }, variant) => {
    const photo = getPhoto(library, version.photoId);
    return {
      photoId: photo.id,
      source: photo.path,
      sourceHash: version.sourceHash,
      target: (itemId: string) => `versions/${itemId.slice(-2)}/${itemId}`,
      variant,
      tunes: version.id,
    };
  });
  return createBatch(library.db, { recipe: plan, ...how }, items);
}

/** A version on the tuning table. */
export interface TuningTable {
  /**
   * A look at the version with other colours. Looks are made one after the other; only the latest asked for is worth
   * waiting for, so abort the older ones.
   * @returns a JPEG in sRGB
   * @throws AutochromeError; an abort rejects with the signal's reason
   */
  look(settings: TuneSettings, signal?: AbortSignal): Promise<Uint8Array>;
  /** Clears away what was made for it. */
  close(): Promise<void>;
}

/** Pixels of a look's longer side. */
const LOOK_SIDE = 1600;
/** For what lies between the nodes of one graph at that size. */
const CACHE_BYTES = 256 * 2 ** 20;

/**
 * Reads and reduces the photo, so that looks are quick.
 * @throws AutochromeError as {@link queueTuning}; "unreadable-file" where the photo is gone
 */
export async function openTuning(
  library: Library,
  surroundings: Surroundings,
  versionId: string,
  side: number = LOOK_SIDE,
): Promise<TuningTable> {
  const { workers } = surroundings;
  const version = tunable(library, versionId);
  const known = await workers.readChroma(join(library.folder, version.chroma ?? ""));
  const folder = await mkdtemp(join(tmpdir(), "autochrome-tuning-"));
  try {
    const photo = getPhoto(library, version.photoId);
    const whole = await workers.load(photo.path, join(folder, "photo"));
    // Without its origin it has no metadata to carry along.
    const { origin: _, ...reduced } = await workers.reduce(whole, side);
    const cache = createGraphCache({ scratchBeside: join(folder, "picture"), capacity: CACHE_BYTES });
    const { colorizer } = createJobColorizer(
      surroundings.colorizer,
      known,
      followsEdges(graphOf(version)) ? workers.cleanChroma : undefined,
    );
    let last: Promise<unknown> = Promise.resolve();

    let looks = 0;

    async function lookNow(settings: TuneSettings, signal: AbortSignal): Promise<Uint8Array> {
      signal.throwIfAborted();
      const tuned = withSettings(tunedGraph(graphOf(version), settings), { format: "jpeg" });
      const form = jobGraphOf(tuned);
      const saver = tuned[form.saveNode]!;
      // Another name each time: what is shown is shown anew, even when all before it is known.
      const inputs = { ...saver.inputs, filename_prefix: `look ${looks++}` };
      const graph = { ...tuned, [form.saveNode]: { ...saver, inputs } };
      let look: Uint8Array | undefined;
      const world = {
        ...surroundings,
        colorizer,
        workers: {
          ...workers,
          // The photo is read already, and its look is no result to be written down.
          load: async (path: string, beside: string, stop?: AbortSignal) =>
            path === photo.path ? reduced : workers.load(path, beside, stop),
          layChroma: workers.layChromaTogether,
          hash: async (path: string, stop?: AbortSignal) =>
            path === photo.path ? version.sourceHash : workers.hash(path, stop),
          async save(picture: Picture) {
            look = await workers.preview(picture, side, signal);
            const { width, height, bitDepth } = picture;
            return { width, height, format: "jpeg" as const, bitDepth, isMarked: true, notes: [] };
          },
        },
        files: {
          list: () => form.photoNames,
          find(name: string) {
            if (form.photoNames.includes(name)) return photo.path;
            return isMaskName(name) ? join(masksFolder(library), name) : undefined;
          },
          async save(_: unknown, write: (temporary: string) => Promise<unknown>) {
            await write(join(folder, "look.jpg"));
            return { filename: "look.jpg", subfolder: "", type: "output" as const };
          },
        },
      };
      const verdict = validatePrompt(graph, world, [form.saveNode]);
      if (!verdict.ok) throw workflowError(verdict);
      const run = await runGraph({
        graph: verdict.graph,
        outputs: [form.saveNode],
        prompt: {
          id: versionId,
          graph: verdict.graph,
          extraPngInfo: undefined,
          createdAt: version.createdAt,
        },
        world,
        cache,
        signal,
      });
      if (run.status === "interrupted") throw signal.reason;
      if (run.failure !== undefined) throw errorFromRecord(run.failure.error);
      if (look === undefined) throw new Error("the graph ran and showed nothing");
      return look;
    }

    return {
      look(settings, signal = new AbortController().signal) {
        const next = last.then(() => lookNow(settings, signal));
        last = next.catch(() => undefined);
        return next;
      },
      async close() {
        await last;
        await cache.clear();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function graphOf(version: Version): ApiGraph {
  return apiGraphSchema.parse(version.workflow);
}

/** Whether the colouring node lets colour follow edges, as it does unless it was told otherwise. */
function followsEdges(graph: ApiGraph): boolean {
  const [[, node] = []] = colouringNodes(graph);
  return node?.inputs.edge_aware !== false && node?.inputs.parity !== true;
}

function tunable(library: Library, id: string): Version {
  const version = findVersion(library.db, id);
  if (version === undefined) {
    throw new AutochromeError(
      "not-found",
      `There is no version ${id}.`,
      "Choose one of the photo's versions.",
    );
  }
  if (version.chroma === undefined) {
    throw new AutochromeError(
      "workflow-invalid",
      "The network's colours of this version were not kept: its workflow runs several networks, or none.",
      "Colour the photo anew with a workflow that colours once, then tune that version.",
    );
  }
  return version;
}
