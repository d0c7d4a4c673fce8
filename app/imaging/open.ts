// Opens photographs: what a file is, and its pixels as sRGB the way a viewer shows them.
//
// Owns: recognising content (never trusting the extension), limits, turning by EXIF orientation, ICC → sRGB.
// Must never: write to a source file, or decode a file before its header has passed the limits.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, extname } from "node:path";
import sharp, { type Metadata, type Sharp, type SharpOptions } from "sharp";
import { AutochromeError, toErrorRecord } from "../kernel/index.ts";
import { coloursOf } from "./colours.ts";
import type { ImageFacts, ImageFormat } from "./types.ts";

export interface Limits {
  /** Largest photo that is opened, in megapixels. */
  readonly maxMegapixels: number;
}

/** An opened file: its facts, its colours, and ways to start decoding it. */
export interface OpenImage {
  readonly path: string;
  readonly facts: ImageFacts;
  /** The embedded profile; {@link coloursOf} says what is made of it. */
  readonly icc: Buffer | undefined;
  /** Whether anything is embedded that is worth reading: EXIF, IPTC, XMP, comments. */
  readonly hasMetadata: boolean;
  /** Nothing is in the file but pixels and a profile: no metadata, no resolution. */
  readonly isBare: boolean;
  /** Pixels with all their bits, in the space that {@link coloursOf} says: 3 channels, or 4 with alpha; upright, or as they are stored. */
  native(place: "upright" | "stored"): Sharp;
  /** Pixels for the eye: sRGB, 8 bit; upright unless said otherwise. */
  display(place?: "upright" | "stored"): Sharp;
}

/** First bytes of formats that are photographs but that this build cannot decode. */
const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/^....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)/s, "HEIC"],
  [/^....ftypcrx /s, "Canon raw"],
  [/^FUJIFILMCCD-RAW/, "Fujifilm raw"],
  [/^II\x2a\x00....CR/s, "Canon raw"],
  [/^(\x00\x00\x00\x0cjP {2}|\xff\x4f\xff\x51)/, "JPEG 2000"],
  [/^8BPS/, "Photoshop document"],
  [/^%PDF/, "PDF document"],
];

