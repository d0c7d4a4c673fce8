// Files and folders outside any library as items of a batch: where each result goes.
// Owns: the plan of target paths. Must never: let a result land on an original.
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, parse, relative } from "node:path";
import { type Batch, createBatch, type Library, resolveSources, walk } from "../catalogue/index.ts";
import { extensionFor } from "../imaging/index.ts";
import {
  AutochromeError,
  createNames,
  type ErrorRecord,
  realTarget,
  sweepLeftovers,
} from "../kernel/index.ts";
import { jobGraphOf } from "../workflow/index.ts";
import type { Plan } from "./run.ts";

export interface FilesOptions {
  /** Absolute paths of files and folders. */
  readonly sources: readonly string[];
  /** Absolute path of the folder for results; made if it is not there. */
  readonly out: string;
  readonly plan: Plan;
  readonly executor: string;
  /** The variants of a file, where it is not all of them; results are not named after them then. */
  readonly choose?: (path: string) => Promise<Iterable<number>>;
}

export interface QueuedFiles {
  /** Absent when there was nothing that can be coloured. */
  readonly batch?: Batch;
  /** What could not even be looked at. */
  readonly problems: readonly { readonly path: string; readonly error: ErrorRecord }[];
}

/**
 * Queues files. A folder's photos keep their paths below it; the output folder itself is left out when it lies inside.
 * @throws AutochromeError "usage" when a result would land on an original, or when there are no photos at all
 */
export async function queueFiles(library: Library, options: FilesOptions): Promise<QueuedFiles> {
  const { sources, out, plan, choose = async () => plan.variants.keys() } = options;
  const isNamed = plan.variants.length > 1 && options.choose === undefined;
  const realOut = await realTarget(out);
  for (const source of sources) {
    if ((await realTarget(source)) === realOut) throw overOriginals(basename(source));
  }
  const { roots, failed } = await resolveSources(sources, undefined);
  const problems = [...failed];
  const names = createNames();
  const planned: { source: string; target: string; variant: number }[] = [];
  const originals = new Set<string>();
  for (const root of roots) {
    for await (const found of walk([root], realOut)) {
      if ("error" in found) {
        problems.push(found);
        continue;
      }
      const below = root.kind === "file" ? basename(root.path) : relative(root.path, found.path);
      const { dir, name, ext } = parse(below);
      originals.add(await realTarget(found.path));
      for (const variant of await choose(found.path)) {
        const { name: called, graph } = plan.variants[variant]!;
        const { format } = jobGraphOf(graph);
        const end = (isNamed ? ` (${called})` : "") + (format === "same" ? ext : extensionFor(format));
        planned.push({ source: found.path, target: names(join(out, dir, name + end)), variant });
      }
    }
  }
  for (const { target } of planned) {
    if (originals.has(await realTarget(target))) throw overOriginals(basename(target));
  }
  if (planned.length === 0 && problems.length === 0) {
    throw new AutochromeError("usage", "There are no photos here.", "Name photos, or a folder with photos.");
  }
  const folders = new Set(planned.map(({ target }) => dirname(target)));
  await mkdir(out, { recursive: true });
  for (const folder of folders) await sweepLeftovers(folder);
  if (planned.length === 0) return { problems };
  const batch = createBatch(
    library.db,
    { recipe: plan, executor: options.executor, priority: 0 },
    planned.map(({ source, target, variant }) => ({ source, target: () => target, variant })),
  );
  return { batch, problems };
}

function overOriginals(name: string): AutochromeError {
  return new AutochromeError(
    "usage",
    `The results would be written over the originals (${name}).`,
    "Choose another folder with --out.",
  );
}
