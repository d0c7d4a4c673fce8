// What graphs run with, as the settings say: for the command line and for pods alike.
import { createSurroundings, type Surroundings } from "../app/batches/index.ts";
import { chooseDevice, type DevicesOptions, forgetDevices, type Provider } from "../app/colorize/index.ts";
import { type Config, cacheFolder, type Logger, threadsOf } from "../app/kernel/index.ts";
import { embeddedModel } from "../app/modelstore/index.ts";

export interface SurroundingsHints {
  /** Hears of a device before it is tried. */
  readonly onProbe?: (device: Provider) => void;
  /** The settings as they are now, where they may change; else those that were given hold. */
  readonly current?: () => Config;
  /** Networks let other programs go first, as the settings say: where somebody works at the computer. */
  readonly isPolite: boolean;
}

/** Nothing is started before it is needed; closed by the caller. */
export function surroundingsFor(
  config: Config,
  log: Logger,
  { onProbe, isPolite, current = () => config }: SurroundingsHints,
): Surroundings & { close(): Promise<void> } {
  const { workers, network, niceness } = threadsOf(config);
  return createSurroundings({
    threads: workers,
    inferenceThreads: network,
    ...(isPolite ? { niceness } : {}),
    models: config.models,
    device: {
      choose: () => chooseDevice({ ...deviceOptions(current(), log, onProbe), wish: current().device }),
      get mayFallBack() {
        return current().device === "auto";
      },
      onFailed: () => void forgetDevices(cacheFolder()),
    },
    limits: { maxMegapixels: config.maxMegapixels },
    imageModels: config.imageModels,
    log,
  });
}

/** What devices are tried with. @param onProbe hears of a device before it is tried */
export function deviceOptions(
  config: Config,
  log: Logger,
  onProbe?: (device: Provider) => void,
): DevicesOptions {
  return {
    model: embeddedModel(), // small, and always there
    threads: threadsOf(config).network,
    gpuLibraries: config.gpuLibraries,
    cacheFolder: cacheFolder(),
    log,
    onProbe,
  };
}
