// The plan that `colorize` and `batch run` carry out: graphs of presets or files, with the flags' values in them.
import type { Plan, Variant } from "../../app/batches/index.ts";
import { roundModelSize } from "../../app/colorize/index.ts";
import type { OutputFormat } from "../../app/imaging/index.ts";
import type { Config } from "../../app/kernel/index.ts";
import { type Model, openModelStore } from "../../app/modelstore/index.ts";
import { readWorkflow, withSettings } from "../../app/workflow/index.ts";

/** The preset that does nothing but colour. Without `--workflow` it runs at the size of the settings or the model. */
const PLAIN = "quick";

/** Flags that say what is done to each photo. */
export interface PlanFlags {
  /** A preset's name, or the path of a workflow file. */
  readonly workflow?: string;
  /** Several make several results of each photo, to choose from. */
  readonly model?: readonly string[];
  readonly modelSize?: readonly number[];
  readonly colorFactor?: number;
  readonly format?: OutputFormat | "same";
  readonly parity?: boolean;
}

/**
 * Flags over settings over the workflow's own values.
 * @param say hears of everything that was changed
 * @throws AutochromeError "workflow-invalid", "not-found", "model-missing"
 */
export async function planFrom(
  config: Config,
  flags: PlanFlags,
  existing: Plan["existing"],
  say: (text: string) => void,
): Promise<Plan> {
  const store = openModelStore(config.models);
  const models = (flags.model ?? [config.model]).map((id) => store.find(id));
  const sizes: readonly (number | undefined)[] = flags.modelSize?.map((size) => rounded(size, say)) ?? [
    undefined,
  ];
  const variants: Variant[] = [];
  for (const model of models) {
    for (const size of sizes) {
      const varied = [models.length > 1 ? model.id : [], sizes.length > 1 ? String(size) : []].flat();
      variants.push({
        name: varied.join(" ") || (flags.workflow ?? PLAIN),
        graph: await graphFrom(config, flags, flags.workflow ?? PLAIN, model, size),
      });
    }
  }
  return { variants, existing, mayShrink: flags.modelSize === undefined };
}

function graphFrom(
  config: Config,
  flags: PlanFlags,
  workflow: string,
  model: Model,
  size: number | undefined,
) {
  const usual = flags.workflow === undefined ? (config.modelSize ?? model.input.standard) : undefined;
  return readWorkflow(workflow).then((graph) =>
    withSettings(graph, {
      model: model.id,
      modelSize: size ?? usual,
      colorFactor: flags.colorFactor,
      parity: flags.parity,
      format: flags.format ?? "same",
      quality: config.quality,
    }),
  );
}

function rounded(wished: number, say: (text: string) => void): number {
  const side = roundModelSize(wished);
  if (side !== wished) {
    say(`The model size ${wished} was rounded to ${side}: sides are multiples of 32, from 64 to 2048.`);
  }
  return side;
}
