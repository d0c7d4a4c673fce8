// Pictures of a graph into files: pixels, the original's metadata, how it was made, and in PNGs the graph itself.
// Must never: choose a name.
import {
  addPngText,
  type Making,
  type Picture,
  type Provenance,
  type SaveOptions,
  writeResultMetadata,
} from "../imaging/index.ts";
import { SOFTWARE } from "../kernel/index.ts";
import type { EngineContext, Written } from "./node.ts";

/** Fills a temporary file with a picture. @throws AutochromeError; an abort rejects with the signal's reason */
export async function savePictureOf(
  context: EngineContext,
  picture: Picture,
  temporary: string,
  options: SaveOptions,
): Promise<Written> {
  const { world, prompt, signal } = context;
  const making = picture.making ?? [];
  const provenance = provenanceOf(making, prompt.createdAt);
  const result = await world.workers.save(picture, temporary, options, provenance, signal);
  const notes =
    picture.origin === undefined
      ? []
      : await writeResultMetadata(picture.origin.path, temporary, result, provenance);
  if (options.format === "png") {
    await addPngText(temporary, { prompt: prompt.graph, ...prompt.extraPngInfo });
  }
  signal.throwIfAborted();
  const { width, height, format } = result;
  const ofMaking = making.flatMap((step) => step.notes ?? []);
  return { width, height, format, making, notes: [...result.notes, ...notes, ...ofMaking] };
}

/** Several networks are named one after the other. */
function provenanceOf(making: readonly Making[], createdAt: string): Provenance | undefined {
  if (making.length === 0) return undefined;
  const joined = (part: "model" | "modelSha256" | "device") =>
    [...new Set(making.map((step) => step[part]))].join("+");
  return {
    software: SOFTWARE,
    model: joined("model"),
    modelSha256: joined("modelSha256"),
    device: joined("device"),
    parameters: Object.assign({}, ...making.map(({ parameters }) => parameters)),
    createdAt,
  };
}
