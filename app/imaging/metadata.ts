// EXIF, IPTC and XMP: what a photo says about itself, and what a result says about its making.
//
// Owns: the exiftool processes, reading dates of unequal precision, what is carried over and what is not.
// Must never: write to a source, or let a photo fail because its metadata is broken.
import { type ChildProcess, spawn } from "node:child_process";
import { symlink, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { DefaultExiftoolArgs, ExifTool, exiftoolPath } from "exiftool-vendored";
import { z } from "zod";
import { newId } from "../kernel/index.ts";
import { type Marks, marksOf } from "./provenance.ts";
import type { Provenance, SaveResult } from "./types.ts";

/** A date as exact as it is known: 1936, 1936-02 or 1936-02-11. */
export interface PhotoDate {
  readonly text: string;
  readonly precision: "year" | "month" | "day";
}

export interface PhotoMetadata {
  readonly title?: string;
  readonly caption?: string;
  /** "Nipomo, California, United States" */
  readonly place?: string;
  readonly people: readonly string[];
  readonly keywords: readonly string[];
  readonly date?: PhotoDate;
  /** Stars 0–5, where given. */
  readonly rating?: number;
}

const NONE: PhotoMetadata = { people: [], keywords: [] };

let tool: ExifTool | undefined;

/** The one that all of this room use. */
export function exiftool(): ExifTool {
  tool ??= new ExifTool({
    maxProcs: 2,
    taskTimeoutMillis: 180_000,
    geolocation: false,
    ...(process.platform === "win32" ? {} : { processFactory: spawnApart }),
  });
  return tool;
}

/** In a process group of its own: Ctrl-C in a terminal must not end it under the work that is being finished. */
async function spawnApart(): Promise<ChildProcess> {
  return spawn("perl", [await exiftoolPath(), ...DefaultExiftoolArgs], { stdio: "pipe", detached: true });
}

/** Ends the exiftool processes; the next call starts them again. */
export async function closeMetadata(): Promise<void> {
  const running = tool;
  tool = undefined;
  await running?.end();
}

const scalar = z.union([z.string(), z.number()]).transform((value) => String(value).trim());
const text = scalar.optional().catch(undefined);
const list = z
  .union([scalar.transform((value) => [value]), z.array(scalar)])
  .transform((values) => values.filter((value) => value !== ""))
  .optional()
  .catch(undefined);

const tagsSchema = z.object({
  Title: text,
  ObjectName: text,
  Headline: text,
  XPTitle: text,
  Description: text,
  "Caption-Abstract": text,
  ImageDescription: text,
  Sublocation: text,
  "Sub-location": text,
  Location: text,
  City: text,
  State: text,
  "Province-State": text,
  Country: text,
  "Country-PrimaryLocationName": text,
  PersonInImage: list,
  RegionName: list,
  Subject: list,
  Keywords: list,
  DateTimeOriginal: text,
  DateCreated: text,
  DigitalCreationDate: text,
  CreateDate: text,
  Rating: z.coerce.number().int().min(0).max(5).optional().catch(undefined),
});

const READ = Object.keys(tagsSchema.shape).map((name) => `-${name}`);

/** What a photo's metadata says. Broken or unreadable metadata reads as none. */
export async function readMetadata(path: string): Promise<PhotoMetadata> {
  const parsed = await withPlainName(path, (plain) =>
    // Without MWG: its module would stay loaded, and what is written afterwards would depend on what was read before.
    exiftool().readRaw(plain, { useMWG: false, readArgs: ["-fast", "-m", ...READ] }),
  )
    .then((tags) => tagsSchema.safeParse(tags))
    .catch(() => undefined);
  if (parsed === undefined || !parsed.success) return NONE;
  const tags = parsed.data;
  const title = first(tags.Title, tags.ObjectName, tags.Headline, tags.XPTitle);
  const caption = first(tags.Description, tags["Caption-Abstract"], tags.ImageDescription);
  const place = [
    first(tags.Sublocation, tags["Sub-location"], tags.Location),
    tags.City,
    first(tags.State, tags["Province-State"]),
    first(tags.Country, tags["Country-PrimaryLocationName"]),
  ]
    .filter((part) => part !== undefined && part !== "")
    .join(", ");
  // The moment of the photograph first; the moment of the scan (CreateDate) says nothing about an old print.
  const date = parsePhotoDate(tags.DateTimeOriginal) ?? parsePhotoDate(tags.DateCreated);
  return {
    ...(title === undefined ? {} : { title }),
    ...(caption === undefined ? {} : { caption }),
    ...(place === "" ? {} : { place }),
    people: [...new Set([...(tags.PersonInImage ?? []), ...(tags.RegionName ?? [])])],
    keywords: [...new Set([...(tags.Subject ?? []), ...(tags.Keywords ?? [])])],
    ...(date === undefined ? {} : { date }),
    ...(tags.Rating === undefined ? {} : { rating: tags.Rating }),
  };
}

/**
 * A date as metadata writes it: "1936:02:11 10:00:00", "1936:02:00", "1936:00:00", "1936", "1936-02", "19360211".
 * Parts that are zero, missing or impossible make the date less exact; without a plausible year there is none.
 */
export function parsePhotoDate(value: string | undefined): PhotoDate | undefined {
  const match = /^(\d{4})(?:[:\-/]?(\d{2}))?(?:[:\-/]?(\d{2}))?(?!\d)/.exec(value?.trim() ?? "");
  const [, year, month, day] = match ?? [];
  if (year === undefined || Number(year) < 1800 || Number(year) > 2200) return undefined;
  if (month === undefined || Number(month) < 1 || Number(month) > 12)
    return { text: year, precision: "year" };
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (day === undefined || Number(day) < 1 || Number(day) > daysInMonth) {
    return { text: `${year}-${month}`, precision: "month" };
  }
  return { text: `${year}-${month}-${day}`, precision: "day" };
}

/** What of the source's metadata would be untrue of the result, or belongs to other pixels. */
const LEFT_BEHIND = [
  "--IFD1:all",
  "--IFD2:all",
  "--PreviewImage",
  "--ThumbnailImage",
  "--PhotoshopThumbnail",
  "--XMP-xmp:Thumbnails",
  // What XMP repeats of the file's own structure: orientation, size, bits.
  ...["Orientation", "ImageWidth", "ImageHeight", "BitsPerSample", "SamplesPerPixel", "Compression"].map(
    (tag) => `--XMP-tiff:${tag}`,
  ),
  "--XMP-tiff:PhotometricInterpretation",
  "--XMP-tiff:PlanarConfiguration",
  "--ExifIFD:ExifImageWidth",
  "--ExifIFD:ExifImageHeight",
  "--XMP-exif:ExifImageWidth",
  "--XMP-exif:ExifImageHeight",
  // Gain maps and films that were appended to the source.
  "--XMP-hdrgm:all",
  "--XMP-GContainer:all",
  "--XMP-GCamera:all",
];

/**
 * Gives a result its source's metadata and says how it was made: XMP history, creator tool, IPTC digital source type.
 * The orientation becomes 1, because the pixels are already turned; embedded previews of the grey original stay behind.
 * The same record gives the same bytes. Nothing is left to do where the encoder has marked the result.
 * @param target our own new file
 * @param provenance undefined: no network had a part in it
 * @returns notes; metadata that cannot be carried over is no reason to lose the picture
 */
export async function writeResultMetadata(
  source: string,
  target: string,
  result: Pick<SaveResult, "width" | "height" | "isMarked">,
  provenance: Provenance | undefined,
): Promise<string[]> {
  if (result.isMarked) return [];
  const own = [
    ...(provenance === undefined ? [] : marking(marksOf(provenance))),
    "-Orientation#=1",
    `-ExifIFD:ExifImageWidth=${result.width}`,
    `-ExifIFD:ExifImageHeight=${result.height}`,
  ];
  const write = (from: string | undefined) =>
    writeTags(target, [...(from === undefined ? [] : carrying(from)), ...own]);
  const lost = "The original's metadata is damaged and could not be carried over completely.";
  try {
    const warnings = await withPlainName(source, write);
    return warnings.some((warning) => !/\[minor\]|No writable tags/i.test(warning)) ? [lost] : [];
  } catch {
    try {
      await write(undefined);
      return [lost];
    } catch {
      return ["Metadata could not be written (exiftool did not work)."];
    }
  }
}

function marking({ creatorTool, digitalSourceType, history }: Marks): readonly string[] {
  const fields = Object.entries(history).map(([field, value]) => `${field}=${inStructure(value)}`);
  return [
    `-XMP-xmp:CreatorTool=${creatorTool}`,
    `-EXIF:Software=${creatorTool}`,
    `-XMP-iptcExt:DigitalSourceType=${digitalSourceType}`,
    `-XMP-xmpMM:History+={${fields.join(",")}}`,
  ];
}

/**
 * Gives a picture of ours in another form the metadata of the one that it was made from, all of it.
 * What cannot be carried over stays behind without a word: the other picture still has it.
 */
export async function carryMetadata(source: string, target: string): Promise<void> {
  await withPlainName(source, (from) => writeTags(target, carrying(from))).catch(() => undefined);
}

function carrying(from: string): readonly string[] {
  return ["-tagsFromFile", from, "-all:all", ...LEFT_BEHIND];
}

/** @returns exiftool's warnings */
async function writeTags(target: string, args: readonly string[]): Promise<readonly string[]> {
  try {
    const { updated, warnings } = await exiftool().write(
      target,
      {},
      // Without MWG's rules, by which one standard's caption would replace another's.
      { useMWG: false, ignoreMinorErrors: true, writeArgs: ["-overwrite_original", "-m", ...args] },
    );
    if (updated !== 1) throw new Error("exiftool wrote nothing"); // it says no more where the source is not readable
    return warnings ?? [];
  } catch (error) {
    await unlink(`${target}_exiftool_tmp`).catch(() => undefined);
    throw error;
  }
}

/** A value inside exiftool's notation for structures. */
function inStructure(value: string): string {
  return value.replaceAll(/[|,{}[\]]/g, "|$&");
}

/**
 * exiftool takes one argument per line, and %d, %f and the like in a source's name for parts of the target's: paths
 * with line breaks or per cent signs are handed over through a link.
 */
async function withPlainName<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (!/[\n\r%]/.test(path)) return use(path);
  const link = join(tmpdir(), `autochrome-${newId()}${extname(path).replaceAll(/[^.A-Za-z0-9]/g, "")}`);
  await symlink(path, link);
  try {
    return await use(link);
  } finally {
    await unlink(link);
  }
}

function first(...values: (string | undefined)[]): string | undefined {
  return values.find((value) => value !== undefined && value !== "");
}
