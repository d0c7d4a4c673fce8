// `devices`: what was tried, what works, what does not and why, and what colours photos now.
import {
  chooseDevice,
  type DeviceReport,
  type DevicesOptions,
  PROBE_SIDE,
  probeDevices,
} from "../../../app/colorize/index.ts";
import {
  type Config,
  cacheFolder,
  createLogger,
  type ErrorRecord,
  type Logger,
  loadConfig,
  threadsOf,
} from "../../../app/kernel/index.ts";
import { embeddedModel } from "../../../app/modelstore/index.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";

export async function devices(output: Output): Promise<number> {
  const config = loadConfig();
  const { reports, used, error } = await examineDevices(config, createLogger(config.logLevel), output);
  for (const report of reports) {
    output.line(report);
    const next = report.next === undefined ? "" : ` ${report.next}`;
    output.result(
      `${report.works ? "✓" : "✗"} ${report.device}: ${printable(deviceInWords(report))}${printable(next)}`,
    );
  }
  const working = reports.filter(({ works }) => works).length;
  const tried = reports.filter(({ triedAt }) => triedAt !== undefined).length;
  const change = "The setting device (AUTOCHROME_DEVICE) or --device changes that.";
  output.summary(
    {
      devices: reports.length,
      tried,
      working,
      wish: config.device,
      used: used ?? null,
      ...(error === undefined ? {} : { error }),
    },
    error === undefined
      ? `Photos are coloured on ${used}${config.device === "auto" ? ", the fastest here (the device is auto)" : ", as was set"}. ${change}`
      : `No photos can be coloured, since the device is set to ${config.device}. ${error.message} ${change}`,
  );
  return error === undefined ? EXIT.ok : EXIT.failed;
}

/**
 * Tries every device anew.
 * @returns the reports; what colours photos now, or why nothing does
 * @throws AutochromeError "model-missing", "model-damaged"
 */
export async function examineDevices(
  config: Config,
  log: Logger,
  output: Output,
): Promise<{
  readonly reports: readonly DeviceReport[];
  readonly used?: string;
  readonly error?: ErrorRecord;
}> {
  const options = deviceOptions(config, log, output);
  const reports = await probeDevices(options);
  const forced = reports.find(({ device }) => device === config.device);
  if (forced === undefined) {
    // Nothing is tried again for this: the reports are remembered.
    return { reports, used: (await chooseDevice({ ...options, wish: "auto" })).provider };
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

/** What devices are tried with. */
export function deviceOptions(config: Config, log: Logger, output: Output): DevicesOptions {
  return {
    model: embeddedModel(), // small, and always there
    threads: threadsOf(config).network,
    gpuLibraries: config.gpuLibraries,
    cacheFolder: cacheFolder(),
    log,
    onProbe: (device) => output.say(`Trying ${device} …`),
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
