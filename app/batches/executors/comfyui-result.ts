// What came back from a server, as a result of ours: whole, in the wished format, with the original's metadata.
//
// Owns: what a result says of itself, and what is done here where the server is not ours.
// Must never: change the pixels of what a server of ours has made.
import { rename, rm } from "node:fs/promises";
import { extname } from "node:path";
import sharp from "sharp";
import {
  type ImageFacts,
  type Ingested,
  type OutputFormat,
  type PixelWorkers,
  writeResultMetadata,
} from "../../imaging/index.ts";
import { AutochromeError, SOFTWARE, temporaryBeside } from "../../kernel/index.ts";
import type { ApiGraph } from "../../workflow/index.ts";
import type { PhotoResult } from "../executor.ts";
import { modelNames } from "./comfyui-graph.ts";
import { ServerTrouble } from "./comfyui-patience.ts";
import type { Picture } from "./comfyui-server.ts";

export interface Making {
  readonly models: readonly { readonly id: string; readonly sha256: string }[];
  readonly device: string;
}

/** What a result of ours says of its making, in its XMP history; see app/imaging. Undefined: nothing. */
export async function readMaking(file: string): Promise<Making | undefined> {
  const { xmp } = await sharp(file, { limitInputPixels: false }).metadata();
  const told = xmp
    ?.toString("utf8")
    .matchAll(/model=([^;<>"]*); modelSha256=([^;<>"]*); device=([^;<>"']*)/g);
  const last = [...(told ?? [])].at(-1);
  if (last === undefined) return undefined;
  const [, ids = "", digests = "", device = ""] = last.map(unescaped);
  const sha256 = digests.split("+");
  return { models: ids.split("+").map((id, place) => ({ id, sha256: sha256[place] ?? "" })), device };
}

function unescaped(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

/** A finished file as a job's result. @param about what the file itself does not tell */
export async function resultOf(
  file: string,
  { hash, facts }: Ingested,
  about: Pick<PhotoResult, "output" | "sourceHash" | "format" | "graph" | "notes">,
  host: string,
): Promise<PhotoResult> {
  const { models = [], device = host } = (await readMaking(file)) ?? {};
  const isVague = models.some(({ sha256 }) => sha256 === "");
  return {
    ...about,
    outputHash: hash,
    width: facts.width,
    height: facts.height,
    colours: undefined,
    device,
    models,
    networkMs: 0,
    notes: [...about.notes, ...(isVague ? [`The server ${host} does not say which file its model is.`] : [])],
  };
}

/**
 * Lets a download be judged: it must decode to its end.
 * @param fetch fills a new file; false: it is not there
 * @returns what it is; undefined where it is not there
 * @throws ServerTrouble where it is damaged
 */
export async function fetchWhole(
  file: string,
  fetch: (file: string) => Promise<boolean>,
  workers: PixelWorkers,
  host: string,
  signal: AbortSignal,
): Promise<Ingested | undefined> {
  await rm(file, { force: true });
  if (!(await fetch(file))) return undefined;
  try {
    return await workers.ingest(file, undefined, signal);
  } catch (cause) {
    if (!(cause instanceof AutochromeError) || !DAMAGED.has(cause.code)) throw cause;
    const error = new AutochromeError(
      "damaged-image",
      `What came from the server ${host} is damaged; nothing of it was kept.`,
      "Try again. If it happens again, something on the way changes files, or the disk there is damaged.",
      { cause },
    );
    throw new ServerTrouble("failing", error);
  }
}

const DAMAGED: ReadonlySet<string> = new Set([
  "damaged-image",
  "not-an-image",
  "empty-file",
  "unsupported-image",
]);

/** A temporary file for what a server calls by this name. */
export function downloadBeside(temporary: string, picture: Picture): string {
  const extension = extname(picture.filename).toLowerCase();
  return temporaryBeside(temporary, /^\.[a-z0-9]{1,5}$/.test(extension) ? extension : "");
}

/**
 * Makes of a stock server's picture, which has neither the wished format nor metadata, what our save node would have written.
 * @param target does not exist
 * @returns notes for the user
 */
export async function finishHere(
  picture: string,
  target: string,
  job: {
    readonly source: string;
    readonly graph: ApiGraph;
    readonly saveNode: string;
    readonly createdAt: string;
    readonly format: OutputFormat;
  },
  { format: pictureFormat, width, height }: ImageFacts,
  device: string,
  workers: PixelWorkers,
): Promise<readonly string[]> {
  const { source, graph, saveNode, format, createdAt } = job;
  const { quality } = graph[saveNode]?.inputs ?? {};
  if (pictureFormat === format) await rename(picture, target);
  else await workers.convert(picture, target, format, typeof quality === "number" ? quality : 100);
  const names = modelNames(graph);
  const provenance = {
    software: SOFTWARE,
    model: names.join("+"),
    modelSha256: "",
    device: device.replaceAll(/[;<>"'+]/g, " "),
    parameters: {},
    createdAt,
  };
  return writeResultMetadata(
    source,
    target,
    { width, height, isMarked: false },
    names.length === 0 ? undefined : provenance,
  );
}
