// Versions out of the library, as files of their own.
//
// Owns: which version goes out, under which name, in which form. Must never: replace a file, or change what is in the
// library: a mark is on the copy alone.
import { mkdir } from "node:fs/promises";
import { extname, join, parse } from "node:path";
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { chosenVersion, type Library, type Photo, type Version } from "../catalogue/index.ts";
import { extensionFor, type OutputFormat, type PixelWorkers } from "../imaging/index.ts";
import {
  copyAtomically,
  createNames,
  type ErrorRecord,
  portableName,
  toErrorRecord,
  writeAtomically,
} from "../kernel/index.ts";

export interface ExportOptions {
  readonly library: Library;
  readonly workers: PixelWorkers;
  readonly photos: Iterable<Photo>;
  /** Absolute path of a folder; made if it is not there. */
  readonly out: string;
  /** Nothing but accepted versions. */
  readonly acceptedOnly: boolean;
  readonly format: OutputFormat | "same";
  /** JPEG, WebP and AVIF quality where a picture is encoded anew, 1–100. */
  readonly quality: number;
  /** Original and version in one picture. */
  readonly sideBySide: boolean;
  /** With "colourised / 上色" in a corner of the copy. */
  readonly isMarked: boolean;
  /** Aborted: the one under way is finished, no other is begun. */
  readonly signal: AbortSignal;
  readonly onPhoto: (event: ExportEvent) => void;
}

/** What became of a photo. "without": it has no version that could go out. */
export type ExportEvent = { readonly photo: Photo } & (
  | { readonly status: "without" }
  | { readonly status: "done"; readonly version: string; readonly output: string }
  | { readonly status: "failed"; readonly version: string; readonly error: ErrorRecord }
);

export type ExportResult = Readonly<Record<"exported" | "failed" | "without", number>>;

/** Versions have no others. */
const formatSchema = z.enum(["jpeg", "png", "tiff", "webp", "avif"]);

/** @throws what concerns the folder as a whole; failures of single photos are events */
export async function exportPhotos(options: ExportOptions): Promise<ExportResult> {
  const { library, photos, out, onPhoto } = options;
  await mkdir(out, { recursive: true });
  const names = createNames();
  const counts = { exported: 0, failed: 0, without: 0 };
  for (const photo of photos) {
    await setImmediate(); // a thousand photos without versions in a row shall keep nobody waiting
    if (options.signal.aborted) break;
    const version = chosenVersion(library.db, photo.id, options.acceptedOnly);
    if (version === undefined) {
      counts.without++;
      onPhoto({ photo, status: "without" });
      continue;
    }
    const own = formatSchema.parse(version.format);
    const format = options.format === "same" ? own : options.format;
    const extension = format === own ? extname(version.file) : extensionFor(format);
    const output = names(join(out, portableName(parse(photo.name).name, extension)));
    try {
      await write(options, photo, version, output, format);
      counts.exported++;
      onPhoto({ photo, status: "done", version: version.id, output });
    } catch (thrown) {
      counts.failed++;
      onPhoto({ photo, status: "failed", version: version.id, error: toErrorRecord(thrown, photo.path) });
    }
  }
  return counts;
}

async function write(
  { library, workers, quality, sideBySide, isMarked }: ExportOptions,
  photo: Photo,
  version: Version,
  target: string,
  format: OutputFormat,
): Promise<void> {
  const file = join(library.folder, version.file);
  if (sideBySide) {
    await writeAtomically(target, { overwrite: false }, (temporary) =>
      workers.pairUp(photo.path, file, temporary, format, quality, isMarked),
    );
  } else if (format === version.format && !isMarked) {
    await copyAtomically(file, target, { overwrite: false });
  } else {
    await writeAtomically(target, { overwrite: false }, (temporary) =>
      workers.convert(file, temporary, format, quality, isMarked),
    );
  }
}
