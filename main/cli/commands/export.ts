// `export`: versions out of the library, as files of their own.
import { resolve } from "node:path";
import { exportPhotos } from "../../../app/batches/index.ts";
import { photosOf } from "../../../app/catalogue/index.ts";
import type { OutputFormat } from "../../../app/imaging/index.ts";
import { createEngine } from "../engine.ts";
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
    const { exported, failed, without } = await exportPhotos({
      library,
      workers: engine.workers(),
      photos: photosOf(library, flags.album === undefined ? {} : { album: flags.album }),
      out: resolve(flags.out),
      acceptedOnly: flags.accepted === true,
      format: flags.format,
      quality: engine.config.quality,
      sideBySide: flags.sideBySide === true,
      isMarked: false,
      signal: interrupt.drain,
      onPhoto(event) {
        const { photo, status } = event;
        if (status === "done") {
          output.line({ photo: photo.id, version: event.version, output: event.output, status });
          output.say(printable(event.output));
        } else if (status === "failed") {
          const { version, error } = event;
          output.line({ photo: photo.id, version, output: null, status, error });
          output.fail(photo.path, error);
        }
      },
    });
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
