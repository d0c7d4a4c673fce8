// Which devices work here and which one colours photos, for the command line and for the window alike.
// Must never: print.
import { chooseDevice, type DeviceReport, PROBE_SIDE, probeDevices } from "../app/colorize/index.ts";
import type { Config, ErrorRecord, Logger } from "../app/kernel/index.ts";
import { deviceOptions } from "./surroundings.ts";

export interface Examined {
  readonly reports: readonly DeviceReport[];
  /** What colours photos now. */
  readonly used?: string;
  /** Why nothing does. */
  readonly error?: ErrorRecord;
}

/**
 * Tries every device anew.
 * @param onProbe hears of a device before it is tried
 * @throws AutochromeError "model-missing", "model-damaged"
 */
export async function examineDevices(
  config: Config,
  log: Logger,
  onProbe?: (device: string) => void,
): Promise<Examined> {
  return judgeDevices(config, log, await probeDevices(deviceOptions(config, log, onProbe)));
}

/** What colours photos by these settings, where it is known what works. */
export async function judgeDevices(
  config: Config,
  log: Logger,
  reports: readonly DeviceReport[],
): Promise<Examined> {
  const forced = reports.find(({ device }) => device === config.device);
  if (forced === undefined) {
    // Nothing is tried again for this: the reports are remembered.
    const { provider } = await chooseDevice({ ...deviceOptions(config, log), wish: "auto" });
    return { reports, used: provider };
  }
  if (forced.works) return { reports, used: forced.device };
  return {
    reports,
    error: {
      code: "device-unavailable",
      message: deviceInWords(forced),
      next: `${forced.next ?? ""} Or set device to auto.`.trim(),
    },
  };
}

/** "NVIDIA RTX 4000 through CUDA, 12 ms for 256 × 256, 20.0 GiB", or why it does not work. */
export function deviceInWords({ title, works, ms, memoryMiB, gpu, why }: DeviceReport): string {
  if (!works) return why ?? "It does not work.";
  const memory =
    memoryMiB === undefined
      ? []
      : gpu === undefined
        ? [`${memoryMiB} MiB taken`]
        : [`${(memoryMiB / 1024).toFixed(1)} GiB of its own`];
  const driver = gpu === undefined ? [] : [`driver ${gpu.driver}`];
  return `${[title, `${ms} ms for ${PROBE_SIDE} × ${PROBE_SIDE}`, ...memory, ...driver].join(", ")}.`;
}