/** Opens a photo's header. Throws AutochromeError for everything that cannot become a coloured photo. */
export async function openImage(path: string, limits: Limits): Promise<OpenImage> {
  const name = basename(path);
  const { head, size } = await readHead(path, name);
  if (size === 0)
    throw new AutochromeError(
      "empty-file",
      `${name} is empty (0 bytes).`,
      "Copy it again from where it came from.",
    );
  const input = await inputFor(path);
  const base: SharpOptions = { failOn: "error", limitInputPixels: false, limitInputChannels: 5 };
  let metadata: Metadata;
  try {
    metadata = await sharp(input, base).metadata();
  } catch (cause) {
    throw unreadable(name, head, cause);
  }
  const { width, height } = metadata;
  if (width * height > limits.maxMegapixels * 1e6 || width > 1_000_000 || height > 1_000_000) {
    throw new AutochromeError(
      "image-too-large",
      `${name} says it is ${width} × ${height} pixels, more than the limit of ${limits.maxMegapixels} megapixels.`,
      "If the file is genuine, raise the setting maxMegapixels.",
    );
  }
  const format = formatOf(metadata, name);
  const notes: string[] = [];
  if (!matchesExtension(format, path)) {
    notes.push(`The file is a ${format.toUpperCase()} although its name ends in "${extname(path)}".`);
  }
  const pages = metadata.pages ?? 1;
  if (pages > 1)
    notes.push(`The file has ${pages} ${format === "tiff" ? "pages" : "frames"}; only the first was used.`);
  const orientation = metadata.orientation ?? 1;
  const turned = orientation >= 5;
  const bitDepth =
    metadata.depth === "uchar" || metadata.depth === undefined || metadata.depth === "char" ? 8 : 16;
  const colour = colourOf(metadata.space);
  const colours = coloursOf(metadata.icc, colour, bitDepth);
  if (colours.note !== undefined) notes.push(colours.note);
  const facts: ImageFacts = {
    format,
    width: turned ? height : width,
    height: turned ? width : height,
    bitDepth,
    colour,
    hasAlpha: metadata.hasAlpha,
    orientation,
    pages,
    ...(colours.profileName === undefined ? {} : { iccName: colours.profileName }),
    notes,
  };
  // TIFF keeps descriptions among its own tags, which sharp does not show.
  const hasMetadata =
    format === "tiff" ||
    format === "gif" ||
    [metadata.exif, metadata.iptc, metadata.xmp, metadata.comments].some((part) => part !== undefined) ||
    (format === "jpeg" && hasJpegNotes(head));
  return {
    path,
    facts,
    icc: metadata.icc,
    hasMetadata,
    isBare: !hasMetadata && (metadata.density === undefined || metadata.density === SCREEN_DENSITY),
    native(place) {
      const autoOrient = place === "upright";
      const opened = sharp(input, { ...base, autoOrient, ignoreIcc: !colours.convertToNative });
      if (bitDepth === 16) opened.pipelineColourspace("rgb16").toColourspace("rgb16");
      else opened.toColourspace("srgb");
      return colours.resultProfile?.convert === false ? opened.keepIccProfile() : opened;
    },
    display(place = "upright") {
      const autoOrient = place === "upright";
      const opened = sharp(input, { ...base, autoOrient, ignoreIcc: !colours.convertToDisplay });
      // Reduced to 8 bits first: otherwise sharp converts 16-bit pixels to Display P3 and calls them sRGB.
      if (metadata.space === "rgb16") opened.pipelineColourspace("srgb");
      if (metadata.space === "grey16") opened.pipelineColourspace("b-w");
      return opened.toColourspace("srgb");
    },
  };
}

/** What libvips reports where a file gives no resolution. */
const SCREEN_DENSITY = 72;

/** Facts of a file without decoding its pixels. */
export async function inspectImage(path: string, limits: Limits): Promise<ImageFacts> {
  return (await openImage(path, limits)).facts;
}

/** Runs a decode, turning libvips' words into ours. */
export async function decoding<T>(image: OpenImage, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    const name = basename(image.path);
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/no space left|disk full|ENOSPC|quota/i.test(text)) {
      throw new AutochromeError(
        "disk-full",
        `The disk is full: there is no room to open ${name}.`,
        "Free some space and try again.",
        { cause },
      );
    }
    if (/out of memory|unable to allocate/i.test(text)) {
      throw new AutochromeError(
        "out-of-memory",
        `There is not enough memory to open ${name}.`,
        "Close other programs and try again.",
        { cause },
      );
    }
    throw new AutochromeError(
      "damaged-image",
      `${name} is damaged: it cannot be read to the end.`,
      "Copy it again from where it came from, or repair it in an image editor.",
      { cause },
    );
  }
}

/** Enough for the segments of a JPEG before its pixels, also with a usual profile. */
const HEAD = 64 * 1024;

/** Whether a JPEG has segments that may hold somebody's words: comments and those of applications. */
function hasJpegNotes(head: string): boolean {
  let at = 2;
  while (at + 4 <= head.length && head.charCodeAt(at) === 0xff) {
    const marker = head.charCodeAt(at + 1);
    if (marker === 0xda) return false; // pixels begin
    const harmless = marker === 0xe0 || marker === 0xee || head.startsWith("ICC_PROFILE\0", at + 4);
    if (marker === 0xfe || (marker >= 0xe0 && marker <= 0xef && !harmless)) return true;
    at += 2 + head.charCodeAt(at + 2) * 256 + head.charCodeAt(at + 3);
  }
  return true; // not to be seen from the head
}

