// Opens photographs: what a file is, and its pixels as sRGB the way a viewer shows them.
//
// Owns: recognising content (never trusting the extension), limits, turning by EXIF orientation, ICC → sRGB.
// Must never: write to a source file, or decode a file before its header has passed the limits.
import { open } from "node:fs/promises";
import { basename, extname } from "node:path";
import sharp, { type Metadata, type Sharp, type SharpOptions } from "sharp";
import { AutochromeError, toErrorRecord } from "../kernel/index.ts";
import { fromLinear, levelTablesFor, luminanceOf, type Primaries, rgbToLab } from "./lab.ts";
import { materialise, type Raster } from "./raster.ts";
import type { ImageFacts, ImageFormat, NetworkInput } from "./types.ts";

export interface Limits {
  /** Largest photo that is opened, in megapixels. */
  readonly maxMegapixels: number;
}

/** An opened file: its facts, its profile, and a way to start decoding pipelines on it. */
export interface OpenImage {
  readonly path: string;
  readonly facts: ImageFacts;
  /** The embedded RGB profile, where it is a usable one other than sRGB: results are converted to it. */
  readonly profile: Buffer | undefined;
  /** The embedded profile is sRGB itself: carried over as it is, never converted through. */
  readonly standardProfile: boolean;
  /** What the 16-bit pixels of {@link pipeline} are; 8-bit ones are always sRGB. */
  readonly primaries: Primaries;
  /** Whether any EXIF, IPTC or XMP is embedded. */
  readonly hasMetadata: boolean;
  /** A pipeline that gives upright sRGB pixels: 8 bit, or 16 bit when asked for. */
  pipeline(bitDepth: 8 | 16): Sharp;
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
  const icc = iccOf(metadata.icc);
  if (metadata.icc !== undefined && icc === undefined)
    notes.push("The colour profile is damaged and was ignored.");
  const bitDepth =
    metadata.depth === "uchar" || metadata.depth === undefined || metadata.depth === "char" ? 8 : 16;
  const colour = colourOf(metadata.space);
  const standard =
    icc !== undefined && colour === "rgb" && /^s?RGB( IEC|$| built-in|2014)|^c2$/i.test(icc.name);
  const facts: ImageFacts = {
    format,
    width: turned ? height : width,
    height: turned ? width : height,
    bitDepth,
    colour,
    hasAlpha: metadata.hasAlpha,
    orientation,
    pages,
    ...(icc === undefined ? {} : { iccName: icc.name }),
    notes,
  };
  const options: SharpOptions = {
    ...base,
    // Turning by 90° reads columns: libvips then decodes to a temporary file instead of streaming.
    sequentialRead: orientation === 1,
    // A damaged profile must not decide, and converting sRGB to sRGB would only cost time and rounding.
    ignoreIcc: standard || (metadata.icc !== undefined && icc === undefined),
  };
  return {
    path,
    facts,
    profile: icc?.space === "RGB " && colour === "rgb" && !standard ? metadata.icc : undefined,
    standardProfile: standard,
    primaries: icc !== undefined && !standard && bitDepth === 16 && colour === "rgb" ? "p3" : "srgb",
    hasMetadata: metadata.exif !== undefined || metadata.iptc !== undefined || metadata.xmp !== undefined,
    pipeline(depth) {
      const opened = sharp(input, options).autoOrient();
      return depth === 16
        ? opened.pipelineColourspace("rgb16").toColourspace("rgb16")
        : opened.toColourspace("srgb");
    },
  };
}

/** Facts of a file without decoding its pixels. */
export async function inspectImage(path: string, limits: Limits): Promise<ImageFacts> {
  return (await openImage(path, limits)).facts;
}

/**
 * All pixels as upright sRGB. Dispose of the raster when done.
 * @param scratch where a large photo's pixels may lie meanwhile; must not exist
 */
export async function openRaster(image: OpenImage, scratch: string): Promise<Raster> {
  const { width, height, bitDepth, hasAlpha } = image.facts;
  const bytes = width * height * (hasAlpha ? 4 : 3) * (bitDepth / 8);
  return decoding(image, () =>
    materialise(image.pipeline(bitDepth), bitDepth, image.primaries, bytes, scratch),
  );
}

/**
 * What the network sees: the photo squeezed to width × height, its lightness as neutral sRGB. The reduction is
 * antialiased (Lanczos), unlike the official pipeline's, which {@link prepareParityInput} follows.
 */
export async function prepareInput(image: OpenImage, width: number, height: number): Promise<NetworkInput> {
  const pixels = await decoding(image, () =>
    image.pipeline(8).removeAlpha().resize(width, height, { fit: "fill" }).raw().toBuffer(),
  );
  const { redY, greenY, blueY } = levelTablesFor(8, "srgb");
  const data = new Float32Array(3 * width * height);
  const size = width * height;
  for (let i = 0; i < size; i++) {
    const luminance = redY[pixels[i * 3]!]! + greenY[pixels[i * 3 + 1]!]! + blueY[pixels[i * 3 + 2]!]!;
    data[i] = fromLinear(luminance);
  }
  data.copyWithin(size, 0, size);
  data.copyWithin(2 * size, 0, size);
  return { data, width, height };
}

