// The graph that `colorize` and `batch run` run: a preset's or a file's, with the flags' values in it.
import { roundModelSize } from "../../app/colorize/index.ts";
import type { OutputFormat } from "../../app/imaging/index.ts";
import type { Config } from "../../app/kernel/index.ts";
import { findModel } from "../../app/modelstore/index.ts";
import { type ApiGraph, readWorkflow, withSettings } from "../../app/workflow/index.ts";

/** The preset that does nothing but colour. Without `--workflow` it runs at the size of the settings or the model. */
const PLAIN = "quick";

/** Flags that say what is done to each photo. */
export interface GraphFlags {
  /** A preset's name, or the path of a workflow file. */
  readonly workflow?: string;
  readonly model?: string;
  readonly modelSize?: number;
  readonly colorFactor?: number;
  readonly format?: OutputFormat | "same";
  readonly parity?: boolean;
}

/**
 * Flags over settings over the workflow's own values.
 * @param say hears of everything that was changed
 * @throws AutochromeError "workflow-invalid", "not-found", "model-missing"
 */
export async function graphFrom(
  config: Config,
  flags: GraphFlags,
  say: (text: string) => void,
): Promise<ApiGraph> {
  const model = findModel(flags.model ?? config.model);
  const { workflow = PLAIN } = flags;
  const usual = flags.workflow === undefined ? (config.modelSize ?? model.input.standard) : undefined;
  const modelSize = flags.modelSize ?? usual;
  return withSettings(await readWorkflow(workflow), {
    model: model.id,
    modelSize: modelSize === undefined ? undefined : rounded(modelSize, say),
    colorFactor: flags.colorFactor,
    parity: flags.parity,
    format: flags.format ?? "same",
    quality: config.quality,
  });
}

function rounded(wished: number, say: (text: string) => void): number {
  const side = roundModelSize(wished);
  if (side !== wished) {
    say(`The model size ${wished} was rounded to ${side}: sides are multiples of 32, from 64 to 2048.`);
  }
  return side;
}
