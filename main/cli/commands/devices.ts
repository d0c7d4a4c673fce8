// `devices`: what was tried, what works, what does not and why.
import { PROBE_SIDE, probeDevices } from "../../../app/colorize/index.ts";
import { loadConfig } from "../../../app/kernel/index.ts";
import { findModel } from "../../../app/modelstore/index.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";

export async function devices(output: Output): Promise<number> {
  const config = loadConfig();
  const results = await probeDevices(findModel(config.model), config.inferenceThreads);
  for (const result of results) {
    output.line(result);
    output.result(
      result.works
        ? `✓ ${result.device}  ${result.title}: ${result.ms} ms for ${PROBE_SIDE} × ${PROBE_SIDE}`
        : `✗ ${result.device}  ${result.title}: ${result.why} ${result.detail?.trim().split("\n")[0] ?? ""}`.trimEnd(),
    );
  }
  const working = results.filter((result) => result.works).length;
  output.summary({ tried: results.length, working, used: "cpu" }, "Photos are coloured on the CPU.");
  return EXIT.ok;
}
