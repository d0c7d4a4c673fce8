// `versions` and `tune`: what was made of a photo, and other colours for it without running the network.
import { resolve } from "node:path";
import { keepMask, openTuning, queueTuning } from "../../../app/batches/index.ts";
import { getPhoto, listVersions } from "../../../app/catalogue/index.ts";
import { writeFileAtomically } from "../../../app/kernel/index.ts";
import { apiGraphSchema, colouringNodes, type TuneSettings } from "../../../app/workflow/index.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";
import { type LibraryFlag, runQueued, withEngine } from "./batch.ts";

export function versions(photoId: string, flags: LibraryFlag, output: Output): Promise<number> {
  return withEngine(flags, output, async (_, library) => {
    const found = listVersions(library.db, getPhoto(library, photoId).id);
    for (const { workflow, parameters: _, chroma, ...version } of found) {
      output.line({ ...version, tunable: chroma !== undefined });
      output.result(
        `${version.id}  ${version.createdAt}  ${version.modelId} on ${version.device}, ${version.width} × ${version.height}, ${version.review}${settingsOf(workflow)}${chroma === undefined ? "" : ", can be tuned"}\n  ${version.file}`,
      );
    }
    output.summary(
      { versions: found.length },
      `${found.length} ${found.length === 1 ? "version" : "versions"}.`,
    );
    return EXIT.ok;
  });
}

export interface TuneFlags extends LibraryFlag, Omit<TuneSettings, "mask"> {
  /** A picture, white where the settings are to apply; false: nowhere else than before. */
  readonly mask?: string | false;
  /** Write a JPEG of what it would look like instead of a new version. */
  readonly look?: string;
}

export function tune(ids: readonly string[], flags: TuneFlags, output: Output): Promise<number> {
  return withEngine(flags, output, async (engine, library) => {
    const { mask, look, library: _, ...values } = flags;
    const settings: TuneSettings = {
      ...values,
      ...(mask === false ? { mask: null } : {}),
      ...(typeof mask === "string" ? { mask: await keepMask(library, engine.workers(), resolve(mask)) } : {}),
    };
    if (look !== undefined) {
      const target = resolve(look);
      const table = await openTuning(library, engine.surroundings(), ids[0]!);
      try {
        await writeFileAtomically(target, await table.look(settings), { overwrite: true });
      } finally {
        await table.close();
      }
      output.summary({ look: target }, `${target} shows it; nothing in the library has changed.`);
      return EXIT.ok;
    }
    const batch = queueTuning(library, ids, settings, { executor: "local", priority: 0 });
    output.line({ batch: batch.id });
    output.say(`Batch ${batch.id}`);
    return runQueued(engine, library, batch.id, output);
  });
}

/** What versions of a photo usually differ in. */
function settingsOf(workflow: unknown): string {
  const graph = apiGraphSchema.safeParse(workflow).data ?? {};
  const [[, colouring] = []] = colouringNodes(graph);
  const { model_size, color_factor } = colouring?.inputs ?? {};
  return colouring === undefined ? "" : `, size ${model_size}, colour × ${color_factor}`;
}
