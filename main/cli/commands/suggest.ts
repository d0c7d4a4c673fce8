// `suggest`: the preset that suits each photo, and why. Must never: colour anything.
import { resolve } from "node:path";
import { resolveSources, walk } from "../../../app/catalogue/index.ts";
import { toErrorRecord } from "../../../app/kernel/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { type Output, printable } from "../output.ts";

export async function suggest(paths: readonly string[], output: Output): Promise<number> {
  const engine = createEngine({});
  const interrupt = listenForInterrupt(output);
  const counts = { suggested: 0, failed: 0 };
  const fail = (file: string, thrown: unknown) => {
    counts.failed++;
    const error = toErrorRecord(thrown, file);
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
        fail(found.path, thrown);
      }
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
