// `devices`: what was tried, what works, what does not and why, and what colours photos now.
import { createLogger, loadConfig } from "../../../app/kernel/index.ts";
import { deviceInWords, examineDevices } from "../../devices.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";

export async function devices(output: Output): Promise<number> {
  const config = loadConfig();
  const { reports, used, error } = await examineDevices(config, createLogger(config.logLevel), (device) =>
    output.say(`Trying ${device} …`),
  );
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
