// `suggest`: which preset suits each photo, and why. Nothing is written.
import { basename, resolve } from "node:path";
import { resolveSources, walk } from "../../../app/catalogue/index.ts";
import { AutochromeError, type ErrorRecord, toErrorRecord } from "../../../app/kernel/index.ts";
import type { SuggestedPreset } from "../../../app/suggest/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { type Output, printable } from "../output.ts";

export async function suggest(paths: readonly string[], output: Output): Promise<number> {
  const engine = createEngine({});
  const interrupt = listenForInterrupt(output);
  const counts: Record<SuggestedPreset, number> = { portrait: 0, group: 0, building: 0, quick: 0 };
  let suggested = 0;
  let failed = 0;
  const fail = (file: string, error: ErrorRecord): void => {
    failed++;
    output.line({ file, status: "failed", error });
    output.fail(file, error);
  };
  try {
    const { roots, failed: unknown } = await resolveSources(
      paths.map((path) => resolve(path)),
      undefined,
    );
    for (const { path, error } of unknown) fail(path, error);
    // Versions lie in the library's folder: they are no photographs to suggest anything for.
    for await (const found of walk(roots, engine.libraryFolder)) {
      if (interrupt.drain.aborted) break;
      if ("error" in found) {
        fail(found.path, found.error);
        continue;
      }
      try {
        const suggestion = await engine.suggester().presetFor(found.path, interrupt.stop);
        suggested++;
        counts[suggestion.preset]++;
        output.line({ file: found.path, status: "done", ...suggestion });
        output.result(`${suggestion.preset.padEnd(8)}  ${printable(found.path)}\n  ${suggestion.why.en}`);
      } catch (thrown) {
        if (interrupt.stop.aborted) break;
        fail(found.path, toErrorRecord(thrown, basename(found.path)));
      }
    }
    if (suggested + failed === 0 && !interrupt.drain.aborted) {
      throw new AutochromeError(
        "usage",
        "There are no photos here.",
        "Name photos, or a folder with photos.",
      );
    }
    output.summary(
      { suggested, failed, presets: counts },
      `${suggested} looked at${failed > 0 ? `, ${failed} failed` : ""}. Use a suggestion with --workflow, or all with --workflow auto.`,
    );
    if (interrupt.drain.aborted) return EXIT.interrupted;
    return failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}
