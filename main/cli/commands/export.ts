// `export`: versions out of the library, as files of their own.
import { mkdir } from "node:fs/promises";
import { extname, join, parse, resolve } from "node:path";
import {
  chosenVersion,
  type Library,
  type Photo,
  photosOf,
  type Version,
} from "../../../app/catalogue/index.ts";
import { extensionFor, type OutputFormat } from "../../../app/imaging/index.ts";
import {
  copyAtomically,
  createNames,
  portableName,
  toErrorRecord,
  writeAtomically,
} from "../../../app/kernel/index.ts";
import { createEngine, type Engine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { type Output, printable } from "../output.ts";

export interface ExportFlags {
  readonly out: string;
  readonly library?: string;
  readonly album?: string;
  readonly accepted?: boolean;
  readonly format: OutputFormat | "same";
  readonly sideBySide?: boolean;
}

export async function exportVersions(flags: ExportFlags, output: Output): Promise<number> {
  const engine = createEngine({ library: flags.library });
  const interrupt = listenForInterrupt(output);
  try {
    const library = await engine.library();
    const out = resolve(flags.out);
    await mkdir(out, { recursive: true });
    const names = createNames();
    let exported = 0;
    let failed = 0;
    let without = 0;
    const selection = flags.album === undefined ? {} : { album: flags.album };
    for (const photo of photosOf(library, selection)) {
      if (interrupt.drain.aborted) break;
      const version = chosenVersion(library.db, photo.id, flags.accepted === true);
      if (version === undefined) {
        without++;
        continue;
      }
      const format = flags.format === "same" ? (version.format as OutputFormat) : flags.format;
      const target = names(join(out, fileName(photo, version, format)));
      try {
        await write(engine, library, photo, version, target, flags, format);
        exported++;
        output.line({ photo: photo.id, version: version.id, output: target, status: "done" });
        output.say(printable(target));
      } catch (thrown) {
        failed++;
        const error = toErrorRecord(thrown, photo.path);
        output.line({ photo: photo.id, version: version.id, output: null, status: "failed", error });
        output.fail(photo.path, error);
      }
    }
    output.summary(
      { exported, failed, without },
      `${exported} exported, ${failed} failed, ${without} without a version.`,
    );
    if (interrupt.drain.aborted) return EXIT.interrupted;
    return failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}

async function write(
  engine: Engine,
  library: Library,
  photo: Photo,
  version: Version,
  target: string,
  flags: ExportFlags,
  format: OutputFormat,
): Promise<void> {
  const file = join(library.folder, version.file);
  const { quality } = engine.config;
  if (flags.sideBySide === true) {
    await writeAtomically(target, { overwrite: false }, (temporary) =>
      engine.workers().pairUp(photo.path, file, temporary, format, quality),
    );
  } else if (format === version.format) {
    await copyAtomically(file, target, { overwrite: false });
  } else {
    await writeAtomically(target, { overwrite: false }, (temporary) =>
      engine.workers().convert(file, temporary, format, quality),
    );
  }
}

/** The photo's name with the extension of the version's format, or of the wished one. */
function fileName(photo: Photo, version: Version, format: OutputFormat): string {
  const extension = format === version.format ? extname(version.file) : extensionFor(format);
  return portableName(parse(photo.name).name, extension);
}
