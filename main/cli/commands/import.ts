// `import`: files and folders into the library.
import { resolve } from "node:path";
import { importPhotos } from "../../../app/catalogue/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { duration, type Output } from "../output.ts";

export async function importCommand(
  paths: readonly string[],
  flags: { readonly library?: string; readonly album?: string; readonly copy?: boolean },
  output: Output,
): Promise<number> {
  const engine = createEngine({ library: flags.library });
  const interrupt = listenForInterrupt(output);
  const started = Date.now();
  try {
    const library = await engine.library();
    for (const warning of library.warnings) output.say(warning);
    let failures = 0;
    const result = await importPhotos(
      library,
      paths.map((path) => resolve(path)),
      {
        workers: engine.workers(),
        ...(flags.album === undefined ? {} : { album: flags.album }),
        copy: flags.copy === true,
        signal: interrupt.drain,
        onEvent: (event) => {
          if (event.error !== undefined) {
            failures++;
            output.line({ file: event.path, status: "failed", error: event.error });
            output.fail(event.path, event.error);
          }
          const { done, total } = event.progress;
          const remainingMs = done === 0 ? undefined : ((Date.now() - started) / done) * (total - done);
          output.progress({ done, total, failed: failures, remainingMs });
        },
      },
    );
    const seconds = (Date.now() - started) / 1000;
    output.summary(
      { ...result, seconds },
      `${result.imported} imported, ${result.duplicates} duplicates, ${result.unchanged} already there, ${result.failed} failed in ${duration(seconds * 1000)}.`,
    );
    if (interrupt.drain.aborted) return EXIT.interrupted;
    return result.failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}