/**
 * As the official pipeline prepares it: bilinear without antialiasing on the colour image (half-pixel centres, as
 * cv2.resize), then Lab, a = b = 0, then RGB.
 */
export async function prepareParityInput(
  raster: Raster,
  width: number,
  height: number,
): Promise<NetworkInput> {
  const size = width * height;
  const data = new Float32Array(3 * size);
  const top = raster.bitDepth === 8 ? 255 : 65535;
  const { channels } = raster;
  for (let y = 0; y < height; y++) {
    const fy = Math.min(raster.height - 1, Math.max(0, ((y + 0.5) * raster.height) / height - 0.5));
    const y0 = Math.floor(fy);
    const y1 = Math.min(raster.height - 1, y0 + 1);
    const upper = await raster.read(y0, 1);
    const lower = y1 === y0 ? upper : await raster.read(y1, 1);
    for (let x = 0; x < width; x++) {
      const fx = Math.min(raster.width - 1, Math.max(0, ((x + 0.5) * raster.width) / width - 0.5));
      const x0 = Math.floor(fx);
      const x1 = Math.min(raster.width - 1, x0 + 1);
      const mix = (channel: number) => {
        const above =
          upper[x0 * channels + channel]! * (x0 + 1 - fx) + upper[x1 * channels + channel]! * (fx - x0);
        const below =
          lower[x0 * channels + channel]! * (x0 + 1 - fx) + lower[x1 * channels + channel]! * (fx - x0);
        return (above * (y0 + 1 - fy) + below * (fy - y0)) / top;
      };
      const [lightness] = rgbToLab(mix(0), mix(1), mix(2));
      data[y * width + x] = fromLinear(luminanceOf(lightness));
    }
  }
  data.copyWithin(size, 0, size);
  data.copyWithin(2 * size, 0, size);
  return { data, width, height };
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

async function readHead(path: string, name: string): Promise<{ head: string; size: number }> {
  try {
    const handle = await open(path, "r");
    try {
      const stat = await handle.stat();
      if (!stat.isFile())
        throw new AutochromeError("not-an-image", `${name} is not a file.`, "Choose a photo.");
      const bytes = Buffer.alloc(32);
      const { bytesRead } = await handle.read(bytes, 0, 32, 0);
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
  const kind = UNSUPPORTED.find(([pattern]) => pattern.test(head))?.[1];
  if (kind !== undefined) {
    return new AutochromeError(
      "unsupported-image",
      `${name} is a ${kind} file, which cannot be opened here.`,
      "Export it as TIFF, PNG or JPEG with the program it came from.",
      { cause },
    );
  }
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

function formatOf(metadata: Metadata, name: string): ImageFormat {
  const { format } = metadata;
  if (format === "heif") return metadata.compression === "av1" ? "avif" : "heif";
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

function matchesExtension(format: ImageFormat, path: string): boolean {
  return EXTENSIONS[format].includes(extname(path).toLowerCase());
}

function colourOf(space: string | undefined): ImageFacts["colour"] {
  if (space === "b-w" || space === "grey16" || space === "fourier") return "grey";
  if (space === "cmyk") return "cmyk";
  if (space === "lab" || space === "labs" || space === "labq") return "lab";
  return "rgb";
}

/** Name and colour space of a profile that is whole: right length, "acsp" signature, a plausible tag table. */
function iccOf(icc: Buffer | undefined): { name: string; space: string } | undefined {
  if (icc === undefined || icc.length < 132 || icc.toString("latin1", 36, 40) !== "acsp") return undefined;
  if (icc.readUInt32BE(0) > icc.length) return undefined;
  const count = icc.readUInt32BE(128);
  if (count === 0 || 132 + count * 12 > icc.length) return undefined;
  let name = "unnamed profile";
  for (let tag = 0; tag < count; tag++) {
    const at = 132 + tag * 12;
    const offset = icc.readUInt32BE(at + 4);
    const length = icc.readUInt32BE(at + 8);
    if (offset + length > icc.length) return undefined;
    if (icc.toString("latin1", at, at + 4) === "desc")
      name = describeTag(icc.subarray(offset, offset + length)) || name;
  }
  return { name, space: icc.toString("latin1", 16, 20) };
}

/** Text of an ICC v2 "desc" or v4 "mluc" element. */
function describeTag(tag: Buffer): string {
  const type = tag.toString("latin1", 0, 4);
  if (type === "desc" && tag.length > 12) {
    return tag.toString("latin1", 12, Math.min(tag.length, 12 + tag.readUInt32BE(8))).replace(/\0.*$/s, "");
  }
  if (type === "mluc" && tag.length >= 28) {
    const length = tag.readUInt32BE(20);
    const offset = tag.readUInt32BE(24);
    if (offset + length > tag.length) return "";
    return Buffer.from(tag.subarray(offset, offset + (length & ~1)))
      .swap16()
      .toString("utf16le");
  }
  return "";
}
