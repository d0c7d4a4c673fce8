// `suggest`: the preset that suits each photo, and why. Must never: colour anything.
import { basename, resolve } from "node:path";
import { resolveSources, walk } from "../../../app/catalogue/index.ts";
import { AutochromeError, type ErrorRecord, toErrorRecord } from "../../../app/kernel/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { type Output, printable } from "../output.ts";

export async function suggest(paths: readonly string[], output: Output): Promise<number> {
  const engine = createEngine({});
  const interrupt = listenForInterrupt(output);
  const counts = { suggested: 0, failed: 0 };
  const fail = (file: string, error: ErrorRecord) => {
    counts.failed++;
    output.line({ file, error });
    output.fail(file, error);
  };
  try {
    const { roots, failed } = await resolveSources(
      paths.map((path) => resolve(path)),
      undefined,
    );
    for (const { path, error } of failed) fail(path, error);
    // A library inside the folders is none of them.
    for await (const found of walk(roots, engine.libraryFolder)) {
      if ("error" in found) {
        fail(found.path, found.error);
        continue;
      }
      try {
        const suggestion = await engine.suggester().presetFor(found.path, interrupt.drain);
        counts.suggested++;
        output.line({ file: found.path, ...suggestion });
        output.result(`${suggestion.preset.padEnd(8)}  ${printable(found.path)}  ${suggestion.why.en}`);
      } catch (thrown) {
        if (interrupt.drain.aborted) return EXIT.interrupted;
        fail(found.path, toErrorRecord(thrown, basename(found.path)));
      }
    }
    if (counts.suggested + counts.failed === 0) {
      throw new AutochromeError(
        "usage",
        "There are no photos here.",
        "Name photos, or a folder with photos.",
      );
    }
    output.summary(
      counts,
      `${counts.suggested} looked at. Use it with --workflow auto, or always with the setting suggest.`,
    );
    return counts.failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}
