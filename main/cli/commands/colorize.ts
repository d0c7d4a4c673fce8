// `colorize`: files in, files out, no library.
import { resolve } from "node:path";
import { queueFiles, runBatch } from "../../../app/batches/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { type GraphFlags, graphFrom } from "../graph.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { reportItem, type Tally, tallySentence } from "../report.ts";

export interface ColorizeFlags extends GraphFlags {
  readonly out: string;
  readonly device?: "auto" | "cpu";
  readonly overwrite?: boolean;
}

export async function colorize(
  paths: readonly string[],
  flags: ColorizeFlags,
  output: Output,
): Promise<number> {
  const engine = createEngine({ device: flags.device });
  const interrupt = listenForInterrupt(output);
  const started = Date.now();
  try {
    const graph = await graphFrom(engine.config, flags, output.say);
    const library = await engine.scratchLibrary();
    const tally: Tally = { done: 0, failed: 0, skipped: 0 };
    const { batch, problems } = await queueFiles(library, {
      sources: paths.map((path) => resolve(path)),
      out: resolve(flags.out),
      plan: { graph, existing: flags.overwrite === true ? "overwrite" : "skip" },
      executor: "local",
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
      { ...tally, seconds, device: executor.device, model: flags.model ?? engine.config.model },
      tallySentence(tally, seconds),
    );
    if (interrupt.drain.aborted) return EXIT.interrupted;
    return tally.failed > 0 ? EXIT.failed : EXIT.ok;
  } finally {
    interrupt.release();
    await engine.close();
  }
}