async function readHead(path: string, name: string): Promise<{ head: string; size: number }> {
  try {
    // A named pipe called like a photo would be waited for until somebody writes into it.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stat = await handle.stat();
      if (!stat.isFile())
        throw new AutochromeError("not-an-image", `${name} is not a file.`, "Choose a photo.");
      const bytes = Buffer.alloc(HEAD);
      const { bytesRead } = await handle.read(bytes, 0, HEAD, 0);
      return { head: bytes.toString("latin1", 0, bytesRead), size: stat.size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof AutochromeError) throw error;
    const record = toErrorRecord(error, name);
    throw new AutochromeError(record.code, record.message, record.next, { cause: error });
  }
}

/** libvips reads options from a trailing "[…]" of a file name; such files are handed over as bytes. */
async function inputFor(path: string): Promise<string | Buffer> {
  if (!path.endsWith("]")) return path;
  const handle = await open(path, "r");
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function unreadable(name: string, head: string, cause: unknown): AutochromeError {
  if (cause instanceof Error && cause.message.includes("channel limit")) {
    return new AutochromeError(
      "unsupported-image",
      `${name} has more colour channels than Autochrome knows.`,
      "Export it as RGB or greyscale with the program it came from.",
      { cause },
    );
  }
  const kind = UNSUPPORTED.find(([pattern]) => pattern.test(head))?.[1];
  if (kind !== undefined) return unsupported(name, kind, cause);
  const known =
    /^(\xff\xd8\xff|\x89PNG|GIF8|II\x2a\x00|MM\x00\x2a|II\x2b\x00|RIFF....WEBP|....ftypavif)/s.test(head);
  return known
    ? new AutochromeError(
        "damaged-image",
        `${name} is damaged: its header cannot be read.`,
        "Copy it again from where it came from.",
        { cause },
      )
    : new AutochromeError(
        "not-an-image",
        `${name} is not a photo that Autochrome knows.`,
        "JPEG, PNG, TIFF, WebP, AVIF and GIF can be opened.",
        { cause },
      );
}

function unsupported(name: string, kind: string, cause?: unknown): AutochromeError {
  return new AutochromeError(
    "unsupported-image",
    `${name} is a ${kind} file, which cannot be opened here.`,
    "Export it as TIFF, PNG or JPEG with the program it came from.",
    { cause },
  );
}

function formatOf(metadata: Metadata, name: string): ImageFormat {
  const { format } = metadata;
  if (format === "heif") {
    if (metadata.compression === "av1") return "avif";
    if (sharp.format.heif.input.fileSuffix?.includes(".heic") === true) return "heif";
    throw unsupported(name, "HEIC");
  }
  if (format === "jpeg" || format === "png" || format === "tiff" || format === "webp" || format === "gif")
    return format;
  throw new AutochromeError(
    "not-an-image",
    `${name} is a ${String(format)} file, not a photo.`,
    "JPEG, PNG, TIFF, WebP, AVIF and GIF can be opened.",
  );
}

const EXTENSIONS: Record<ImageFormat, readonly string[]> = {
  jpeg: [".jpg", ".jpeg", ".jpe", ".jfif"],
  png: [".png"],
  tiff: [".tif", ".tiff"],
  webp: [".webp"],
  avif: [".avif"],
  gif: [".gif"],
  heif: [".heic", ".heif"],
};

/** Extensions that a folder walk takes for photos, lower case with their dot. */
export const PHOTO_EXTENSIONS: ReadonlySet<string> = new Set(Object.values(EXTENSIONS).flat());

/** Whether a file name ends as files of this format do. */
export function matchesExtension(format: ImageFormat, path: string): boolean {
  return EXTENSIONS[format].includes(extname(path).toLowerCase());
}

function colourOf(space: string | undefined): ImageFacts["colour"] {
  if (space === "b-w" || space === "grey16" || space === "fourier") return "grey";
  if (space === "cmyk") return "cmyk";
  if (space === "lab" || space === "labs" || space === "labq") return "lab";
  return "rgb";
}
