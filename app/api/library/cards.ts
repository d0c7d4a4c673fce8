// Photos and versions as windows see them.
// Owns: that form, made of what the catalogue says. Must never: read or write anything itself but through the catalogue.
import {
  albumsOf,
  type Card,
  copyPathsOf,
  getPhoto,
  type Library,
  lastFailure,
  listVersions,
  readCards,
  type Version,
} from "../../catalogue/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import {
  type ApiGraph,
  apiGraphSchema,
  colouringNodes,
  isMaskName,
  isTunable,
} from "../../workflow/index.ts";
import type { PhotoCard, PhotoDetails, Tune, VersionCard } from "./contract.ts";
import { plain } from "./problems.ts";

export function photoCard(card: Card): PhotoCard {
  return {
    ...given(card),
    id: card.id,
    name: card.name,
    width: card.width,
    height: card.height,
    isMono: card.isMono,
    isMissing: card.isMissing,
    state: card.state,
    versions: card.versions,
    ...(card.blur === undefined ? {} : { blur: Buffer.from(card.blur).toString("base64") }),
  };
}

function given({ title, takenAt, rating, version }: Card) {
  return {
    ...(title === undefined ? {} : { title }),
    ...(takenAt === undefined ? {} : { takenAt }),
    ...(rating === undefined ? {} : { rating }),
    ...(version === undefined ? {} : { version }),
  };
}

/** All of a photo. @throws AutochromeError "not-found" */
export function photoDetails(library: Library, id: string): PhotoDetails {
  const photo = getPhoto(library, id);
  const [card] = readCards(library, [id]);
  if (card === undefined)
    throw new AutochromeError("not-found", "This photo is not there any more.", "Choose another one.");
  const { iccName, caption, place, takenPrecision, missingSince } = photo;
  const failure = card.state === "failed" ? lastFailure(library, id) : undefined;
  return {
    ...photoCard(card),
    path: photo.path,
    copies: copyPathsOf(library, id),
    size: photo.size,
    format: photo.format,
    bitDepth: photo.bitDepth,
    pages: photo.pages,
    ...(iccName === undefined ? {} : { iccName }),
    hash: photo.hash,
    ...(caption === undefined ? {} : { caption }),
    ...(place === undefined ? {} : { place }),
    people: [...photo.people],
    keywords: [...photo.keywords],
    ...(takenPrecision === undefined ? {} : { takenPrecision }),
    importedAt: photo.importedAt,
    ...(missingSince === undefined ? {} : { missingSince }),
    notes: [...photo.notes],
    albums: albumsOf(library, id),
    allVersions: listVersions(library.db, id).map(versionCard),
    ...(failure === undefined ? {} : { error: plain(failure) }),
  };
}

export function versionCard(version: Version): VersionCard {
  const graph = apiGraphSchema.safeParse(version.workflow).data;
  const modelSize = graph === undefined ? undefined : numberIn(graph, "model_size");
  return {
    id: version.id,
    photo: version.photoId,
    width: version.width,
    height: version.height,
    format: version.format,
    createdAt: version.createdAt,
    model: version.modelId,
    modelSha256: version.modelSha256,
    device: version.device,
    program: version.program,
    ...(modelSize === undefined ? {} : { modelSize: Math.round(modelSize) }),
    isTunable: version.chroma !== undefined && graph !== undefined && isTunable(graph),
    tune: graph === undefined ? {} : tuneOf(graph),
    review: version.review,
    ...(version.rating === undefined ? {} : { rating: version.rating }),
    ...(version.note === undefined ? {} : { note: version.note }),
    notes: [...version.notes],
  };
}

/** How the colouring node is set, where there is one; what the graph does not say is absent. */
function tuneOf(graph: ApiGraph): Tune {
  const values = {
    colorFactor: numberIn(graph, "color_factor"),
    temperature: numberIn(graph, "temperature"),
    tint: numberIn(graph, "tint"),
    vibrance: numberIn(graph, "vibrance"),
    protectSkin: numberIn(graph, "protect_skin"),
    blend: numberIn(graph, "blend"),
    mask: Object.values(graph)
      .filter((node) => node.class_type === "LoadImage")
      .map((node) => String(node.inputs.image))
      .find(isMaskName),
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function numberIn(graph: ApiGraph, input: string): number | undefined {
  const [[, node] = []] = colouringNodes(graph);
  const value = node?.inputs[input];
  return typeof value === "number" ? value : undefined;
}
