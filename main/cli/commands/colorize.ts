// `colorize`: files in, files out, no library.
import { resolve } from "node:path";
import { queueFiles, runBatch } from "../../../app/batches/index.ts";
import type { Config } from "../../../app/kernel/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { type PlanFlags, planFrom } from "../plan.ts";
import { reportItem, type Tally, tallySentence } from "../report.ts";
import { isSuggestionWished, suggestedPlan } from "../suggested.ts";

export interface ColorizeFlags extends PlanFlags {
  readonly out: string;
  readonly device?: Config["device"];
  readonly overwrite?: boolean;
}

export async function colorize(
  paths: readonly string[],
  flags: ColorizeFlags,
  output: Output,
): Promise<number> {
  const engine = createEngine({ device: flags.device }, output.say);
  const interrupt = listenForInterrupt(output);
  const started = Date.now();
  try {
    const existing = flags.overwrite === true ? "overwrite" : "skip";
    const suggested = isSuggestionWished(engine, flags)
      ? await suggestedPlan(engine, flags, existing, output.say)
      : undefined;
    const plan = suggested?.plan ?? (await planFrom(engine.config, flags, existing, output.say));
    const library = await engine.scratchLibrary();
    const tally: Tally = { done: 0, failed: 0, skipped: 0 };
    const { batch, problems } = await queueFiles(library, {
      sources: paths.map((path) => resolve(path)),
      out: resolve(flags.out),
      plan,
      executor: "local",
      ...(suggested === undefined
        ? {}
        : { choose: async (path: string) => [await suggested.choose(path, interrupt.drain)] }),
    });
    for (const { path, error } of problems) {
      tally.failed++;
      output.line({ file: path, output: null, status: "failed", error });
      output.fail(path, error);
    }
    const executor = engine.executor();
    if (batch !== undefined) {
      await runBatch({
        library,
        executor,
        batch: batch.id,
        log: engine.log,
        drain: interrupt.drain,
        stop: interrupt.stop,
        onItem: (event) => reportItem(output, event, tally, problems.length),
      });
    }
    const seconds = (Date.now() - started) / 1000;
    output.summary(
      { ...tally, seconds, device: executor.device, model: flags.model?.join(",") ?? engine.config.model },
      tallySentence(tally, seconds),
    );
    if (interrupt.drain.aborted) return EXIT.interrupted;
    return tally.failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}
