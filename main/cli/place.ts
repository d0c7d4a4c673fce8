// Where a batch runs: what `--on` names, and what "auto" comes to here and now.
// Must never: send photos anywhere that nobody configured.
import { measureMs, type Plan } from "../../app/batches/index.ts";
import { chooseDevice } from "../../app/colorize/index.ts";
import { toErrorRecord } from "../../app/kernel/index.ts";
import { deviceOptions } from "../surroundings.ts";
import type { Engine } from "./engine.ts";
import { duration } from "./output.ts";

/** Below so many photos nobody asks how long it takes. */
const WORTH_SAYING = 5;
/** Somebody waits for the answer. */
const QUICK = { tries: 2, retries: 1 };

/**
 * The executor's name for a batch: this computer where it has a GPU, else the cluster where one is configured and answers,
 * else this computer's CPU, with how long that will take.
 * @param say hears what was chosen and why
 * @throws AutochromeError "device-unavailable" where a device was asked for by name and does not work
 */
export async function placeFor(
  engine: Engine,
  on: string,
  plan: Plan,
  photos: number,
  say: (text: string) => void,
): Promise<string> {
  if (on !== "auto") return on;
  const { config, log } = engine;
  const options = deviceOptions(config, log, (device) => say(`Trying ${device} …`));
  const { provider } = await chooseDevice({ ...options, wish: config.device });
  if (provider !== "cpu") return "local";
  if (config.device === "auto" && config.clusterStore !== undefined && config.clusterImage !== undefined) {
    const trouble = await clusterTrouble(engine);
    if (trouble === undefined) {
      say("This computer has no GPU that can be used, so the cluster works.");
      return "cluster";
    }
    say(`This computer's CPU works. ${trouble}`);
  }
  if (photos >= WORTH_SAYING) {
    const times = await Promise.all(
      plan.variants.map(({ graph }) => measureMs(engine.surroundings(), graph)),
    );
    const known = times.filter((ms) => ms !== undefined);
    // Each photo has a variant of its own where presets are suggested, and all of them otherwise.
    const mean = known.reduce((sum, ms) => sum + ms, 0) / known.length;
    if (known.length > 0)
      say(`On this computer's CPU the network alone takes about ${duration(mean * photos)}.`);
  }
  return "local";
}

/** Why the cluster cannot work now, in words; undefined: it can. */
async function clusterTrouble({ config }: Engine): Promise<string | undefined> {
  try {
    const { clusterOf, storeOf } = await import("./cluster.ts"); // loaded only where there is a cluster
    const cluster = await clusterOf(config, QUICK.tries);
    try {
      await cluster.version();
      const store = await storeOf(config, cluster, { retries: QUICK.retries });
      const { ok, message, next } = await store.check().finally(() => store.close());
      return ok ? undefined : `${message} ${next}`;
    } finally {
      await cluster.close();
    }
  } catch (thrown) {
    const { message, next } = toErrorRecord(thrown);
    return `${message} ${next}`;
  }
}
