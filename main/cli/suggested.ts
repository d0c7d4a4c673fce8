// `--workflow auto`: of the presets that can be suggested, each photo gets the one that suits it.
// Must never: stop for a photo that cannot be looked at; what is wrong with it is told when it is coloured.
import type { Plan } from "../../app/batches/index.ts";
import type { SuggestedPreset } from "../../app/suggest/index.ts";
import type { Engine } from "./engine.ts";
import { type PlanFlags, planFrom } from "./plan.ts";

/** What `--workflow` says for it. */
export const AUTO = "auto";

const PRESETS: readonly SuggestedPreset[] = ["portrait", "group", "building", "quick"];

/** Whether a suggestion is wished: by the flag, or by the settings where no workflow is named. */
export function isSuggestionWished(engine: Engine, flags: PlanFlags): boolean {
  return flags.workflow === AUTO || (flags.workflow === undefined && engine.config.suggest);
}

/** A plan with a variant for each preset, and what chooses among them. */
export async function suggestedPlan(
  engine: Engine,
  flags: PlanFlags,
  existing: Plan["existing"],
  say: (text: string) => void,
): Promise<{ readonly plan: Plan; choose(path: string, signal: AbortSignal): Promise<number> }> {
  const plans = await Promise.all(
    PRESETS.map((workflow) => planFrom(engine.config, { ...flags, workflow }, existing, say)),
  );
  const [first] = plans;
  if (first === undefined) throw new Error("there are presets");
  return {
    // Several models or sizes with each preset would be too many to choose from: the first of each is taken.
    plan: { ...first, variants: plans.flatMap(({ variants }) => variants.slice(0, 1)) },
    async choose(path, signal) {
      try {
        const { preset } = await engine.suggester().presetFor(path, signal);
        return PRESETS.indexOf(preset);
      } catch (thrown) {
        signal.throwIfAborted();
        engine.log.warn({ path, err: thrown }, "no suggestion for this photo");
        return PRESETS.indexOf("quick");
      }
    },
  };
}
